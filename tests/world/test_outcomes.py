"""Meetings end one way, labels are what an organiser knows of that, and the true probability is calibrated."""

from __future__ import annotations

import math

import numpy as np
import pytest

from data_classes import Trajectory
from meeting_agent.evaluation.statistics import score_probabilities
from meeting_agent.world.past_meetings import read_own_meetings
from meeting_agent.world.scenarios import put_into_words
from meeting_agent.world.simulator import ConferenceSimulator
from meeting_agent.world.training_data import label, training_meetings
from tests.records import rollout


@pytest.fixture(scope="module")
def meetings():
    return [m for seed in (950_001, 950_002) for m in ConferenceSimulator(4000, seed).meetings(2000)]


def test_the_true_probability_is_calibrated_and_has_the_best_scores(meetings):
    p, happened = np.array([m.success_probability for m in meetings]), [m.succeeded for m in meetings]
    truth = score_probabilities(p, p, happened)
    assert truth["n"] == 4000
    assert truth["ece"] < 0.03
    noise = np.random.default_rng(0).normal(0, 0.15, len(p))
    others = [(p > 0.5).astype(float), p * 0.7 + 0.15, 0.5 + (p - 0.5) * 1.4, p + noise, np.full(len(p), p.mean())]
    for said in others:
        found = score_probabilities(said.clip(0, 1), p, happened)
        assert found["brier"] > truth["brier"]
        assert found["log_score"] > truth["log_score"]
    likelier = np.maximum(p, 1 - p)
    assert truth["accuracy_drawn"] == pytest.approx(likelier.mean(), abs=4 * math.sqrt(0.25 / len(p)))


def test_an_outcome_belongs_to_its_meeting():
    """Neither the number of meetings nor the physics changes the luck of one of them."""
    some, more = (ConferenceSimulator(400, 5).meetings(count) for count in (50, 200))
    assert more[:50] == some
    other = ConferenceSimulator(400, 5, physics_seed=2).meetings(200)
    assert any(a.succeeded != b.succeeded for a, b in zip(more, other, strict=True))
    for a, b in zip(more, other, strict=True):
        less, likelier = sorted((a, b), key=lambda m: m.success_probability)
        assert likelier.succeeded or not less.succeeded


def test_scenarios_say_what_happened(meetings):
    scenarios = put_into_words(meetings[:40])
    assert [s.outcome for s in scenarios] == ["YES" if m.succeeded else "NO" for m in meetings[:40]]
    assert {s.outcome for s in scenarios} == {"YES", "NO"}


def test_own_meetings_ended_as_their_file_says():
    own = read_own_meetings("data/sample_attendees.csv", "data/sample_meetings.csv")
    both = own.played + own.held_out
    assert [m.succeeded for m in both] == [m.success_probability > 0.5 for m in both]


def test_trajectories_of_other_programs_happened_as_their_outcome_says():
    value = rollout(true_outcome="NO").to_json()
    assert Trajectory.from_json(value).happened == "YES"
    del value["happened"]
    assert Trajectory.from_json(value).happened == "NO"


# ----------------------------------------------------------------------------- labels


def test_labels_are_ratings_or_what_happened(meetings):
    labels = np.array([label(m) for m in meetings])
    p, happened = (np.array([getattr(m, name) for m in meetings]) for name in ("success_probability", "succeeded"))
    plain = np.isin(labels, (0.99, 0.01))
    assert plain.mean() == pytest.approx(0.5, abs=0.03)
    assert np.array_equal(labels[plain] == 0.99, happened[plain])
    assert set(labels[~plain].round(6)) == {i / 10 for i in range(1, 10)}
    middle = ~plain & (np.abs(p - 0.5) < 0.2)  # where no rating reaches a limit
    errors = labels[middle] - p[middle]
    assert errors.mean() == pytest.approx(0.0, abs=0.02)
    assert errors.std() == pytest.approx(math.hypot(0.15, 0.1 / math.sqrt(12)), abs=0.015)


def test_no_label_gives_the_probability_away(meetings):
    """Chemistry is in what happened only: given a label, the exact probability stays open."""
    labels = np.array([label(m) for m in meetings])
    p = np.array([m.success_probability for m in meetings])
    assert np.abs(labels - p).mean() > 0.15
    assert all(np.ptp(p[labels == value]) > 0.3 for value in set(labels))


def test_a_meeting_has_one_label():
    assert [label(m) for m in training_meetings(3, 60)] == [label(m) for m in training_meetings(3, 60)]
