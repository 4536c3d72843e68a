"""Adaptivity: do agents call a tool more often where the text leaves out what the tool shows?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from meeting_agent.agent.environment import Environment
from meeting_agent.agent.summary import RolloutSummary
from meeting_agent.evaluation.statistics import bootstrap_interval


def adaptivity(environment: Environment, held_out_rollouts: Mapping[str, Sequence[RolloutSummary]], scenarios) -> dict:
    """Agent -> tool -> how its calls depend on the text; empty if the environment does not know what texts state.

    The rollouts of each agent are in the order of `scenarios`. A tool is left out if all texts, or none, state what it
    shows. `silent` and `stated` are the shares in [0, 1] of scenarios in which the agent calls the tool where the text
    says nothing, or something, of it; `difference` is the first minus the second, `ci95` its 95% interval.
    """
    left_out = [environment.left_out(scenario) for scenario in scenarios]
    tools = [tool for tool in left_out[0] if len({missing[tool] for missing in left_out}) == 2]
    if not tools:
        return {}
    silent = {tool: np.array([missing[tool] for missing in left_out]) for tool in tools}
    return {
        agent: {tool: dependence(np.array([tool in r.tools for r in rollouts]), silent[tool]) for tool in tools}
        for agent, rollouts in held_out_rollouts.items()
    }


def dependence(called: np.ndarray, silent: np.ndarray) -> dict:
    """How calls of one tool depend on the text; both arrays are booleans of shape (scenarios,)."""

    def difference(called: np.ndarray, silent: np.ndarray) -> float:
        return share(called[silent]) - share(called[~silent])

    return {
        "silent": share(called[silent]),
        "stated": share(called[~silent]),
        "difference": difference(called, silent),
        "ci95": list(bootstrap_interval(difference, called, silent)),
        "n_silent": int(silent.sum()),
        "n_stated": int((~silent).sum()),
    }


def share(called: np.ndarray) -> float:
    """The share of true values; 0 for none, which a bootstrap may draw."""
    return float(called.mean()) if len(called) else 0.0
