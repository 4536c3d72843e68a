"""A schedule: nobody in two places, the most expected successes, tiring people, and files that other programs read."""

import csv
import itertools
import math
import random
import warnings
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
from icalendar import Calendar

from data_classes import Recommendation, TimeSlot
from meeting_agent.agent.trajectory_file import TraceFile
from meeting_agent.common.files import InputError, write_csv
from meeting_agent.scheduling.calibration import Calibration, fit, read_calibration
from meeting_agent.scheduling.matching import best_matching, best_partners, disjoint_matchings
from meeting_agent.scheduling.schedule import (
    COLUMNS,
    ScheduledMeeting,
    Scheduler,
    csv_row,
    read_date,
    read_slots,
    write_calendar,
)
from meeting_agent.scheduling.study import expected_success, summary
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.simulator import ConferenceSimulator
from tests.records import rollout

SLOT = TimeSlot.DAY2_MORNING


def people(count, seed=3):
    return list(ConferenceSimulator(count, seed).attendees.values())


def every_matching(indices):
    """All perfect matchings, the slow way."""
    if not indices:
        yield []
        return
    first, *rest = indices
    for partner in rest:
        for others in every_matching([i for i in rest if i != partner]):
            yield [(first, partner), *others]


@pytest.mark.parametrize("seed", range(5))
def test_no_matching_has_a_greater_sum(seed):
    rng = random.Random(seed)
    weights = {pair: rng.random() for pair in itertools.combinations(range(8), 2)}
    best = max(sum(weights[pair] for pair in matching) for matching in every_matching(list(range(8))))
    assert sum(weights[pair] for pair in best_matching(weights)) == pytest.approx(best)


def test_a_good_pair_counts_more_than_two_poor_ones_unless_everybody_is_to_meet():
    weights = {(0, 1): 0.1, (1, 2): 0.9, (2, 3): 0.1}
    assert best_matching(weights) == [(1, 2)]
    assert best_matching(weights, everybody=True) == [(0, 1), (2, 3)]


def test_rounds_give_everybody_other_partners():
    rng = random.Random(1)
    weights = {pair: rng.random() for pair in itertools.combinations(range(10), 2)}
    found = disjoint_matchings(weights, 3)
    assert len(found) == len(set(found)) == 15
    assert {sum(i in pair for pair in found) for i in range(10)} == {3}


def test_best_partners_leave_out_who_may_not_meet():
    scores = np.array([[np.nan, 0.9, np.nan], [0.9, np.nan, 0.2], [np.nan, 0.2, np.nan]])
    assert best_partners(scores, 2) == [(0, 1), (1, 2)]


class ByEnergy(Scheduler):
    """A scheduler without models, whose agents go by energy alone."""

    def __init__(self):
        self.calibration = Calibration()
        self.seen = []

    def predicted(self, people, slot, pairs):
        return [0.5] * len(pairs)

    def look_into(self, people, slot, pairs):
        self.seen.append([p.meetings_today for p in people])
        return [
            ScheduledMeeting(
                people[a].name, people[b].name, slot, (people[a].energy + people[b].energy) / 2, "YES", "", ""
            )
            for a, b in pairs
        ]


def test_nobody_is_in_two_meetings_and_nobody_meets_the_same_person_twice():
    slots = [TimeSlot.DAY1_MORNING, TimeSlot.DAY1_AFTERNOON, TimeSlot.DAY2_MORNING]
    meetings = ByEnergy().day(people(21), slots, 4)
    for slot in slots:
        names = [name for m in meetings if m.slot is slot for name in (m.person_a, m.person_b)]
        assert len(names) == len(set(names)) == 20
    pairs = [frozenset((m.person_a, m.person_b)) for m in meetings]
    assert len(pairs) == len(set(pairs))


def test_who_has_met_is_more_tired_that_day_and_rested_on_the_next():
    fresh = [replace(p, meetings_today=1) for p in people(10)]
    scheduler = ByEnergy()
    scheduler.day(fresh, [TimeSlot.DAY1_MORNING, TimeSlot.DAY1_AFTERNOON, TimeSlot.DAY2_MORNING], 3)
    assert scheduler.seen == [[1] * 10, [2] * 10, [0] * 10]


def test_a_day_may_hold_more_meetings_than_a_description_tells_of():
    tired = [replace(p, meetings_today=6) for p in people(10)]
    slots = [TimeSlot.DAY1_MORNING, TimeSlot.DAY1_AFTERNOON, TimeSlot.DAY1_EVENING]
    scheduler = ByEnergy()
    scheduler.day(tired, slots, 3)
    assert scheduler.seen == [[6] * 10] * 3
    assert PersonDescriptor().generate_description(tired[0], slots[2])


def test_two_people_meet_once_and_then_have_nobody_left():
    slots = [TimeSlot.DAY1_MORNING, TimeSlot.DAY1_AFTERNOON]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(ByEnergy().day(people(2), slots, 3)) == 1


def test_unlikely_meetings_are_left_out_and_keep_nobody_from_a_likely_one():
    four = [replace(p, energy=e) for p, e in zip(people(4), (0.0, 0.9, 0.9, 0.0), strict=True)]
    (meeting,) = ByEnergy().day(four, [SLOT], 3, 0.5)
    assert meeting.probability == pytest.approx(0.9)


