"""Turns of several calls, taken apart into turns of one call each: Llama 3's own chat template refuses others."""

from __future__ import annotations

MAX_CALLS_A_TURN = 8  # a model may write thousands, a server send them


def one_call_a_turn(messages: list[dict]) -> list[dict]:
    """The same conversation with one call a turn: `messages` itself where no turn has several.

    A turn of n calls becomes n turns, each followed by its own result. The first one keeps the words. Results are found
    by the call's id, and by their order where one has none.
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
    """Where among the results not yet given out the call's own one is."""
    wanted = call.get("id")
    found = (i for i, result in enumerate(results) if wanted and result.get("tool_call_id") == wanted)
    return next(found, 0)
