"""Baselines on the attributes that texts state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from meeting_agent.conference import Conference
from meeting_agent.evaluation.statistics import score_probabilities
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.training_data import training_meetings
from meeting_agent.world.visible import ridge_baseline


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
