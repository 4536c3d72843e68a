"""Claims in a final answer, such as `energy_a 7.1` or `finds_b no`. A claim is grounded if a tool result holds it."""

from __future__ import annotations

import json
import re

# A field and its value: a number after any name, or yes or no after a name with an underscore, since prose may say
# "has no". "about 7" is an estimate and no claim. Groups: field, value.
NUMBER = r"\d+(?:\.\d+)?"
CLAIM = re.compile(rf"\b(?!about )([a-z_]+(?= \d)|[a-z]+_[a-z_]+) ({NUMBER}|(?:yes|no)\b)")
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


def as_known(field: str, value: object) -> tuple[str, str]:
    """A claim as `known_claims` holds it: numbers with two decimals, however they are written."""
    written = str(value)
    return field, f"{float(written):.2f}" if re.fullmatch(NUMBER, written) else written


def known_claims(messages: list[dict]) -> set[tuple[str, str]]:
    """Every claim that the tool results ground, as `as_known` writes it.

    These are the numbers and words in the results, and what follows from two ratings. Fractions in fields `x_a` and
    `x_b` are ratings of two sides: `lower` is the lower one of them, `apart` the distance between them.
    """
    known = set()
    for result in tool_results(messages):
        known |= {as_known(field, value) for field, value in result.items() if isinstance(value, int | float | str)}
        for field, a in result.items():
            b = result.get(f"{field[:-2]}_b")
            if field.endswith("_a") and isinstance(a, float) and isinstance(b, float):
                known |= {as_known("lower", min(a, b)), as_known("apart", abs(a - b))}
    return known


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
    """The claims of `closing_claims` that `known_claims` holds."""
    known = known_claims(messages)
    return [claim for claim in closing_claims(messages) if as_known(*claim) in known]
