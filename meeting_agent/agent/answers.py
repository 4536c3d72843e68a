"""What a model's closing answer says, and whether it was right."""

from __future__ import annotations

import json


def get_true_outcome(p: float) -> str:
    """YES if a probability lies above one half, else NO."""
    return "YES" if p > 0.5 else "NO"


def calculate_accuracy_metrics(results: list[dict]) -> dict:
    """Accuracy in [0, 1] of dicts with `prediction` (YES, NO or anything unparseable, which is wrong) and `actual`."""
    correct = sum(r["prediction"] == r["actual"] for r in results)
    total = len(results)
    return {"accuracy": correct / total if total else 0.0, "total_scenarios": total, "correct_count": correct}


LONGEST_ANSWER = 4_000


def safe_extract_json(text: object) -> dict | None:
    """The last JSON object in a model's output, or None; never raises, never evaluates anything.

    Prose, code fences and unfinished objects around it are passed over. Only the last `LONGEST_ANSWER` characters
    count: a server may send megabytes of brackets.
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
