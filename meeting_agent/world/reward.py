"""How good a trajectory is: its outcome first, its manners second.

| trajectory | reward |
|---|---|
| no recommendation | -1.00 |
| not completed | -0.75 |
| no tool used | -0.50 |
| recommendation neither YES nor NO | -0.25 |
| wrong | 0.10, less deductions |
| right | 1.00, less deductions |
"""

from __future__ import annotations

from data_classes import Trajectory
from meeting_agent.agent.answers import get_true_outcome
from meeting_agent.agent.claims import count_grounded_claims, tool_results

NO_RECOMMENDATION, NOT_COMPLETED, NO_TOOLS, UNCLEAR, WRONG, RIGHT = -1.0, -0.75, -0.5, -0.25, 0.1, 1.0
MIN_CALLS, MAX_CALLS = 2, 5
# Deductions stay small against the 0.9 between wrong and right, so manners can never outweigh the outcome.
REPEATED_CALL, FAILED_CALL, OUTSIDE_RANGE, UNGROUNDED_CLAIM = 0.05, 0.05, 0.1, 0.05
MAX_DEDUCTION = 0.3


def calculate_reward(trace: Trajectory | dict) -> float:
    """Reward in [-1, 1] of a trajectory, or of any dict with the four keys of its outcome; `messages` adds deductions.

    Keys: `final_recommendation_parsed` (an object with `recommendation`, a plain string, or None), `tools_used` (list
    of names in call order), `completed_naturally` (bool), `ground_truth` (probability of success, or YES or NO).
    """
    if isinstance(trace, Trajectory):
        trace = trace.to_json()
    said = trace.get("final_recommendation_parsed")
    recommendation = said.get("recommendation") if isinstance(said, dict) else said
    tools = list(trace.get("tools_used") or [])
    if not recommendation:
        return NO_RECOMMENDATION
    if not trace.get("completed_naturally"):
        return NOT_COMPLETED
    if not tools:
        return NO_TOOLS
    if recommendation not in ("YES", "NO"):
        return UNCLEAR
    truth = trace.get("ground_truth")
    outcome = truth if isinstance(truth, str) else get_true_outcome(float(truth or 0.0))
    reward = RIGHT if recommendation == outcome else WRONG
    return round(reward - min(MAX_DEDUCTION, deductions(tools, trace.get("messages") or [])), 4)


def deductions(tools: list[str], messages: list[dict]) -> float:
    """What repeated and failed calls, too few or too many calls, and ungrounded claims cost, before the limit."""
    total = REPEATED_CALL * (len(tools) - len(set(tools)))
    total += OUTSIDE_RANGE * (not MIN_CALLS <= len(tools) <= MAX_CALLS)
    results = tool_results(messages)
    total += FAILED_CALL * sum("error" in r for r in results)
    grounded, claims = count_grounded_claims(messages)
    return total + UNGROUNDED_CLAIM * (claims - grounded)
