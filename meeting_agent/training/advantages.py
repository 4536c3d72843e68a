"""What each set of tools has earned, over all rollouts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from meeting_agent.agent.summary import RolloutSummary

PRIOR_ROLLOUTS = 10  # without this prior, the best tool set would often be one that a few lucky rollouts used


def tool_advantages(groups: Iterable[list[RolloutSummary]]) -> dict[frozenset[str], float]:
    """Tool set -> mean advantage of the rollouts that called exactly these tools, in units of reward.

    A rollout's advantage is its reward minus the mean reward of the other rollouts of its prompt (leave-one-out
    baseline: Kool et al., 2019; RLOO, Ahmadian et al., ACL 2024), so easy scenarios give no credit. `PRIOR_ROLLOUTS`
    rollouts with advantage 0 are added to every set, which keeps rare sets near 0.
    """
    advantages: dict[frozenset[str], list[float]] = defaultdict(list)
    for group in groups:
        total = sum(one.reward for one in group)
        for one in group:
            others = (total - one.reward) / (len(group) - 1) if len(group) > 1 else one.reward
            advantages[one.tool_set].append(one.reward - others)
    return {tools: sum(found) / (len(found) + PRIOR_ROLLOUTS) for tools, found in advantages.items()}
