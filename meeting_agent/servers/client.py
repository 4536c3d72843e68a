"""The connection to a server: address, key, and an HTTP client that normalizes answers before litellm reads them.

Litellm raises for an answer that deviates from OpenAI's format (content in parts, a call without a name) and discards
it. It does not retry after an error in the body of a response with status 200. So this client reads each response
first. It passes on a usable answer in OpenAI's format, and any other answer as an error, which the OpenAI client
retries.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any
from urllib.parse import urlsplit

import httpx

from meeting_agent.common.files import InputError
from meeting_agent.common.strict_json import one_line
from meeting_agent.servers.answers import UnreadableAnswer, as_completion, read_answer

# Error messages that make litellm change the conversation.
TRIED_AGAIN = re.compile(
    "roles must alternate user|assistant roles should be|Last message must have role|unknown field: parameter index"
)
KEY_VARIABLE = "OPENAI_API_KEY"
PLACEHOLDER_KEY = "none"  # local servers need no key, but the OpenAI client requires one
SHOWN = 120  # characters that are quoted of an unreadable answer
MAX_WORDS = 1000  # characters of a server's error message


def plain_api_url(url: str) -> str:
    """The address in the form that the OpenAI client expects. Raises InputError without scheme or host."""
    plain = url.strip().rstrip("/").removesuffix("/chat/completions").rstrip("/")
    try:
        parts = urlsplit(plain)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:  # a port that is no number
        usable = False
    if not usable or any(c.isspace() for c in plain):
        raise InputError(
            f"--api_url is {url[:100]!r}: give an address with http:// or https://, such as http://localhost:8000/v1"
        )
    return plain


def placeholder_key() -> str | None:
    """The key to send if the user has set none. None if the environment variable holds one."""
    return None if os.environ.get(KEY_VARIABLE) else PLACEHOLDER_KEY


def use_plain_answers() -> None:
    """Makes litellm send its requests to OpenAI-compatible servers through `PlainAnswers`."""
    import litellm
    from litellm.llms.custom_httpx.http_handler import get_ssl_configuration

    litellm.suppress_debug_info = True  # litellm prints hints for its own developers on stdout
    if not isinstance(litellm.client_session, PlainAnswers):
        # No limit: with the default of 100 connections, further agents would time out while they wait for one.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        litellm.client_session = PlainAnswers(verify=get_ssl_configuration(), follow_redirects=True, limits=limits)


class PlainAnswers(httpx.Client):
    """An HTTP client that returns chat completions in OpenAI's format, or errors."""

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        response = super().send(request, **options)
        if not request.url.path.endswith("/chat/completions") or options.get("stream"):
            return response
        if response.is_success:
            status, body = plain_answer(response.text, tool_names(request.content))
            return httpx.Response(status, json=body, request=response.request)
        return plain_error(response)


def plain_error(response: httpx.Response) -> httpx.Response:
    """A server's error in a form that litellm reports unchanged.

    For some errors litellm changes the conversation or the parameters, retries once and then returns nothing.
    """
    words = TRIED_AGAIN.sub(lambda found: found[0].replace(" ", "  ", 1), response.text)
    status = 400 if response.status_code == 422 else response.status_code
    when = {
        name: value for name, value in response.headers.items() if name.startswith(("retry-after", "x-should-retry"))
    }
    return httpx.Response(status, headers=when, content=words.encode(), request=response.request)


def plain_answer(text: str, names: list[str]) -> tuple[int, dict]:
    """Converts the body of a response with status 200 to a status and a body in OpenAI's format."""
    try:
        return 200, as_completion(read_answer(json.loads(text.removeprefix("\ufeff")), names))
    except UnreadableAnswer as error:
        words = one_line(str(error), MAX_WORDS) or f"an answer without a message: {one_line(text, SHOWN)}"
        status = error.status
    except (ValueError, RecursionError):
        words, status = f"an answer that is no JSON: {one_line(text, SHOWN)}", 502
    return status, {"error": {"message": words, "type": UnreadableAnswer.__name__}}


def tool_names(request: bytes) -> list[str]:
    """The names of the tools in a request."""
    return [tool["function"]["name"] for tool in json.loads(request).get("tools", [])]
