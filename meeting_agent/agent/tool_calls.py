"""An agent's call of a tool: checked, and answered with the tool's result or an error that the agent can read.

A tool may raise or return anything. What goes wrong in the tool itself, not in the call, is told apart by the words of
the error, so that it can be counted in trajectories.
"""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence

from meeting_agent.agent.environment import Tool
from meeting_agent.common.stopping import RunStopped
from meeting_agent.common.strict_json import one_line, strict, text_of_error
from meeting_agent.common.text import listed

MAX_SHOWN = 60  # characters of a name that the model made up
MAX_WORDS = 200  # characters of an exception's text
FAILED = re.compile(r"tool (\w+) failed: (.+)", re.DOTALL)

# What a type hint asks for, as the agent reads it.
KINDS: dict[type, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


class ToolError(ValueError):
    """A call that cannot be answered; its message is shown to the agent."""


def no_prediction(_prompt: str) -> dict:
    """Stands for the phase 1 model where tools are only shown."""
    raise ToolError("no phase 1 model is loaded")


def tool_schemas(tools: Sequence[Tool]) -> list[dict]:
    """OpenAI schemas of tools, made by Transformers from their signatures and Google-style docstrings.

    The type that a tool returns is left out: OpenAI's format has no field for it, and agents and training must see the
    same text.
    """
    from transformers.utils import get_json_schema

    schemas = [get_json_schema(tool) for tool in tools]
    for schema in schemas:
        schema["function"].pop("return", None)
    return schemas


def answer_call(tools: Mapping[str, Callable[..., dict]], call: dict) -> str:
    """What the tool answers to a call in OpenAI's form, as JSON; never raises for what the call or the tool does."""
    name = call["function"]["name"]
    tool = tools.get(name)
    if tool is None:
        return error_result(f"unknown tool {name[:MAX_SHOWN]!r}: use one of {', '.join(tools)}")
    try:
        arguments = json.loads(call["function"]["arguments"] or "{}")
    except (ValueError, RecursionError) as error:
        return error_result(str(error))
    try:
        return render_result(tool(**checked_arguments(tool, arguments)))
    except ToolError as error:
        return error_result(str(error))
    except (KeyboardInterrupt, RunStopped):
        raise
    except BaseException as error:  # a tool of the user's own may do anything, even leave by sys.exit
        return error_result(f"tool {name} failed: {type(error).__name__}: {one_line(text_of_error(error), MAX_WORDS)}")


def error_result(words: str) -> str:
    return json.dumps({"error": words})


def failed_tool(message: dict) -> tuple[str, str] | None:
    """The tool and its exception, where a conversation's message tells of a tool that failed by itself."""
    if message["role"] != "tool" or " failed: " not in message["content"]:
        return None
    try:
        result = json.loads(message["content"])
    except (ValueError, RecursionError):
        return None
    words = result.get("error") if isinstance(result, dict) else None
    found = FAILED.fullmatch(words) if isinstance(words, str) else None
    return (found[1], found[2]) if found else None


# ----------------------------------------------------------------------------- arguments and results


def checked_arguments(tool: Callable[..., dict], arguments: object) -> dict:
    """What a model wrote as a call's arguments; raises ToolError unless the tool's signature takes names and types."""
    known = inspect.signature(tool).parameters
    hints = typing.get_type_hints(tool)
    needed = {name for name, parameter in known.items() if parameter.default is inspect.Parameter.empty}
    if (
        isinstance(arguments, dict)
        and needed <= arguments.keys() <= known.keys()
        and all(_is_of(value, hints.get(name)) for name, value in arguments.items())
    ):
        return arguments
    kinds = {name: _in_words(hints.get(name)) for name in known}
    if not kinds:
        raise ToolError(f"{tool.__name__} takes no arguments")
    if set(kinds.values()) == {"text"}:
        raise ToolError(f"{tool.__name__} needs {listed(list(kinds))} as text")
    raise ToolError(f"{tool.__name__} needs {listed([f'{name} as {kind}' for name, kind in kinds.items()])}")


def _is_of(value: object, kind: object) -> bool:
    """Whether a JSON value is what a type hint asks for; every value is, where the hint is none that JSON knows."""
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if any(kind is known for known in KINDS):
        return type(value) is kind
    if kind is type(None):
        return value is None
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return any(_is_of(value, part) for part in parts)
    if origin is typing.Literal:
        return any(type(value) is type(part) and value == part for part in parts)
    if origin is list or kind is list:
        return isinstance(value, list) and all(_is_of(item, part) for part in parts for item in value)
    if origin is dict or kind is dict:
        return isinstance(value, dict)
    return True


def _in_words(kind: object) -> str:
    """What a type hint asks for, as the agent reads it."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_in_words, parts))
    if origin is typing.Literal:
        return " or ".join(map(repr, parts))
    if kind is type(None):
        return "null"
    known = {**KINDS, list: "a list", dict: "an object"}
    return next((words for hint, words in known.items() if hint in (kind, origin)), "a value")


def render_result(result: object) -> str:
    """A tool's answer as the agent reads it: strict JSON with every fraction at two decimals.

    Raises what `strict` raises where it is no JSON.
    """
    return re.sub(r"(\d\.\d)(?=[,}\]])", r"\g<1>0", json.dumps(strict(result), ensure_ascii=False, allow_nan=False))
