"""The conference: learnable, with known limits, and nobody in two places."""

import statistics

import pytest

from data_classes import PersonType, TimeSlot
from meeting_agent.agent.answers import get_true_outcome
from meeting_agent.world.ceilings import ceiling_accuracies
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.outcome import Facts, physics
from meeting_agent.world.prompts import prediction_prompt
from meeting_agent.world.scenarios import make_scenarios
from meeting_agent.world.simulator import ConferenceSimulator, conference_seed
from meeting_agent.world.training_data import label, training_meetings
from meeting_agent.world.training_rows import read_training_rows


def fresh_meetings(count):
    """Meetings of conferences that no phase uses, at most 2,000 each."""
    found = []
    for seed in range(count // 2000):
        found += ConferenceSimulator(4000, 900_000 + seed).meetings(2000)
    return found


def test_half_of_all_meetings_succeed():
    outcomes = [get_true_outcome(m.success_probability) for m in fresh_meetings(20_000)]
    assert 0.44 <= outcomes.count("YES") / len(outcomes) <= 0.56


def test_text_tells_much_and_tools_tell_nearly_all():
    ceilings = ceiling_accuracies(fresh_meetings(4000), PersonDescriptor(), physics(0), draws=100)
    assert 0.75 <= ceilings["text_only"] <= 0.84
    assert 0.90 <= ceilings["all_tools"] <= 0.96
    single = {"topics": "text_and_topics", "energy": "text_and_energy", "follow_up": "text_and_follow_up"}
    for view in single.values():
        assert ceilings["text_only"] < ceilings[view] < ceilings["all_tools"] - 0.05
    for one, two in (("topics", "energy"), ("topics", "follow_up"), ("energy", "follow_up")):
        pair = ceilings[f"text_and_{one}_{two}"]
        assert max(ceilings[single[one]], ceilings[single[two]]) < pair < ceilings["all_tools"] - 0.02


def test_no_attendee_occurs_in_training_preferences_and_evaluation():
    def people(meetings):
        return {(p.energy, p.introversion, p.engagement) for m in meetings for p in (m.person_a, m.person_b)}

    for seed, eval_seed in ((42, 9511), (7, 7), (0, 1)):
        training = people(training_meetings(seed, 2000))
        preference = people([s.subject for s in make_scenarios("traces", seed, 720)])
        evaluation = people([s.subject for s in make_scenarios("evaluation", eval_seed, 1200)])
        assert not training & preference
        assert not training & evaluation
        assert not preference & evaluation


def test_conference_seeds_never_collide():
    seeds = {conference_seed(purpose, seed) for purpose in ("sft", "traces", "evaluation") for seed in range(500)}
    assert len(seeds) == 1500


def test_committed_data_is_what_the_generator_writes():
    rows = read_training_rows("data/sft_training_data.csv")
    meetings = training_meetings(42, 2000)
    describe = PersonDescriptor().generate_description
    assert len(rows) == 2000
    for row, m in zip(rows, meetings, strict=True):
        a, b = describe(m.person_a, m.time_slot), describe(m.person_b, m.time_slot)
        assert row.input_text == prediction_prompt(a, b, m.time_slot)
        assert row.ground_truth_prob == pytest.approx(m.success_probability, abs=1e-6)
        assert row.target_reason == m.reason
        assert row.target_probability == label(m)


def test_training_rows_share_no_attendee():
    people = [p.energy for m in training_meetings(42, 2000) for p in (m.person_a, m.person_b)]
    assert len(set(people)) == 4000


def test_seed_changes_people_not_physics():
    first, second = ConferenceSimulator(10, 1), ConferenceSimulator(10, 2)
    assert first.attendees != second.attendees
    assert first.physics is second.physics


def test_the_default_physics_is_the_documented_one():
    """Each sentence of the module's docstring, as a pair of meetings that differ in one fact."""
    usual = {"shared": 1, "needs_met": 1, "energy_a": 0.5, "energy_b": 0.5, "gap": 1, "mentoring": False}
    usual |= {"engagement_a": 0.6, "engagement_b": 0.6}

    def logit(**differs):
        return float(physics(0).logit(Facts(**usual | differs)))

    assert logit(energy_a=0.1, energy_b=0.1) == pytest.approx(logit())
    assert logit() > logit(energy_a=0.9)
    assert logit(engagement_a=0.9) == pytest.approx(logit())
    assert logit() > logit(engagement_a=0.3, engagement_b=0.9)
    assert logit() > logit(shared=2) > logit(shared=3) > logit(shared=0)
    assert logit(needs_met=2) == pytest.approx(logit())
    assert logit() > logit(needs_met=0)
    assert logit(gap=0) > logit(gap=4)
    assert logit(gap=4, mentoring=True) > logit(gap=0, mentoring=True)


def test_same_seed_same_conference():
    assert ConferenceSimulator(50, 3).meetings(40) == ConferenceSimulator(50, 3).meetings(40)


def test_roles_and_slots_are_the_contract():
    assert len(PersonType) == 10
    assert TimeSlot.DAY1_MORNING.value == "day1_morning"
    assert TimeSlot("day3_evening").label == "Day3 Evening"


def test_terser_descriptions_at_higher_temperature():
    meetings = ConferenceSimulator(200, 5).meetings(100)

    def mean_length(temperature):
        describe = PersonDescriptor(temperature).generate_description
        return statistics.mean(len(describe(m.person_a, m.time_slot)) for m in meetings)

    assert mean_length(0.0) > mean_length(0.8) > mean_length(1.6)


def test_bad_descriptor_temperature_is_refused():
    with pytest.raises(ValueError, match="temperature"):
        PersonDescriptor(temperature=3.0)
