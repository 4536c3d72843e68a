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
    "every meeting succeeds": [replace(row, target_probability=1.0, ground_truth_prob=1.0) for row in ROWS],
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
    base_rate = float(np.mean([row.target_probability for row in rows]))
    if base_rate in (0.0, 1.0) or not has_vocabulary(texts):
        assert said == [base_rate] * len(rows)
    scores = score_probabilities(said, truth, [t > 0.5 for t in truth])
    assert all(np.isfinite(value).all() for value in scores.values())
    assert error_patterns(texts, [row.target_reason for row in rows], said, truth) is not None
    audit = audit_learnability(rows)
    assert (audit is None) == (len(rows) < 20)
    if audit is not None:
        assert np.isfinite([audit.accuracy, audit.correlation, *audit.correlation_ci95]).all()
        assert str(audit).startswith("Learnability audit")


def test_words_that_carry_a_signal_are_learned():
    rows = [
        replace(
            ROWS[0],
            input_text=f"{'good' if i % 2 else 'bad'} match {i}",
            target_probability=0.8 if i % 2 else 0.1,
            ground_truth_prob=0.0 if i % 2 else 1.0,  # which nothing may be fitted on
        )
        for i in range(400)
    ]
    good, bad = tfidf_baseline(rows, ["good match", "bad match"], seed=0)
    assert (good, bad) == (pytest.approx(0.8, abs=0.05), pytest.approx(0.1, abs=0.05))


@pytest.mark.parametrize("count", [1, 2, 9, 60])
def test_boosting_on_few_or_equal_meetings_is_their_mean(count):
    meetings = training_meetings(1, count)
    said = boosting_baseline(meetings, [0.25] * count, meetings[:3], PersonDescriptor(), 0)
    assert said == pytest.approx([0.25] * min(3, count))


@pytest.mark.parametrize(("happened", "says"), [(["NO"], 0.0), (["YES", "NO"], 0.5), (["YES"], 1.0)])
def test_calibration_says_how_often_meetings_succeeded(happened, says):
    messages = [{"role": role, "content": ""} for role in ("system", "user", "assistant")]
    found = fit([rollout(messages=messages, ground_truth=0.7, happened=h) for h in happened * 60])
    assert found.success(0.9, messages) == pytest.approx(says, abs=0.02)
