"""Scores of agents over their rollouts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from meeting_agent.agent.summary import RolloutSummary
from meeting_agent.evaluation.statistics import score_probabilities


def agent_statistics(rollouts: Iterable[RolloutSummary], call_range: tuple[int, int]) -> dict:
    """Scores of rollouts: those of `score_probabilities`, and how the agents went about it.

    `call_range` holds the fewest and the most tool calls of a good rollout. A rollout without a readable recommendation
    counts as wrong. Rates are shares of all rollouts, except `grounded_claim_rate`, a share of all claims.
    """
    played = list(rollouts)
    fewest, most = call_range
    n = len(played)
    calls = [len(t.tools) for t in played]
    stated = sum(t.claims for t in played)
    tools = sorted(Counter(name for t in played for name in set(t.tools)).items())
    return score_probabilities(
        [t.probability for t in played], [t.success or 0.0 for t in played], [t.recommendation for t in played]
    ) | {
        "reward": sum(t.reward for t in played) / n,
        "completed_rate": sum(t.completed for t in played) / n,
        "calls_mean": sum(calls) / n,
        "calls_in_range_rate": sum(fewest <= c <= most for c in calls) / n,
        "calls_distribution": {str(k): v / n for k, v in sorted(Counter(calls).items())},
        "tools": dict(tools),
        "tool_share": {name: count / n for name, count in tools},
        "patterns": len({t.tools for t in played}),
        "repeated_calls_mean": sum(len(t.tools) - len(set(t.tools)) for t in played) / n,
        "claims_mean": stated / n,
        "grounded_claim_rate": sum(t.grounded for t in played) / stated if stated else 0.0,
        "tokens_mean": sum(t.tokens for t in played) / n,
    }


def is_grounded(played: list[RolloutSummary]) -> list[bool]:
    """Whether every number that a closing answer cites stands in a tool's answer."""
    return [t.grounded == t.claims for t in played]


def was_right(played: list[RolloutSummary]) -> list[bool]:
    return [t.recommendation == t.outcome for t in played]


def is_right(probabilities: Sequence[float | None], success: list[float]) -> list[bool]:
    return [p is not None and (p > 0.5) == (s > 0.5) for p, s in zip(probabilities, success, strict=True)]
