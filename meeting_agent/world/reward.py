"""The reward of a trajectory: mainly its outcome, with small deductions for calls and faults.

| trajectory | reward |
|---|---|
| no recommendation | -1.00 |
| not completed | -0.75 |
| no tool used | -0.50 |
| recommendation neither YES nor NO | -0.25 |
| wrong | 0.10 minus deductions |
| right | 1.00 minus deductions |

| deducted for | usual amount |
|---|---|
| every call beyond the second | 0.02 (`--call_price`) |
| a repeated call, a failed call, an ungrounded claim | 0.05 each |
| fewer than two calls, or more than five | 0.10 |
| all together | 0.30 at most |

Right is who recommends what happened (`--outcome drawn`), or what was likelier (`--outcome expected`).
"""

from __future__ import annotations

from data_classes import Trajectory
from meeting_agent.agent.answers import get_true_outcome
from meeting_agent.agent.claims import count_grounded_claims, tool_results
from meeting_agent.common.files import InputError

NO_RECOMMENDATION, NOT_COMPLETED, NO_TOOLS, UNCLEAR, WRONG, RIGHT = -1.0, -0.75, -0.5, -0.25, 0.1, 1.0
MIN_CALLS, MAX_CALLS = 2, 5
CALL_PRICE = 0.02  # usual deduction for each call beyond MIN_CALLS
OUTCOMES = ("drawn", "expected")
# Deductions are small compared with the 0.9 between wrong and right, so faults never outweigh the outcome.
REPEATED_CALL, FAILED_CALL, OUTSIDE_RANGE, UNGROUNDED_CLAIM = 0.05, 0.05, 0.1, 0.05
MAX_DEDUCTION = 0.3


def calculate_reward(trace: Trajectory | dict, outcome: str = "drawn", call_price: float = CALL_PRICE) -> float:
    """The reward in [-1, 1] of a trajectory, or of a dict with these keys.

    Keys: `final_recommendation_parsed` (an object with `recommendation`, a plain string, or None), `tools_used` (list
    of names in call order), `completed_naturally` (bool), `ground_truth` (probability of success, or YES or NO), and
    optionally `happened` (YES or NO) and `messages`, which is needed for deductions of failed calls and ungrounded
    claims.

    outcome: "drawn" rewards the recommendation of what `happened`. "expected", or a dict without `happened`, rewards
    that of the likelier outcome by `ground_truth`.
    call_price: deducted for every call beyond the second.
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
    reward = RIGHT if recommendation == rewarded_outcome(trace, outcome) else WRONG
    return round(reward - min(MAX_DEDUCTION, deductions(tools, trace.get("messages") or [], call_price)), 4)


def check_outcome(outcome: str) -> None:
    if outcome not in OUTCOMES:
        raise InputError(f"--outcome is {outcome!r}: give {' or '.join(OUTCOMES)}")


def rewarded_outcome(trace: dict, outcome: str) -> str:
    """YES or NO, whichever recommendation is right under the setting `outcome`."""
    if outcome == "drawn" and trace.get("happened"):
        return trace["happened"]
    truth = trace.get("ground_truth")
    return truth if isinstance(truth, str) else get_true_outcome(float(truth or 0.0))


def expected_reward(trajectory: Trajectory, probability: float, call_price: float = CALL_PRICE) -> float:
    """The reward in [-1, 1] to expect if the meeting succeeds with `probability`, minus the usual deductions.

    The recommendation that counts is the likelier one, whatever the trajectory says: how sure an agent can be after its
    look-ups is what they are worth. A trajectory that was not completed with YES or NO gets its `calculate_reward`.
    """
    tools = list(trajectory.tools_used)
    if trajectory.recommendation not in ("YES", "NO") or not trajectory.completed_naturally or not tools:
        return calculate_reward(trajectory, call_price=call_price)
    hoped = WRONG + (RIGHT - WRONG) * max(probability, 1 - probability)
    return round(hoped - min(MAX_DEDUCTION, deductions(tools, trajectory.messages, call_price)), 4)


def deductions(tools: list[str], messages: list[dict], call_price: float) -> float:
    """The sum of all deductions before the limit `MAX_DEDUCTION`.

    Calls beyond the second, repeated calls, failed calls, too few or too many calls, and ungrounded claims are
    deducted.
    """
    total = call_price * max(0, len(tools) - MIN_CALLS)
    total += REPEATED_CALL * (len(tools) - len(set(tools)))
    total += OUTSIDE_RANGE * (not MIN_CALLS <= len(tools) <= MAX_CALLS)
    results = tool_results(messages)
    total += FAILED_CALL * sum("error" in r for r in results)
    grounded, claims = count_grounded_claims(messages)
    return total + UNGROUNDED_CLAIM * (claims - grounded)
