"""An agent's call of a tool: answered with the tool's result, or with an error that the agent can read.

A tool may raise or return anything. What goes wrong in the tool itself, not in the call, is told apart by the words of
the error, so that it can be counted in trajectories.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from meeting_agent.common.stopping import RunStopped
from meeting_agent.common.strict_json import one_line, text_of_error
from meeting_agent.world.tools import ToolError, checked_arguments, render_result

MOST_SHOWN = 60  # characters of a name that the model made up
MOST_WORDS = 200  # characters of an exception's text
FAILED = re.compile(r"tool (\w+) failed: (.+)", re.DOTALL)


def answer_call(tools: Mapping[str, Callable[..., dict]], call: dict) -> str:
    """What the tool answers to a call in OpenAI's form, as JSON; never raises for what the call or the tool does."""
    name = call["function"]["name"]
    tool = tools.get(name)
    if tool is None:
        return error_result(f"unknown tool {name[:MOST_SHOWN]!r}: use one of {', '.join(tools)}")
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
        return error_result(f"tool {name} failed: {type(error).__name__}: {one_line(text_of_error(error), MOST_WORDS)}")


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
