"""Claims in a final answer, such as `fit_score 0.71`. A claim is grounded if a tool result holds that value."""

from __future__ import annotations

import json
import re

CLAIM = re.compile(r"\b([a-z_]+) (\d\.\d+)")
UNGROUNDED = "-ungrounded"  # ends the id of a trajectory with a made-up claim


def tool_results(messages: list[dict]) -> list[dict]:
    """Every tool result of a conversation that is a JSON object."""
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
    """(field, value with two decimals) for every number in the tool results."""
    return {(k, f"{v:.2f}") for r in tool_results(messages) for k, v in r.items() if isinstance(v, int | float)}


def count_grounded_claims(messages: list[dict]) -> tuple[int, int]:
    """The number of grounded claims and the number of all claims in the agent's final answer.

    A claim is grounded if a tool result of the same conversation holds that field with that value.
    """
    return len(grounded_claims(messages)), len(closing_claims(messages))


def closing_claims(messages: list[dict]) -> list[tuple[str, str]]:
    """(field, value as written) for every claim in the agent's final answer."""
    if not messages or messages[-1].get("role") != "assistant":
        return []
    return CLAIM.findall(messages[-1].get("content") or "")


def grounded_claims(messages: list[dict]) -> list[tuple[str, str]]:
    """The claims of `closing_claims` that a tool result holds."""
    known = known_claims(messages)
    return [(field, value) for field, value in closing_claims(messages) if (field, f"{float(value):.2f}") in known]
