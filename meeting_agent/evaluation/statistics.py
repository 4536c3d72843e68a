"""Scores with confidence intervals: accuracy, calibration, paired comparisons."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

RESAMPLES = 2000
CALIBRATION_BINS = 10
LOG_BOUNDS = (0.01, 0.99)  # the smallest and the largest probability that a phase can state
CONSTANT_WITHIN = 1e-9  # rounding may give equal numbers a small range


def bootstrap_interval(statistic: Callable[..., float], *samples: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95% percentile bootstrap interval (Efron and Tibshirani, 1993) of `statistic(*samples)`.

    All samples have the same length (units,) and are resampled together. With one unit the interval has width 0.
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


def share_interval(share: Callable[..., float], *right: Sequence[bool]) -> list[float]:
    """95% bootstrap interval over scenarios of a share of right answers, or of a function of several such shares.

    Each of `right` holds one value a scenario; `share` gets their means.
    """
    samples = [np.array(values, dtype=float) for values in right]
    return list(bootstrap_interval(lambda *drawn: share(*(values.mean() for values in drawn)), *samples))


def wilson_interval(correct: int, n: int) -> tuple[float, float]:
    """95% score interval of the share `correct` / `n` (Wilson, 1927), in [0, 1]."""
    from scipy.stats import binomtest

    interval = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def correlation_of(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation in [-1, 1]. 0 if one of the two samples is constant up to rounding."""
    varies = min(np.ptp(a), np.ptp(b)) > CONSTANT_WITHIN
    return float(np.corrcoef(a, b)[0, 1]) if varies else 0.0


def expected_calibration_error(p: np.ndarray, happened: np.ndarray) -> float:
    """ECE (Naeini et al., 2015) in [0, 1]: the mean gap between stated probability and observed success.

    The gaps of ten equal-width bins are weighted by bin size. `p` and `happened` (0 or 1) have shape (answers,).
    """
    bins = np.minimum((p * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return float(sum(abs(p[bins == b].mean() - happened[bins == b].mean()) * (bins == b).mean() for b in set(bins)))


def log_loss(p: np.ndarray, happened: np.ndarray) -> float:
    """Mean negative log-likelihood of what `happened` (0 or 1), in nats; both have shape (answers,).

    Probabilities are clipped to [0.01, 0.99], so that one answer of 0 or 1 does not decide the mean.
    """
    bounded = np.clip(p, *LOG_BOUNDS)
    return float(-np.log(np.where(happened, bounded, 1 - bounded)).mean())


def score_probabilities(
    probabilities: Sequence[float | None],
    success: Sequence[float],
    outcomes: Sequence[bool] | None = None,
    recommendations: Sequence[str | None] | None = None,
) -> dict:
    """All scores of a phase on its scenarios.

    probabilities: the stated probabilities in [0, 1]; None if nothing could be read, which counts as wrong.
    success: the true probabilities of success in [0, 1]; the likelier outcome is YES above 0.5.
    outcomes: what happened, drawn from `success`; without it the scores that need it are left out.
    recommendations: the stated YES or NO. By default YES is a stated probability above 0.5.

    Returns `n`, `accuracy` and `accuracy_ci95` against the likelier outcome, `accuracy_drawn` against what happened,
    and `valid_rate`. If any probability was stated, also `correlation` and `mae` against the true probability, and
    against what happened `brier` (Brier, 1950), `ece` and `log_score`, the mean log loss in nats (Good, 1952).
    """
    likelier = [s > 0.5 for s in success]
    stated = [p is not None for p in probabilities]
    if recommendations is None:
        recommendations = [None if p is None else "YES" if p > 0.5 else "NO" for p in probabilities]

    def is_right(outcome: Sequence[bool]) -> np.ndarray:
        return np.array([r == ("YES" if o else "NO") for r, o in zip(recommendations, outcome, strict=True)])

    right = is_right(likelier)
    valid = [p is not None and r in ("YES", "NO") for p, r in zip(probabilities, recommendations, strict=True)]
    n = len(likelier)
    scores = {
        "n": n,
        "accuracy": float(right.mean()),
        "accuracy_ci95": list(wilson_interval(int(right.sum()), n)),
        "valid_rate": float(np.mean(valid)),
    }
    if outcomes is not None:
        scores["accuracy_drawn"] = float(is_right(outcomes).mean())
    if any(stated):
        p = np.array([q for q in probabilities if q is not None])
        target = np.array(success)[stated]
        scores |= {"correlation": correlation_of(p, target), "mae": float(np.abs(p - target).mean())}
        if outcomes is not None:
            happened = np.array(outcomes, dtype=bool)[stated]
            scores |= {
                "brier": float(((p - happened) ** 2).mean()),
                "ece": expected_calibration_error(p, happened),
                "log_score": log_loss(p, happened),
            }
    return scores


def paired_comparison(after: Sequence[bool], before: Sequence[bool], seed: int = 0) -> dict:
    """Compares two phases on the same scenarios; `after` and `before` say whether each answer was right.

    Returns `delta` (accuracy of `after` minus that of `before`, in [-1, 1]), `ci95` (its 95% bootstrap interval over
    scenarios), `p_value` (from `mcnemar_p`), `won` (how often only `after` was right) and `lost` (how often only
    `before` was right).
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
    """Two-sided p-value in [0, 1] of the exact McNemar test (McNemar, 1947). 1 if no answer differs."""
    from scipy.stats import binomtest

    return float(binomtest(won, won + lost, 0.5).pvalue) if won + lost else 1.0
