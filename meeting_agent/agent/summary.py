"""What pairing and statistics need of a trajectory: far less than the trajectory, of which there may be many."""

from __future__ import annotations

import sys
from typing import NamedTuple

from data_classes import Trajectory
from meeting_agent.agent.claims import count_grounded_claims


class RolloutSummary(NamedTuple):
    """One rollout, without what was said."""

    id: str
    prompt: tuple[str, int]  # the same for rollouts of one scenario and persona
    reward: float
    recommendation: str | None
    probability: float | None
    success: float | None  # the true probability
    outcome: str  # YES or NO
    completed: bool
    failed: bool  # by a server, for good
    tools: tuple[str, ...]  # in call order
    grounded: int  # claims in the closing answer that a tool made
    claims: int
    tokens: int

    @property
    def tool_set(self) -> frozenset[str]:
        return frozenset(self.tools)


def summarize(trajectory: Trajectory) -> RolloutSummary:
    return RolloutSummary(
        trajectory.id,
        (trajectory.scenario_id, hash(trajectory.initial_user_prompt)),
        trajectory.reward,
        trajectory.recommendation,
        trajectory.probability,
        trajectory.ground_truth,
        trajectory.true_outcome,
        trajectory.completed_naturally,
        trajectory.failure is not None,
        tuple(map(sys.intern, trajectory.tools_used)),
        *count_grounded_claims(trajectory.messages),
        trajectory.tokens or 0,
    )
