"""Parsing of an agent's final answer, and whether it was right."""

from __future__ import annotations

import json
import re

from data_classes import Recommendation
from meeting_agent.common.strict_json import whole_characters

LONGEST_ANSWER = 4_000


def get_true_outcome(p: float) -> str:
    """YES if a probability is greater than 0.5, else NO."""
    return "YES" if p > 0.5 else "NO"


def calculate_accuracy_metrics(results: list[dict]) -> dict:
    """Accuracy over dicts with `is_correct` (bool).

    Returns `accuracy` in percent (0 to 100; 0 for an empty list), `total_scenarios` and `correct_count`.
    """
    correct = sum(bool(result["is_correct"]) for result in results)
    total = len(results)
    return {
        "accuracy": 100.0 * correct / total if total else 0.0,
        "total_scenarios": total,
        "correct_count": correct,
    }


def safe_extract_json(text: str) -> dict:
    """The last JSON object in a model's output, parsed with `json` and never evaluated.

    Raises ValueError if there is no object or if the last one has no `probability` in [0, 1].
    """
    found = last_json_object(text)
    if found is None or stated_probability(found) is None:
        raise ValueError(f"no JSON object with a probability in 0..1: {str(text)[:60]!r}")
    return found


def last_json_object(text: object) -> dict | None:
    """The last JSON object in a text, or None. Never raises.

    Skips prose, code fences and unfinished objects. Only the last `LONGEST_ANSWER` characters are read, because a
    server may send megabytes of brackets.
    """
    if not isinstance(text, str):
        return None
    text = text[-LONGEST_ANSWER:]
    decoder, found, at = json.JSONDecoder(), None, 0
    while (at := text.find("{", at)) != -1:
        try:
            value, at = decoder.raw_decode(text, at)
            found = value if isinstance(value, dict) else found
        except (ValueError, RecursionError):
            at += 1
    return found


def stated_probability(found: dict) -> float | None:
    """The `probability` of an object if it is a number in [0, 1], else None."""
    value = found.get("probability")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        return None
    return value


def parse_recommendation(answer: str) -> Recommendation | None:
    """Parses a final answer. None if neither a recommendation nor a probability can be read."""
    answer = answer[-LONGEST_ANSWER:]
    found = last_json_object(answer) or {}
    said = found.get("recommendation")
    if isinstance(said, str) and said.strip():
        said = whole_characters(said.strip().upper()[:20])
    else:
        loose = re.search(r'"recommendation":\s*"(YES|NO)"', answer, re.IGNORECASE)
        said = loose.group(1).upper() if loose else None
    probability, reasoning = stated_probability(found), found.get("reasoning")
    if said is None and probability is None:
        return None
    return Recommendation(said, probability, whole_characters(reasoning) if isinstance(reasoning, str) else None)
