"""Baselines on the attributes that texts state."""

from __future__ import annotations

import pytest

from meeting_agent.conference import Conference
from meeting_agent.evaluation.statistics import score_probabilities
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.training_data import label, training_meetings
from meeting_agent.world.training_rows import read_training_rows
from meeting_agent.world.visible import meetings_behind, ridge_baseline


def test_ridge_learns_what_the_stated_attributes_say():
    train = training_meetings(42, 600)
    (scenarios,) = Conference().scenarios("evaluation", 8123, 400)
    test, success = [s.subject for s in scenarios], [s.success_probability for s in scenarios]
    targets = [label(m) for m in train]
    said = ridge_baseline(train, targets, test, PersonDescriptor())
    assert score_probabilities(said, success)["accuracy"] > 0.72
    turned_around = ridge_baseline(train, [1 - t for t in targets], test, PersonDescriptor())
    assert score_probabilities(turned_around, success)["accuracy"] < 0.28


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [1, 2, 9, 60])
def test_ridge_on_few_or_equal_meetings_is_their_mean(count):
    meetings = training_meetings(1, count)
    said = ridge_baseline(meetings, [0.25] * count, meetings[:3], PersonDescriptor())
    assert said == pytest.approx([0.25] * min(3, count))


def test_rows_of_another_physics_are_warned_of_and_fit_no_baseline(capsys):
    rows = read_training_rows("data/sft_training_data.csv")
    known = meetings_behind(rows, rows[:20], 42, PersonDescriptor())
    assert [m.reason for m in known] == [row.target_reason for row in rows[:20]]
    assert capsys.readouterr().out == ""
    assert meetings_behind(rows, rows[:20], 42, PersonDescriptor(), physics_seed=1) is None
    assert "other probabilities than physics 1, which phase 2 used" in capsys.readouterr().out
    assert meetings_behind(rows, rows[:20], 7, PersonDescriptor()) is None
    assert capsys.readouterr().out == ""
