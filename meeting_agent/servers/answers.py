"""Reads a server's answer in any format: text, tool calls, and why it ended.

Servers send content in parts, calls without a name, and arguments that are encoded twice or not at all. `read_answer`
accepts all of these. Its result can be written into a trajectory and sent back in the next turn.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from meeting_agent.common.strict_json import strict, whole_characters
from meeting_agent.inference.turns import MAX_CALLS_A_TURN
from meeting_agent.servers.calls_in_text import calls_in_text, without_thoughts

UNNAMED = "unnamed"  # replaces an invalid name, because servers refuse an empty one
UNREADABLE = "unreadable arguments"  # no parameter can have this name, so the call gets an error as its result
SHOWN = 200  # characters that are quoted of an unreadable text
MAX_ENCODED = 3  # how often arguments may be encoded as JSON text
# Finish reason for an incomplete answer (OpenAI, Anthropic, Gemini, Mistral and others) -> OpenAI's finish reason.
CUT = dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_length", "compaction"), "length") | (
    dict.fromkeys(("content_filter", "content_filtered", "refusal", "safety", "recitation"), "content_filter")
    | dict.fromkeys(("blocklist", "prohibited_content", "spii", "sensitive", "guardrail_intervened"), "content_filter")
)
BROKEN_OFF = ("error", "abort", "cancelled", "network_error")  # the server stopped, so there is no answer


class UnreadableAnswer(ValueError):
    """A server's response holds no answer. The message is the server's own, or "" if there is none.

    `status` is the HTTP status of the error: the one in the response's body if there is one, else 502.
    """

    def __init__(self, words: str, status: object = None):
        super().__init__(words)
        is_error = isinstance(status, int) and 400 <= status < 600
        self.status = status if isinstance(status, int) and is_error else 502


class Answer(NamedTuple):
    """One turn of an agent."""

    content: str
    calls: list[dict]  # in OpenAI's format, with the server's id or "", and a JSON object as arguments
    cut_by: str | None  # "length" or "content_filter" if the answer is incomplete
    thought: str  # the beginning of the reasoning if the answer holds nothing else, otherwise ""
    tokens: int  # number of tokens that the model wrote


def read_answer(response: Any, names: Collection[str] = ()) -> Answer:
    """Reads a chat completion, given as decoded JSON or as a library's object.

    `names` are the tools' names. Only if they are given, tool calls in the text are parsed and reasoning is removed.
    Raises UnreadableAnswer if there is no answer.
    """
    choices = _get(response, "choices")
    choice = choices[0] if isinstance(choices, list | tuple) and choices else None
    message = _get(choice, "message")
    finish = _get(choice, "finish_reason")
    finish = finish.lower() if isinstance(finish, str) else ""
    if message is None or isinstance(message, str | int | float | list | tuple) or finish in BROKEN_OFF:
        error = _get(response, "error") or _get(choice, "error")
        words = words_of_error(error) or words_of_error(response)
        raise UnreadableAnswer(words, _get(error, "code"))
    content, refusal = text_of(_get(message, "content")), text_of(_get(message, "refusal"))
    cut_by = CUT.get(finish) or ("content_filter" if refusal else None)
    content = content or refusal
    calls = [_call(raw, names) for raw in _listed_calls(message)]
    thought = ""
    if names:
        content, thought = without_thoughts(content)
        thought = thought or text_of(_get(message, "reasoning_content")) or text_of(_get(message, "reasoning"))
        if not calls:
            content, written = calls_in_text(content, names)
            calls = [_openai_call("", call.name, call.arguments) for call in written]
    if cut_by:
        calls = [call for call in calls if UNREADABLE not in json.loads(call["function"]["arguments"])]
    tokens = whole_number(_get(_get(response, "usage"), "completion_tokens"))
    thought = "" if content or calls else whole_characters(thought[:SHOWN])
    return Answer(whole_characters(content), calls[:MAX_CALLS_A_TURN], cut_by, thought, tokens)


def as_completion(answer: Answer) -> dict:
    """An answer as a chat completion in OpenAI's format, which litellm can read."""
    message = {"role": "assistant", "content": answer.content, "tool_calls": answer.calls or None}
    finish = answer.cut_by or ("tool_calls" if answer.calls else "stop")
    return {
        "id": "answer",
        "object": "chat.completion",
        "created": 0,
        "model": "model",
        "choices": [{"index": 0, "message": message | {"reasoning_content": answer.thought}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 0, "completion_tokens": answer.tokens, "total_tokens": answer.tokens},
    }


def with_own_ids(calls: Iterable[dict], messages: list[dict]) -> list[dict]:
    """The calls with unique ids. Keeps the server's ids, except those that are missing or already used.

    Our own ids have nine letters and digits, because Mistral's servers require this.
    """
    taken = {call["id"] for message in messages for call in message.get("tool_calls") or []}
    named = []
    for call in calls:
        name, number = call["id"], len(taken)
        while not name or name in taken:
            name, number = f"call{number:05d}", number + 1
        taken.add(name)
        named.append(call | {"id": name})
    return named


def text_of(content: Any) -> str:
    """The text of a message's content. Joins text parts; writes any other value as JSON."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list | tuple):
        return "".join(map(_text_of_part, content))
    return _text_of_part(content) or _as_json(content)


def _text_of_part(part: Any) -> str:
    """The text of one part of a content. "" for reasoning."""
    if _get(part, "type") in ("thinking", "reasoning"):
        return ""
    text = part if isinstance(part, str) else _get(part, "text")
    return text if isinstance(text, str) else ""


def whole_number(value: Any) -> int:
    """A count as an integer of at least 0. Text is parsed; anything else gives 0."""
    try:
        return max(0, int(value))
    except (ValueError, TypeError, OverflowError):
        return 0


def words_of_error(body: Any) -> str:
    """The message of a server's error in the format of OpenAI, vLLM or FastAPI. "" if there is none."""
    for key in ("error", "message", "detail", "msg"):
        inner = _get(body, key)
        if inner and not isinstance(inner, bool | int | float):
            return words_of_error(inner) or _as_json(inner)
    if isinstance(body, list | tuple) and body:
        return words_of_error(body[0])
    return body if isinstance(body, str) else ""


def _listed_calls(message: Any) -> list[Any]:
    calls, legacy = _get(message, "tool_calls"), _get(message, "function_call")
    if calls is None or calls == []:
        return [] if legacy is None else [{"function": legacy}]
    if not isinstance(calls, list | tuple):
        return [calls]
    return [call for call in calls if call is not None] or list(calls[:1])


def _call(raw: Any, names: Collection[str]) -> dict:
    """Converts a call in any format to OpenAI's. An unreadable call becomes one whose result is an error."""
    if isinstance(raw, str):
        if raw.strip() in names:
            return _openai_call("", raw.strip(), None)
        _, written = calls_in_text(raw, names)
        name, arguments = (written[0].name, written[0].arguments) if written else (UNNAMED, raw)
        return _openai_call("", name, arguments)
    part = _get(raw, "function") or _get(raw, "custom") or raw
    if isinstance(part, str):  # `function` holds the name, and the arguments are beside it
        part = {"name": part, "arguments": _get(raw, "arguments")}
    keys = ("arguments", "parameters", "input")
    arguments = next((value for key in keys if (value := _get(part, key)) is not None), None)
    return _openai_call(_get(raw, "id"), _get(part, "name"), arguments)


def _openai_call(call_id: Any, name: Any, arguments: Any) -> dict:
    if isinstance(name, int | float) and not isinstance(name, bool):
        name = str(name)
    name = whole_characters(name) if isinstance(name, str) and name.strip() else UNNAMED
    call_id = whole_characters(call_id) if isinstance(call_id, str) else ""
    return {"id": call_id, "type": "function", "function": {"arguments": _plain_arguments(arguments), "name": name}}


def _plain_arguments(arguments: Any) -> str:
    """The arguments as the text of a JSON object. Text that already is one is returned unchanged."""
    value, text = arguments, ""
    try:
        for _ in range(MAX_ENCODED):
            if isinstance(value, str):
                text, value = value, json.loads(value) if value.strip() else None
        if value is None:
            return "{}"
        if isinstance(value, dict):
            plain = strict(value)
            return text if text and plain == value else json.dumps(plain)
    except (ValueError, TypeError, RecursionError):  # not JSON, or nested too deeply
        pass
    said = arguments if isinstance(arguments, str) else _as_json(arguments)
    return json.dumps({UNREADABLE: whole_characters(said[:SHOWN])})


def _as_json(value: Any) -> str:
    try:
        return json.dumps(strict(value), ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        return str(type(value).__name__)


def _get(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, dict) else getattr(thing, name, None)
