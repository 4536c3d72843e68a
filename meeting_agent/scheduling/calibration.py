"""Calibration: turns an agent's answer and the ratings it looked up into a probability of success."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit, logit

from data_classes import Trajectory
from meeting_agent.agent.claims import tool_results
from meeting_agent.agent.trajectory_file import TraceFile
from meeting_agent.common.files import InputError
from meeting_agent.world.tools import RATINGS

PAIRS = tuple(fields for fields in RATINGS.values() if len(fields) == 2)  # ratings of both people
RANDOM_DISTANCE = 10 / 3  # mean distance of two ratings out of ten
FEWEST = 50  # minimum number of trajectories for a fit


@dataclass(frozen=True)
class Calibration:
    """The probability of success as a logistic function of the agent's probability and the ratings it looked up.

    Without weights, the agent's own probability is returned.
    """

    weights: tuple[float, ...] = ()
    offset: float = 0.0

    def success(self, probability: float, messages: Sequence[dict]) -> float:
        """The calibrated probability in [0, 1], from the agent's `probability` and its conversation `messages`."""
        if not self.weights:
            return probability
        seen = evidence(probability, messages)
        total = self.offset + sum(w * value for w, value in zip(self.weights, seen, strict=True))
        return float(expit(total))


def evidence(probability: float, messages: Sequence[dict]) -> list[float]:
    """What the calibration is fitted on.

    The logit of the agent's probability, then for each pair of ratings in `PAIRS` the mean minus 5 and the distance
    minus its mean over random ratings. 0 for what the agent did not look up.
    """
    found = [float(logit(min(0.99, max(0.01, probability))))]
    results = tool_results(list(messages))
    for a, b in PAIRS:
        sides = next(((float(r[a]), float(r[b])) for r in results if a in r and b in r), None)
        found += [sum(sides) / 2 - 5, abs(sides[0] - sides[1]) - RANDOM_DISTANCE] if sides else [0.0, 0.0]
    return found


def read_calibration(path: Path) -> Calibration:
    """A calibration fitted on the aligned agent's trajectories in `path`. Without weights if `path` does not exist."""
    if not path.exists():
        return Calibration()
    return fit(trace for trace in TraceFile(path, "starter_agentic_rlft.py") if trace.policy == "dpo")


def fit(traces: Iterable[Trajectory]) -> Calibration:
    """Logistic regression of what happened on `evidence` (Platt, 1999). Raises InputError for too few trajectories."""
    from sklearn.linear_model import LogisticRegression

    known = [
        (t.probability, t.messages, t.happened)
        for t in traces
        if t.probability is not None and t.happened in ("YES", "NO")
    ]
    if len(known) < FEWEST:
        raise InputError(
            f"--calibration holds {len(known)} answers of the aligned agent, {FEWEST} are needed: run "
            "starter_agentic_rlft.py, or name a file that does not exist to do without"
        )
    # Platt's targets: a share of each answer counts for the other outcome, so meetings that all ended alike fit too.
    succeeded = np.array([happened == "YES" for _, _, happened in known])
    yes, no = succeeded.sum(), (~succeeded).sum()
    share = np.where(succeeded, (yes + 1) / (yes + 2), 1 / (no + 2))
    seen = [evidence(probability, messages) for probability, messages, _ in known] * 2
    outcomes = np.repeat([1, 0], len(known))
    model = LogisticRegression(C=100.0).fit(seen, outcomes, sample_weight=np.concatenate([share, 1 - share]))
    return Calibration(tuple(map(float, model.coef_[0])), float(model.intercept_[0]))
