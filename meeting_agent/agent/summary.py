"""Small summaries of trajectories for pairing and statistics; the trajectories themselves may not fit in memory."""

from __future__ import annotations

import sys
from typing import NamedTuple

from data_classes import Trajectory
from meeting_agent.agent.claims import count_grounded_claims


class RolloutSummary(NamedTuple):
    """One rollout without its messages."""

    id: str
    prompt: tuple[str, int]  # scenario and hash of the prompt; rollouts with the same prompt share it
    reward: float  # in [-1, 1]
    recommendation: str | None  # YES, NO or another word
    probability: float | None  # stated by the agent, in [0, 1]
    success: float | None  # the true probability, in [0, 1]
    outcome: str  # the likelier outcome, YES or NO
    happened: str  # the outcome that was drawn, YES or NO
    completed: bool  # whether the agent ended with a final answer
    failed: bool  # whether the server failed
    tools: tuple[str, ...]  # names of the called tools, in call order
    grounded: int  # number of grounded claims in the final answer
    claims: int  # number of all claims in the final answer
    tokens: int  # number of tokens that the agent wrote

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
        trajectory.happened,
        trajectory.completed_naturally,
        trajectory.failure is not None,
        tuple(map(sys.intern, trajectory.tools_used)),
        *count_grounded_claims(trajectory.messages),
        trajectory.tokens or 0,
    )
