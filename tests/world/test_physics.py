"""Another physics changes what succeeds, and nothing that anybody reads."""

import itertools
import random

import numpy as np
import pytest

from data_classes import TimeSlot
from meeting_agent.base.corpus import sample_short
from meeting_agent.base.dialogues import dialogue_chat
from meeting_agent.conference import Conference
from meeting_agent.world.ceilings import ceiling_accuracies
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.outcome import FORMS, Facts, physics
from meeting_agent.world.people import random_person
from meeting_agent.world.simulator import ConferenceSimulator
from meeting_agent.world.tools import ConferenceTools, call_arguments, naive_score

SEEDS = range(1, 5)


def heard(_prompt: str) -> dict:
    return {"probability": 0.5, "reason": "energy"}


def what_is_read(physics_seed: int) -> list:
    """All that a model reads of twenty scenarios: prompts, and the answers of every tool."""
    conference = Conference(physics_seed=physics_seed)
    (scenarios,) = conference.scenarios("evaluation", 77, 20)
    tools = conference.tools(scenarios, heard)
    answers = [[tool(**scenario.arguments) for tool in tools] for scenario in scenarios]
    return [[s.system_prompt, s.user_prompt, s.prediction_prompt, s.arguments] for s in scenarios] + answers


def corpus_of(seed: int) -> list:
    rng = random.Random(seed)
    return [dialogue_chat(rng) for _ in range(5)] + [sample_short(rng, 0.5) for _ in range(50)]


@pytest.mark.parametrize("seed", SEEDS)
def test_descriptions_tools_and_corpus_are_the_same_under_every_physics(seed):
    before = what_is_read(0), corpus_of(1)
    assert physics(seed) != physics(0)
    assert (what_is_read(seed), corpus_of(1)) == before


@pytest.mark.parametrize("seed", SEEDS)
def test_only_probability_and_reason_of_a_meeting_change(seed):
    usual, other = (ConferenceSimulator(200, 5, physics_seed).meetings(100) for physics_seed in (0, seed))
    for one, two in zip(usual, other, strict=True):
        assert (one.scenario_id, one.person_a, one.person_b, one.time_slot) == (
            *(two.scenario_id, two.person_a, two.person_b, two.time_slot),
        )
    flipped = np.mean(
        [(a.success_probability > 0.5) != (b.success_probability > 0.5) for a, b in zip(usual, other, strict=True)]
    )
    assert flipped > 0.15


@pytest.mark.parametrize("seed", range(8))
def test_about_half_of_all_meetings_succeed_under_every_physics(seed):
    yes = np.mean([m.success_probability > 0.5 for m in ConferenceSimulator(4000, 31, seed).meetings(2000)])
    assert 0.40 < yes < 0.60


def test_a_physics_is_the_same_wherever_it_is_drawn_and_no_two_are_alike():
    drawn = [physics(seed) for seed in range(12)]
    physics.cache_clear()
    assert [physics(seed) for seed in range(12)] == drawn
    assert len({str(law) for law in drawn}) == 12
    assert {law.energy_form for law in drawn} | {law.engagement_form for law in drawn} == FORMS.keys()
    assert {np.sign(law.energy) for law in drawn} == {-1, 1}


@pytest.mark.parametrize("seed", range(4))
def test_numbers_and_arrays_of_facts_have_the_same_logit(seed):
    rng = random.Random(seed)
    rows = [Facts.of(*(random_person(rng, i, "") for i in range(2)), rng.choice(list(TimeSlot))) for _ in range(30)]
    together = Facts(**{name: np.array([getattr(r, name) for r in rows]) for name in Facts.__dataclass_fields__})
    assert physics(seed).logit(together) == pytest.approx([physics(seed).logit(row) for row in rows])


@pytest.mark.parametrize("seed", SEEDS)
def test_order_does_not_matter(seed):
    rng = random.Random(seed)
    for _ in range(50):
        a, b = (random_person(rng, i, "") for i in range(2))
        slot = rng.choice(list(TimeSlot))
        assert physics(seed).probability(a, b, slot, 0.3) == physics(seed).probability(b, a, slot, 0.3)


@pytest.mark.parametrize("seed", SEEDS)
def test_tools_tell_more_than_texts_under_every_physics(seed):
    meetings = ConferenceSimulator(1200, 77, seed).meetings(600)
    ceilings = ceiling_accuracies(meetings, PersonDescriptor(), physics(seed), draws=100)
    assert 0.74 < ceilings["text_only"] < 0.86
    assert 0.89 < ceilings["all_tools"] < 0.97
    assert ceilings["all_tools"] > ceilings["text_only"] + 0.08


@pytest.mark.parametrize("seed", range(5))
def test_no_mean_of_naive_scores_comes_near_what_tools_tell(seed):
    """Dawes (1979): such a rule is near the optimum where all effects are positive and add up. Here they do not."""
    meetings = ConferenceSimulator(2000, 78, seed).meetings(1000)
    tools = ConferenceTools({p.name: p for m in meetings for p in (m.person_a, m.person_b)}, heard).functions[1:]
    success = np.array([m.success_probability > 0.5 for m in meetings])
    scores = [
        [naive_score(t.__name__, t(**call_arguments(m.person_a, m.person_b, m.time_slot))) for t in tools]
        for m in meetings
    ]
    for size in (1, 2, 3):
        for chosen in itertools.combinations(range(3), size):
            rule = np.array(scores)[:, chosen].mean(axis=1) > 0.5
            assert np.mean(rule == success) < 0.78
