"""The reward of a trajectory: mainly its outcome, with small deductions for faults.

| trajectory | reward |
|---|---|
| no recommendation | -1.00 |
| not completed | -0.75 |
| no tool used | -0.50 |
| recommendation neither YES nor NO | -0.25 |
| wrong | 0.10 minus deductions |
| right | 1.00 minus deductions |
"""

from __future__ import annotations

from data_classes import Trajectory
from meeting_agent.agent.answers import get_true_outcome
from meeting_agent.agent.claims import count_grounded_claims, tool_results

NO_RECOMMENDATION, NOT_COMPLETED, NO_TOOLS, UNCLEAR, WRONG, RIGHT = -1.0, -0.75, -0.5, -0.25, 0.1, 1.0
MIN_CALLS, MAX_CALLS = 2, 5
# Deductions are small compared with the 0.9 between wrong and right, so faults never outweigh the outcome.
REPEATED_CALL, FAILED_CALL, OUTSIDE_RANGE, UNGROUNDED_CLAIM = 0.05, 0.05, 0.1, 0.05
MAX_DEDUCTION = 0.3


def calculate_reward(trace: Trajectory | dict) -> float:
    """The reward in [-1, 1] of a trajectory, or of a dict with these keys.

    Keys: `final_recommendation_parsed` (an object with `recommendation`, a plain string, or None), `tools_used` (list
    of names in call order), `completed_naturally` (bool), `ground_truth` (probability of success, or YES or NO), and
    optionally `messages`, which is needed for deductions of failed calls and ungrounded claims.
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


def expected_reward(trajectory: Trajectory, probability: float) -> float:
    """The reward in [-1, 1] to expect if the meeting succeeds with `probability`, minus the usual deductions.

    The recommendation that counts is the likelier one, whatever the trajectory says: how sure an agent can be after its
    look-ups is what they are worth. A trajectory that was not completed with YES or NO gets its `calculate_reward`.
    """
    tools = list(trajectory.tools_used)
    if trajectory.recommendation not in ("YES", "NO") or not trajectory.completed_naturally or not tools:
        return calculate_reward(trajectory)
    hoped = WRONG + (RIGHT - WRONG) * max(probability, 1 - probability)
    return round(hoped - min(MAX_DEDUCTION, deductions(tools, trajectory.messages)), 4)


def deductions(tools: list[str], messages: list[dict]) -> float:
    """The sum of all deductions before the limit `MAX_DEDUCTION`.

    Repeated calls, failed calls, too few or too many calls, and ungrounded claims are deducted.
    """
    total = REPEATED_CALL * (len(tools) - len(set(tools)))
    total += OUTSIDE_RANGE * (not MIN_CALLS <= len(tools) <= MAX_CALLS)
    results = tool_results(messages)
    total += FAILED_CALL * sum("error" in r for r in results)
    grounded, claims = count_grounded_claims(messages)
    return total + UNGROUNDED_CLAIM * (claims - grounded)