def test_agents_look_into_pairs_and_say_what_they_found():
    scheduler = Scheduler(
        "models/sft_prediction_model_gemma_270m",
        "models/dpo_aligned_adapter",
        read_calibration(Path("trajectories/evaluation_traces.json")),
    )
    meetings = scheduler.day(people(8), [SLOT], 1)
    assert 2 <= len(meetings) <= 4
    assert all(0 < m.probability < 1 and m.recommendation in ("YES", "NO", "no answer") for m in meetings)
    assert sum(m.evidence != "" for m in meetings) >= 2


def conversation(truth, rng):
    """An answer after one look-up, of a meeting whose success the mean of two ratings alone decides."""
    ratings, probability = [round(9.9 * rng.random(), 1) for _ in "ab"], round(rng.uniform(0.2, 0.8), 2)
    messages = [
        {"role": "system", "content": ""},
        {"role": "user", "content": ""},
        {"role": "tool", "content": f'{{"energy_a": {ratings[0]}, "energy_b": {ratings[1]}}}'},
        {"role": "assistant", "content": ""},
    ]
    said = Recommendation("YES", probability, None)
    happened = "YES" if rng.random() < truth(sum(ratings) / 2) else "NO"
    return rollout(
        final_recommendation_parsed=said, messages=messages, ground_truth=truth(sum(ratings) / 2), happened=happened
    )


def test_calibration_recovers_what_ratings_are_worth():
    rng = random.Random(0)
    traces = [conversation(lambda mean: 1 / (1 + math.exp(-(mean - 5))), rng) for _ in range(6000)]
    found = fit([*traces, replace(traces[0], final_recommendation_parsed=None)])
    agent, mean_energy, energy_apart, *engagement = found.weights
    assert mean_energy == pytest.approx(1, abs=0.1)
    assert max(map(abs, (agent, energy_apart, *engagement))) < 0.1
    assert found.success(0.3, traces[0].messages) == pytest.approx(traces[0].ground_truth, abs=0.03)


def test_calibration_is_left_out_where_nothing_was_measured_and_refused_where_it_is_too_little(tmp_path):
    assert read_calibration(tmp_path / "none.json").success(0.7, []) == 0.7
    with pytest.raises(InputError, match="3 answers of the aligned agent"):
        fit([conversation(lambda mean: mean / 10, random.Random(i)) for i in range(3)])


def test_on_the_reference_run_a_calibrated_agent_is_nearer_to_the_truth():
    path = Path("trajectories/evaluation_traces.json")
    played = [t for t in TraceFile(path) if t.policy == "dpo" and t.probability is not None]
    found = fit(played[::2])
    left_out = played[1::2]
    errors = [
        sum((says(t) - t.ground_truth) ** 2 for t in left_out)
        for says in (lambda t: t.probability, lambda t: found.success(t.probability, t.messages))
    ]
    assert errors[1] < 0.7 * errors[0]


@pytest.fixture
def meetings():
    a, b, c = (p.name for p in people(3))
    return [
        ScheduledMeeting(a, b, SLOT, 0.8, "YES", "both like data", "energy_a 7.1"),
        ScheduledMeeting('=HYPERLINK("x")', c, TimeSlot.DAY3_EVENING, 0.6, "YES", "", "BEGIN:VEVENT\nSUMMARY:x"),
    ]


def test_the_csv_has_a_row_a_meeting_and_no_formula(tmp_path, meetings):
    write_csv(tmp_path / "schedule.csv", COLUMNS, map(csv_row, meetings))
    with (tmp_path / "schedule.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["time_slot"], first["probability"], first["evidence"]) == ("day2_morning", "0.800", "energy_a 7.1")
    assert second["person_a"] == '\'=HYPERLINK("x")'


def test_the_calendar_reads_back(tmp_path, meetings):
    write_calendar(tmp_path / "schedule.ics", meetings, date(2026, 12, 1))
    events = Calendar.from_ical((tmp_path / "schedule.ics").read_bytes()).walk("VEVENT")
    assert [e.decoded("dtstart") for e in events] == [datetime(2026, 12, 2, 10), datetime(2026, 12, 3, 18)]
    assert str(events[0]["summary"]) == f"{meetings[0].person_a} and {meetings[0].person_b}"


@pytest.mark.parametrize(
    ("read", "text", "says"),
    [
        (read_slots, "day9_morning", "'day9_morning', no slot: give one of day1_morning"),
        (read_slots, "day1_morning,day1_morning", "twice"),
        (read_date, "1st of May", "2026-12-01"),
    ],
)
def test_what_cannot_be_read_is_refused(read, text, says):
    with pytest.raises(InputError, match=says):
        read(text)


def test_expected_success_is_the_mean_over_chemistry():
    pair = people(2)
    found = expected_success(pair, SLOT)[0, 1]
    from meeting_agent.world.outcome import CHEMISTRY_SD, physics

    rng = random.Random(0)
    drawn = [physics(0).probability(*pair, SLOT, rng.gauss(0, CHEMISTRY_SD)) for _ in range(20_000)]
    assert found == pytest.approx(sum(drawn) / len(drawn), abs=0.003)


def test_the_summary_is_a_share_of_what_the_oracle_gains():
    row = {"random": 0.4, "same_interests": 0.5, "sft_only": 0.6, "agent": 0.8, "oracle": 0.9, "seconds": 3.0}

    class Config:
        conferences, people, candidates = 2, 10, 4

    found = summary([row, row], Config)
    assert found["share_of_oracle_gain"]["agent"]["share"] == pytest.approx(0.8)
    assert math.isclose(found["share_of_oracle_gain"]["same_interests"]["least"], 0.2)
