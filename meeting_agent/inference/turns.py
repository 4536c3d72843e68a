"""Splits turns with several tool calls into turns with one call, because Llama 3's chat template accepts no others."""

from __future__ import annotations

MAX_CALLS_A_TURN = 8  # a model or a server may send thousands


def one_call_a_turn(messages: list[dict]) -> list[dict]:
    """The same conversation with one call per turn. Returns `messages` itself if no turn has several calls.

    A turn with n calls becomes n turns, each followed by its own result. The first turn keeps the content. A result is
    found by the call's id, or by its order if there is no id.
    """
    if not any(len(message.get("tool_calls") or []) > 1 for message in messages):
        return messages
    apart: list[dict] = []
    position = 0
    while position < len(messages):
        message = messages[position]
        position += 1
        calls = message.get("tool_calls") or []
        if len(calls) < 2:
            apart.append(message)
            continue
        results: list[dict] = []
        while position < len(messages) and messages[position]["role"] == "tool":
            results.append(messages[position])
            position += 1
        for number, call in enumerate(calls):
            apart.append(message | {"content": message["content"] if number == 0 else "", "tool_calls": [call]})
            if results:
                apart.append(results.pop(_place_of(call, results)))
        apart += results
    return apart


def _place_of(call: dict, results: list[dict]) -> int:
    """The index of the call's result among the remaining results."""
    wanted = call.get("id")
    found = (i for i, result in enumerate(results) if wanted and result.get("tool_call_id") == wanted)
    return next(found, 0)
