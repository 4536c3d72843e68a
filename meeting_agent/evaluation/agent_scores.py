"""Scores of agents over their rollouts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from meeting_agent.agent.summary import RolloutSummary
from meeting_agent.evaluation.statistics import score_probabilities


def agent_statistics(rollouts: Iterable[RolloutSummary], call_range: tuple[int, int]) -> dict:
    """Scores of rollouts: those of `score_probabilities`, and statistics of tool calls, claims and rewards.

    `call_range` holds the minimum and the maximum number of tool calls of a good rollout. A rollout without a readable
    recommendation counts as wrong. Rates are shares of all rollouts in [0, 1], except `grounded_claim_rate`, which is a
    share of all claims. `tools` counts the rollouts that called each tool; `patterns` is the number of distinct call
    sequences.
    """
    summaries = list(rollouts)
    fewest, most = call_range
    n = len(summaries)
    calls = [len(t.tools) for t in summaries]
    stated = sum(t.claims for t in summaries)
    tools = sorted(Counter(name for t in summaries for name in set(t.tools)).items())
    return score_probabilities(
        [t.probability for t in summaries],
        [t.success or 0.0 for t in summaries],
        [t.happened == "YES" for t in summaries],
        [t.recommendation for t in summaries],
    ) | {
        "reward": sum(t.reward for t in summaries) / n,
        "completed_rate": sum(t.completed for t in summaries) / n,
        "calls_mean": sum(calls) / n,
        "calls_in_range_rate": sum(fewest <= c <= most for c in calls) / n,
        "calls_distribution": {str(k): v / n for k, v in sorted(Counter(calls).items())},
        "tools": dict(tools),
        "tool_share": {name: count / n for name, count in tools},
        "patterns": len({t.tools for t in summaries}),
        "repeated_calls_mean": sum(len(t.tools) - len(set(t.tools)) for t in summaries) / n,
        "claims_mean": stated / n,
        "grounded_claim_rate": sum(t.grounded for t in summaries) / stated if stated else 0.0,
        "tokens_mean": sum(t.tokens for t in summaries) / n,
    }


def is_grounded(rollouts: list[RolloutSummary]) -> list[bool]:
    """For each rollout, whether all claims of its final answer are grounded."""
    return [t.grounded == t.claims for t in rollouts]


def was_right(rollouts: list[RolloutSummary]) -> list[bool]:
    return [t.recommendation == t.outcome for t in rollouts]


def is_right(probabilities: Sequence[float | None], success: list[float]) -> list[bool]:
    return [p is not None and (p > 0.5) == (s > 0.5) for p, s in zip(probabilities, success, strict=True)]
