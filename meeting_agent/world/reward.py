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

import json
import re

from meeting_agent.agent.answers import get_true_outcome

NO_RECOMMENDATION, NOT_COMPLETED, NO_TOOLS, UNCLEAR, WRONG, RIGHT = -1.0, -0.75, -0.5, -0.25, 0.1, 1.0
FEWEST_CALLS, MOST_CALLS = 2, 5
# Deductions stay small against the 0.9 between wrong and right, so manners can never outweigh the outcome.
REPEATED_CALL, FAILED_CALL, OUTSIDE_RANGE, UNGROUNDED_CLAIM = 0.05, 0.05, 0.1, 0.05
MOST_DEDUCTED = 0.3

UNGROUNDED = "-ungrounded"  # ends the id of a trajectory with a made-up claim
CLAIM = re.compile(r"\b([a-z_]+) (\d\.\d+)")


def calculate_reward(trace: dict) -> float:
    """Reward in [-1, 1] of any dict with the four keys of a trajectory's outcome; `messages` adds finer deductions.

    Keys: `final_recommendation_parsed` (str, or None), `tools_used` (list of names in call order),
    `completed_naturally` (bool), `ground_truth` (probability of success, or YES or NO).
    """
    recommendation, tools = trace.get("final_recommendation_parsed"), list(trace.get("tools_used") or [])
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
    return round(reward - min(MOST_DEDUCTED, deductions(tools, trace.get("messages") or [])), 4)


def deductions(tools: list[str], messages: list[dict]) -> float:
    """What repeated and failed calls, too few or too many calls, and ungrounded claims cost, before the limit."""
    total = REPEATED_CALL * (len(tools) - len(set(tools)))
    total += OUTSIDE_RANGE * (not FEWEST_CALLS <= len(tools) <= MOST_CALLS)
    results = tool_results(messages)
    total += FAILED_CALL * sum("error" in r for r in results)
    grounded, claims = count_grounded_claims(messages)
    return total + UNGROUNDED_CLAIM * (claims - grounded)


def tool_results(messages: list[dict]) -> list[dict]:
    """Every tool answer of a conversation that can be read."""
    results = []
    for message in messages:
        if message.get("role") == "tool":
            try:
                result = json.loads(message.get("content") or "")
            except ValueError:
                continue
            if isinstance(result, dict):
                results.append(result)
    return results


def known_claims(messages: list[dict]) -> set[tuple[str, str]]:
    """(field, value with two digits) of every number that a tool answered."""
    return {(k, f"{v:.2f}") for r in tool_results(messages) for k, v in r.items() if isinstance(v, int | float)}


def count_grounded_claims(messages: list[dict]) -> tuple[int, int]:
    """(grounded, all) claims `field 0.71` in the agent's closing answer.

    A claim is grounded if a tool's answer in the same conversation holds that field with that value.
    """
    return len(grounded_claims(messages)), len(closing_claims(messages))


def closing_claims(messages: list[dict]) -> list[tuple[str, str]]:
    """(field, value) of every claim in the agent's closing answer."""
    if not messages or messages[-1].get("role") != "assistant":
        return []
    return CLAIM.findall(messages[-1].get("content") or "")


def grounded_claims(messages: list[dict]) -> list[tuple[str, str]]:
    """Those of `closing_claims` that a tool answered."""
    known = known_claims(messages)
    return [(field, value) for field, value in closing_claims(messages) if (field, f"{float(value):.2f}") in known]
