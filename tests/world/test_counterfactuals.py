"""Opposite meetings: what the tools would say, and which way the truth would move."""

from __future__ import annotations

import pytest

from meeting_agent.agent.tool_calls import no_prediction
from meeting_agent.conference import Conference
from meeting_agent.world.ceilings import ENERGY, FOLLOW_UP, TOPICS
from meeting_agent.world.counterfactuals import LEAST_MOVE, moved_probability, named_factor, opposite_people
from meeting_agent.world.outcome import Facts, physics

SEED = 9002


@pytest.mark.parametrize("tool", [TOPICS, ENERGY, FOLLOW_UP])
@pytest.mark.parametrize("physics_seed", [0, 3])
def test_an_opposite_moves_the_truth_the_way_it_says(tool, physics_seed):
    task = Conference(physics_seed=physics_seed)
    (scenarios,) = task.scenarios("evaluation", SEED, 80)
    tools = {t.__name__: t for t in task.tools(scenarios, no_prediction)}
    swaps = 0
    for scenario in scenarios:
        result = tools[tool](**scenario.arguments)
        moves = [
            moved_probability(scenario.subject, people, physics(physics_seed)) - scenario.success_probability
            for people in opposite_people(scenario.subject, tool)
        ]
        moved = max(moves, key=abs)
        found = task.opposite(scenario, tool, result)
        assert (found is None) == (abs(moved) < LEAST_MOVE)
        if found:
            swapped, way = found
            assert way == (1 if moved > 0 else -1)
            assert swapped.keys() == result.keys()
            assert swapped != result
            swaps += 1
    assert swaps >= 15


def test_opposite_topics_are_no_match_for_a_match_and_a_match_for_none():
    (scenarios,) = Conference().scenarios("evaluation", SEED, 80)
    for scenario in scenarios:
        m = scenario.subject
        before = Facts.of(m.person_a, m.person_b, m.time_slot)
        (people,) = opposite_people(m, TOPICS)
        after = Facts.of(*people, m.time_slot)
        assert (after.shared == 0) == (before.shared > 0)
        assert after.needs_met == (0 if before.needs_met else 2)
        assert (after.energy_a, after.engagement_b, after.gap) == (before.energy_a, before.engagement_b, before.gap)
        for old, new in zip((m.person_a, m.person_b), people, strict=True):
            assert len(new.offering) == len(old.offering) == len(set(new.offering))
            assert len(new.interests) == len(old.interests) == len(set(new.interests))


def test_the_same_people_leave_the_truth_where_it_is():
    (scenarios,) = Conference().scenarios("evaluation", SEED, 5)
    for scenario in scenarios:
        m = scenario.subject
        assert moved_probability(m, (m.person_a, m.person_b), physics(0)) == pytest.approx(m.success_probability)


def test_the_prediction_has_no_opposite():
    task = Conference()
    (scenario,) = next(task.scenarios("evaluation", SEED, 1))
    assert task.opposite(scenario, "predict_meeting_success_tool", {"probability": 0.9}) is None


def test_a_factor_is_named_by_word_or_by_its_field():
    assert named_factor("Mainly needs: finds_a no. Also energy: energy_a 3.1.") == "needs"
    assert named_factor("energy_a 2.5 is low, finds_b yes") == "energy"
    assert named_factor("It looks good.") is None


def test_effects_are_those_of_the_true_facts():
    task = Conference()
    (scenario,) = next(task.scenarios("evaluation", SEED, 1))
    effects = task.factor_effects(scenario)
    assert effects.keys() == {"interests", "needs", "energy", "engagement", "seniority"}
    assert max(effects, key=lambda name: abs(effects[name])) == scenario.reason
