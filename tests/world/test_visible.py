"""Baselines on the attributes that texts state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from meeting_agent.conference import Conference
from meeting_agent.evaluation.statistics import score_probabilities
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.training_data import training_meetings
from meeting_agent.world.training_rows import read_training_rows
from meeting_agent.world.visible import meetings_behind, ridge_baseline


def test_ridge_learns_what_the_stated_attributes_say():
    train = training_meetings(42, 600)
    (scenarios,) = Conference().scenarios("evaluation", 8123, 400)
    test, success = [s.subject for s in scenarios], [s.success_probability for s in scenarios]
    said = ridge_baseline(train, test, PersonDescriptor())
    assert score_probabilities(said, success)["accuracy"] > 0.76
    shuffled = np.random.default_rng(0).permutation([m.success_probability for m in train])
    nothing = [replace(m, success_probability=float(p)) for m, p in zip(train, shuffled, strict=True)]
    assert score_probabilities(ridge_baseline(nothing, test, PersonDescriptor()), success)["accuracy"] < 0.65


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [1, 2, 9, 60])
def test_ridge_on_few_or_equal_meetings_is_their_mean(count):
    meetings = [replace(m, success_probability=0.25) for m in training_meetings(1, count)]
    assert ridge_baseline(meetings, meetings[:3], PersonDescriptor()) == pytest.approx([0.25] * min(3, count))


def test_rows_of_another_physics_are_warned_of_and_fit_no_baseline(capsys):
    rows = read_training_rows("data/sft_training_data.csv")
    known = meetings_behind(rows, rows[:20], 42, PersonDescriptor())
    assert [m.reason for m in known] == [row.target_reason for row in rows[:20]]
    assert capsys.readouterr().out == ""
    assert meetings_behind(rows, rows[:20], 42, PersonDescriptor(), physics_seed=1) is None
    assert "other probabilities than physics 1, which phase 2 used" in capsys.readouterr().out
    assert meetings_behind(rows, rows[:20], 7, PersonDescriptor()) is None
    assert capsys.readouterr().out == ""
