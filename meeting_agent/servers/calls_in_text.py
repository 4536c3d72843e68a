"""Parses tool calls and reasoning that a served model wrote as text because its server has no parser for them.

| notation | models |
|---|---|
| `<tool_call>{"name": …, "arguments": {…}}</tool_call>` | Hermes, Qwen |
| `[TOOL_CALLS] [{"name": …, "arguments": {…}}]`, `[TOOL_CALLS]name[ARGS]{…}` | Mistral |
| `<\\|python_tag\\|>{"name": …, "parameters": {…}}`, `<function=name>{…}</function>` | Llama |
| `<function=name><parameter=key>value</parameter></function>` | Qwen Coder |
| `{"name": …, "arguments": {…}}`, alone, in a list or in a fence | others |

A call must name one of the tools. Otherwise the text stays text, because a final answer is JSON too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

MAX_READ = 20_000  # characters of a text in which calls are searched
NAMES = ("name", "tool", "function")
ARGUMENTS = ("arguments", "parameters", "args", "input")
MARK = re.compile(r"</?tool_calls?>|\[TOOL_CALLS\]|<\|python_tag\|>|<\|tool_call\|>|</?function[_=]")
FUNCTION = re.compile(r"<function=([^<>\s]+)>(.*?)(?:</function>|$)", re.DOTALL)
PARAMETER = re.compile(r"<parameter=([^<>\s]+)>\n?(.*?)\n?(?:</parameter>|$)", re.DOTALL)
NAME_BEFORE = re.compile(r"\[TOOL_CALLS\]\s*([\w.-]+)\s*(?:\[CALL_ID\]\s*\w+\s*)?(?:\[ARGS\]\s*)?$")
# Markup that may precede a call and is removed from the text.
OPENING = re.compile(r"(?:<tool_calls?>|\[TOOL_CALLS\][\w\s.\[\]-]*|<\|\w+\|>|<function_call>|```\w*)$")
LONGEST_OPENING = 200
THOUGHTS_BEGIN = re.compile(r"<(?:think|thinking|thought|reasoning)>|\[THINK\]", re.IGNORECASE)
THOUGHTS_END = re.compile(r"</(?:think|thinking|thought|reasoning)>|\[/THINK\]", re.IGNORECASE)


class WrittenCall(NamedTuple):
    """A tool call that was found in a text."""

    name: str  # of one of the tools
    arguments: Any  # as decoded
    start: int  # where the call begins in the text, in characters


def without_thoughts(text: str) -> tuple[str, str]:
    """The text without reasoning (in <think> or similar tags), and the whole text if it holds reasoning, else "".

    The closing tag may be missing (the answer was cut), and so may the opening tag (the prompt held it).
    """
    begin, end = THOUGHTS_BEGIN.search(text), THOUGHTS_END.search(text)
    if not begin and not end:
        return text, ""
    said, position = [], 0
    if end and (not begin or end.start() < begin.start()):
        position = end.end()
    while begin := THOUGHTS_BEGIN.search(text, position):
        said.append(text[position : begin.start()])
        end = THOUGHTS_END.search(text, begin.end())
        position = end.end() if end else len(text)
    return "".join([*said, text[position:]]).strip(), text.strip()


def calls_in_text(text: str, names: Collection[str]) -> tuple[str, list[WrittenCall]]:
    """The text before the first call, and all calls of the tools `names`. Without a call, the whole text."""
    calls = list(_functions(text[:MAX_READ], names) or _objects(text[:MAX_READ], names))
    if not calls:
        return text, []
    before = text[: calls[0].start].rstrip()
    while opening := OPENING.search(before, max(0, len(before) - LONGEST_OPENING)):
        before = before[: opening.start()].rstrip()
    return before, calls


def looks_like_a_call(text: str) -> bool:
    """Whether a text without a readable call holds signs of one."""
    return bool(MARK.search(text)) or any(f'"{key}"' in text for key in ARGUMENTS[:2])


def _functions(text: str, names: Collection[str]) -> list[WrittenCall]:
    found = []
    for call in FUNCTION.finditer(text):
        name, body = call[1].strip("\"'"), call[2].strip()
        if name in names:
            named = {parameter[1]: parameter[2] for parameter in PARAMETER.finditer(body)}
            found.append(WrittenCall(name, named or body, call.start()))
    return found


def _objects(text: str, names: Collection[str]) -> Iterator[WrittenCall]:
    """Calls written as JSON. Without a marker none are read from a final answer, because it may quote earlier calls."""
    if not MARK.search(text) and '"recommendation"' in text:
        return
    for start, value in _json_values(text):
        before = NAME_BEFORE.search(text, max(0, start - LONGEST_OPENING), start)
        if before and isinstance(value, dict) and before[1] in names:
            yield WrittenCall(before[1], value, start)
            continue
        for call in _listed(value):
            name = next((call[key] for key in NAMES if isinstance(call.get(key), str)), None)
            key = next((key for key in ARGUMENTS if key in call), None)
            if name in names and key:
                yield WrittenCall(str(name), call[key], start)


def _json_values(text: str) -> Iterator[tuple[int, Any]]:
    """(start, value) of every outermost JSON object or list in the text, from left to right."""
    decoder, bracket, position = json.JSONDecoder(), re.compile(r"[\[{]"), 0
    while found := bracket.search(text, position):
        try:
            value, position = decoder.raw_decode(text, found.start())
        except ValueError:
            position = found.end()
        except RecursionError:  # no call nests this deeply, and parsing from every bracket would take long
            return
        else:
            yield found.start(), value


def _listed(value: Any) -> Iterator[dict]:
    """The objects of a JSON value that may be calls, without the wrappers of OpenAI's format."""
    if isinstance(value, dict):
        wrapped = value.get("tool_calls")
        for call in wrapped if isinstance(wrapped, list) else [value]:
            if isinstance(call, dict):
                inner = call.get("function")
                yield inner if isinstance(inner, dict) else call
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                yield from _listed(item)
