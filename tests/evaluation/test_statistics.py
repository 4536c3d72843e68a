"""Statistics against the textbook."""

import numpy as np
import pytest
from scipy.stats import binomtest

from meeting_agent.evaluation.statistics import (
    bootstrap_interval,
    correlation_of,
    expected_calibration_error,
    paired_comparison,
    score_probabilities,
    wilson_interval,
)


def test_wilson_interval_of_a_textbook_case():
    low, high = wilson_interval(50, 100)
    assert (low, high) == (pytest.approx(0.4038, abs=1e-4), pytest.approx(0.5962, abs=1e-4))


def test_bootstrap_interval_of_a_mean():
    values = np.random.default_rng(0).normal(0, 1, 400)
    low, high = bootstrap_interval(np.mean, values)
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.15)


def test_mcnemar_counts_only_disagreements():
    after = [True] * 80 + [False] * 20
    before = [True] * 60 + [False] * 20 + [True] * 5 + [False] * 15
    found = paired_comparison(after, before)
    assert (found["won"], found["lost"]) == (20, 5)
    assert found["delta"] == pytest.approx(0.15)
    assert found["p_value"] == pytest.approx(binomtest(20, 25, 0.5).pvalue)
    assert paired_comparison(after, after)["p_value"] == 1.0


def test_perfect_calibration_has_no_error():
    p = np.array([0.25] * 4 + [0.75] * 4)
    truth = np.array([1, 0, 0, 0, 1, 1, 1, 0])
    assert expected_calibration_error(p, truth) == pytest.approx(0.0)
    assert expected_calibration_error(p, 1 - truth) == pytest.approx(0.5)


def test_scores_of_a_perfect_and_of_a_constant_predictor():
    success = [0.9, 0.1, 0.7, 0.3]
    perfect = score_probabilities(success, success)
    assert (perfect["accuracy"], perfect["mae"], perfect["correlation"]) == (1.0, 0.0, pytest.approx(1.0))
    assert score_probabilities([0.5] * 4, success)["correlation"] == 0.0


def test_probabilities_are_scored_on_what_happened_and_decisions_on_both():
    said, success, happened = [0.9, 0.8, 0.2, None], [0.6, 0.7, 0.4, 0.9], [True, False, True, True]
    found = score_probabilities(said, success, happened)
    assert (found["accuracy"], found["accuracy_drawn"]) == (0.75, 0.25)
    assert found["brier"] == pytest.approx((0.01 + 0.64 + 0.64) / 3)
    assert found["log_score"] == pytest.approx(-np.log([0.9, 0.2, 0.2]).mean())
    assert found["ece"] == pytest.approx((0.1 + 0.8 + 0.8) / 3)
    assert score_probabilities([1.0], [0.6], [False])["log_score"] == pytest.approx(-np.log(0.01))
    assert score_probabilities(said, success).keys() == found.keys() - {"accuracy_drawn", "brier", "ece", "log_score"}
    advised = score_probabilities(said, success, happened, ["NO", "NO", "YES", None])
    assert (advised["accuracy"], advised["accuracy_drawn"], advised["brier"]) == (0.0, 0.5, found["brier"])


def test_equal_numbers_do_not_correlate_with_anything():
    """Their standard deviation is not quite 0."""
    assert score_probabilities([0.1] * 30, [0.1, 0.9, 0.4] * 10)["correlation"] == 0.0
    assert score_probabilities([0.2, 0.7, 0.4] * 10, [0.1] * 30)["correlation"] == 0.0
    assert correlation_of(np.array([1.0, 2.0]), np.array([3.0, 1.0])) == pytest.approx(-1.0)


def test_gain_over_seeds_has_an_interval_that_knows_how_few_there_are():
    from meeting_agent.report.other_records import gain_text

    # mean 0.03, standard deviation 0.02 of 3: 4.303 * 0.02 / sqrt(3) = 0.0497 on either side
    assert "+3.0 points on average (95% interval over seeds -2.0 to +8.0" in gain_text([0.01, 0.03, 0.05])
