"""Scores with their uncertainty: accuracy, calibration, intervals, paired comparisons."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

RESAMPLES = 2000
CALIBRATION_BINS = 10
CONSTANT_WITHIN = 1e-9  # equal numbers have a standard deviation of about 1e-17


def bootstrap_interval(statistic: Callable[..., float], *samples: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95% percentile bootstrap interval (Efron and Tibshirani, 1993) of `statistic(*samples)`.

    Samples are of equal length and resampled together: each holds one number of every unit. One unit has no spread.
    """
    from scipy.stats import bootstrap

    if len(samples[0]) < 2:
        value = float(statistic(*samples))
        return value, value
    interval = bootstrap(
        samples,
        statistic,
        paired=True,
        vectorized=False,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def wilson_interval(correct: int, n: int) -> tuple[float, float]:
    """95% score interval of a share (Wilson, 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def correlation_of(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation; 0 where one of both is constant, but for rounding."""
    varies = min(np.ptp(a), np.ptp(b)) > CONSTANT_WITHIN
    return float(np.corrcoef(a, b)[0, 1]) if varies else 0.0


def expected_calibration_error(p: np.ndarray, truth: np.ndarray) -> float:
    """Mean gap between stated and observed success over ten equal-width bins, weighted by size, in [0, 1]."""
    bins = np.minimum((p * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return float(sum(abs(p[bins == b].mean() - truth[bins == b].mean()) * (bins == b).mean() for b in set(bins)))


def score_probabilities(
    probabilities: Sequence[float | None], success: Sequence[float], recommendations: Sequence[str | None] | None = None
) -> dict:
    """Every score of a phase on its scenarios.

    probabilities: what the model stated, None where nothing could be read (which counts as wrong).
    success: the true probability of success; the outcome is YES above one half.
    recommendations: YES or NO where a model gives its own; without them, YES is a probability above one half.
    """
    truth = np.array([s > 0.5 for s in success])
    stated = [p is not None for p in probabilities]
    if recommendations is None:
        recommendations = [None if p is None else "YES" if p > 0.5 else "NO" for p in probabilities]
    right = np.array([r == ("YES" if t else "NO") for r, t in zip(recommendations, truth, strict=True)])
    valid = [p is not None and r in ("YES", "NO") for p, r in zip(probabilities, recommendations, strict=True)]
    n = len(truth)
    scores = {
        "n": n,
        "accuracy": float(right.mean()),
        "accuracy_ci95": list(wilson_interval(int(right.sum()), n)),
        "valid_rate": float(np.mean(valid)),
    }
    if any(stated):
        p = np.array([q for q in probabilities if q is not None])
        target, outcome = np.array(success)[stated], truth[stated]
        scores |= {
            "correlation": correlation_of(p, target),
            "mae": float(np.abs(p - target).mean()),
            "brier": float(((p - outcome) ** 2).mean()),
            "ece": expected_calibration_error(p, outcome),
        }
    return scores


def paired_comparison(after: Sequence[bool], before: Sequence[bool], seed: int = 0) -> dict:
    """Accuracy gain of `after` over `before` on the same scenarios.

    Returns `delta`, its bootstrap 95% interval over scenarios `ci95`, the `p_value` of `mcnemar_p`, and how often only
    `after` (`won`) or only `before` (`lost`) was right.
    """
    a, b = np.array(after, dtype=float), np.array(before, dtype=float)
    won, lost = int(((a == 1) & (b == 0)).sum()), int(((a == 0) & (b == 1)).sum())
    difference = a - b
    return {
        "delta": float(difference.mean()),
        "ci95": list(bootstrap_interval(np.mean, difference, seed=seed)),
        "p_value": mcnemar_p(won, lost),
        "won": won,
        "lost": lost,
    }


def mcnemar_p(won: int, lost: int) -> float:
    """Two-sided p-value in [0, 1] of the exact McNemar test (McNemar, 1947) on the pairs that differ."""
    from scipy.stats import binomtest

    return float(binomtest(won, won + lost, 0.5).pvalue) if won + lost else 1.0
