"""Execution of an agent's tool calls: arguments are checked, and the result or an error goes back to the agent.

A tool may raise or return anything. An error inside the tool itself begins with "tool NAME failed", so that such
failures can be counted in trajectories.
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
MAX_WORDS = 200  # characters of an exception's message
FAILED = re.compile(r"tool (\w+) failed: (.+)", re.DOTALL)

# Type hints in words that the agent reads.
KINDS: dict[type, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


class ToolError(ValueError):
    """A tool call that cannot be answered. The agent reads its message."""


def no_prediction(_prompt: str) -> dict:
    """Stands in for the phase 1 model where only the tools' schemas are needed."""
    raise ToolError("no phase 1 model is loaded")


def tool_schemas(tools: Sequence[Tool]) -> list[dict]:
    """OpenAI schemas of tools. Transformers makes them from signatures and Google-style docstrings.

    The return type is removed: OpenAI's format has no field for it, and agents and training must see the same text.
    """
    from transformers.utils import get_json_schema

    schemas = [get_json_schema(tool) for tool in tools]
    for schema in schemas:
        schema["function"].pop("return", None)
    return schemas


def answer_call(tools: Mapping[str, Callable[..., dict]], call: dict) -> str:
    """Executes a tool call in OpenAI's format. Returns the result or an error as JSON.

    Errors of the call and of the tool are never raised. Ctrl-C and RunStopped are.
    """
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
    except BaseException as error:  # a user's tool may do anything, even call sys.exit
        return error_result(f"tool {name} failed: {type(error).__name__}: {one_line(text_of_error(error), MAX_WORDS)}")


def error_result(words: str) -> str:
    return json.dumps({"error": words})


def failed_tool(message: dict) -> tuple[str, str] | None:
    """(tool, exception) if a message reports an error inside a tool, else None."""
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
    """Returns `arguments` unchanged. Raises ToolError unless their names and types fit the tool's signature."""
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
    """Whether a JSON value fits a type hint. Every value fits a hint that has no JSON type."""
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
    """A type hint in words that the agent reads."""
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
    """A tool's result as strict JSON. Raises the errors of `strict` if it cannot be written as JSON."""
    return json.dumps(strict(result), ensure_ascii=False, allow_nan=False)
