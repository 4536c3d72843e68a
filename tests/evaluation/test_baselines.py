"""Baselines and the audit, also where the data give them nothing to learn from."""

from dataclasses import replace

import numpy as np
import pytest

from data_classes import TrainingRow
from meeting_agent.evaluation.audit import audit_learnability, has_vocabulary
from meeting_agent.evaluation.baselines import tfidf_baseline
from meeting_agent.evaluation.statistics import score_probabilities
from meeting_agent.scheduling.calibration import fit
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.error_patterns import error_patterns
from meeting_agent.world.training_data import training_meetings
from meeting_agent.world.training_rows import read_training_rows
from meeting_agent.world.visible import boosting_baseline
from tests.records import rollout

ROWS = read_training_rows("data/sft_training_data.csv")[:120]
SINGLE_WORDS = [TrainingRow(f"pair{i:04d}", i % 10 / 10, "energy", i % 10 / 10) for i in range(60)]

DEGENERATE = {
    "ten rows": ROWS[:10],
    "one row": ROWS[:1],
    "words that occur once": SINGLE_WORDS,
    "words that occur in one fold only": [*SINGLE_WORDS[:28], *ROWS[:1], *ROWS[:1]],
    "signs without words": [replace(row, input_text="? !") for row in ROWS],
    "one text": [replace(row, input_text=ROWS[0].input_text) for row in ROWS],
    "every meeting succeeds": [replace(row, ground_truth_prob=1.0) for row in ROWS],
    "no meeting succeeds": [replace(row, target_probability=0.0, ground_truth_prob=0.0) for row in ROWS],
    "one half everywhere": [replace(row, target_probability=0.5, ground_truth_prob=0.5) for row in ROWS],
    "a tenth everywhere": [replace(row, target_probability=0.1, ground_truth_prob=0.1) for row in ROWS],
    "no reasons": [replace(row, target_reason="") for row in ROWS],
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_data_with_nothing_to_learn_raise_nothing(name):
    rows = DEGENERATE[name]
    texts, truth = [row.input_text for row in rows], [row.ground_truth_prob for row in rows]
    said = tfidf_baseline(rows, texts, seed=0)
    assert all(0.0 <= p <= 1.0 for p in said)
    base_rate = float(np.mean([t > 0.5 for t in truth]))
    if base_rate in (0.0, 1.0) or not has_vocabulary(texts):
        assert said == [base_rate] * len(rows)
    scores = score_probabilities(said, truth)
    assert all(np.isfinite(value).all() for value in scores.values())
    assert error_patterns(texts, [row.target_reason for row in rows], said, truth) is not None
    audit = audit_learnability(rows)
    assert (audit is None) == (len(rows) < 20)
    if audit is not None:
        assert np.isfinite([audit.accuracy, audit.correlation, *audit.correlation_ci95]).all()
        assert str(audit).startswith("Learnability audit")


def test_words_that_carry_a_signal_are_learned():
    rows = [
        replace(ROWS[0], input_text=f"{'good' if i % 2 else 'bad'} match {i}", ground_truth_prob=i % 2)
        for i in range(40)
    ]
    good, bad = tfidf_baseline(rows, ["good match", "bad match"], seed=0)
    assert good > 0.7 > 0.3 > bad


@pytest.mark.parametrize("count", [1, 2, 9, 60])
def test_boosting_on_few_or_equal_meetings_is_their_mean(count):
    meetings = [replace(m, success_probability=0.25) for m in training_meetings(1, count)]
    assert boosting_baseline(meetings, meetings[:3], PersonDescriptor(), 0) == pytest.approx([0.25] * min(3, count))


@pytest.mark.parametrize("truth", [0.0, 0.5, 1.0])
def test_calibration_on_one_outcome_says_that_outcome(truth):
    messages = [{"role": role, "content": ""} for role in ("system", "user", "assistant")]
    found = fit([rollout(messages=messages, ground_truth=truth)] * 60)
    assert found.success(0.9, messages) == pytest.approx(truth, abs=0.01)
