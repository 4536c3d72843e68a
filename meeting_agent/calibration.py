"""From the agent's score to a probability: how often meetings succeeded that it scored so."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from meeting_agent.files import InputError


@dataclass(frozen=True)
class Calibration:
    """Success as a logistic function of the logit of the agent's probability (Platt, 1999)."""

    slope: float = 1.0
    offset: float = 0.0

    def success(self, probability: float) -> float:
        """Probability in (0, 1) that a meeting succeeds to which the agent gave `probability` in [0, 1]."""
        return 1.0 / (1.0 + math.exp(-self.slope * logit(probability) - self.offset))


def logit(probability: float) -> float:
    bounded = min(0.99, max(0.01, probability))
    return math.log(bounded / (1.0 - bounded))


def read_calibration(path: Path) -> Calibration:
    """Fitted on the held-out scenarios that phase 3 left in `path`; none where there is no such file.

    The agent's probability is a plain mean of scores: it ranks meetings well, but says 0.6 of many that nearly always
    succeed.
    """
    from sklearn.linear_model import LogisticRegression

    if not path.exists():
        return Calibration()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(logit(float(r["dpo"])), float(r["success_probability"])) for r in csv.DictReader(file) if r["dpo"]]
    except (KeyError, ValueError, UnicodeDecodeError, csv.Error):
        raise InputError(
            f"{path} is not what phase 3 writes: run starter_agentic_rlft.py, or leave --calibration"
        ) from None
    if not rows:
        return Calibration()
    # A probability p is p successes and 1 - p failures.
    scores = [[score] for score, _ in rows] * 2
    outcomes, weights = [1] * len(rows) + [0] * len(rows), [p for _, p in rows] + [1.0 - p for _, p in rows]
    model = LogisticRegression(C=1e6).fit(scores, outcomes, sample_weight=weights)
    return Calibration(float(model.coef_[0][0]), float(model.intercept_[0]))
