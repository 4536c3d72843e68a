"""The way to a server: its address, its key, and an HTTP client that makes answers plain before litellm reads them.

Litellm raises for every answer that is not quite OpenAI's (content in parts, a call without a name) and keeps nothing
of it. It does not ask again after an error inside an answer of status 200. The client therefore reads each answer
first: a usable one goes on in OpenAI's form, any other as the error that it is, and then the OpenAI client asks again.
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

# Words in an error after which litellm changes the conversation.
TRIED_AGAIN = re.compile(
    "roles must alternate user|assistant roles should be|Last message must have role|unknown field: parameter index"
)
KEY_VARIABLE = "OPENAI_API_KEY"
PLACEHOLDER_KEY = "none"  # local servers want no key, but the OpenAI client wants one
SHOWN = 120  # characters of an answer that cannot be read
MAX_WORDS = 1000  # characters of a server's own words


def plain_api_url(url: str) -> str:
    """The address as the OpenAI client wants it; raises InputError without scheme or host."""
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
    """What to send as a key where the user has set none; None leaves it to the variable."""
    return None if os.environ.get(KEY_VARIABLE) else PLACEHOLDER_KEY


def use_plain_answers() -> None:
    """Lets litellm ask OpenAI-compatible servers through `PlainAnswers` from now on."""
    import litellm
    from litellm.llms.custom_httpx.http_handler import get_ssl_configuration

    litellm.suppress_debug_info = True  # its hints to its own developers, on stdout
    if not isinstance(litellm.client_session, PlainAnswers):
        # Without a limit, since more agents than the usual hundred connections would time out while they wait for one.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        litellm.client_session = PlainAnswers(verify=get_ssl_configuration(), follow_redirects=True, limits=limits)


class PlainAnswers(httpx.Client):
    """An HTTP client whose chat completions are in OpenAI's form, or errors."""

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        response = super().send(request, **options)
        if not request.url.path.endswith("/chat/completions") or options.get("stream"):
            return response
        if response.is_success:
            status, body = plain_answer(response.text, tool_names(request.content))
            return httpx.Response(status, json=body, request=response.request)
        return plain_error(response)


def plain_error(response: httpx.Response) -> httpx.Response:
    """A server's error, such that litellm reports it: after some it changes the conversation or the parameters, tries
    once more, and then returns nothing at all."""
    words = TRIED_AGAIN.sub(lambda found: found[0].replace(" ", "  ", 1), response.text)
    status = 400 if response.status_code == 422 else response.status_code
    when = {
        name: value for name, value in response.headers.items() if name.startswith(("retry-after", "x-should-retry"))
    }
    return httpx.Response(status, headers=when, content=words.encode(), request=response.request)


def plain_answer(text: str, names: list[str]) -> tuple[int, dict]:
    """Status and body that say in OpenAI's form what the body of an answer of status 200 says."""
    try:
        return 200, as_completion(read_answer(json.loads(text.removeprefix("\ufeff")), names))
    except UnreadableAnswer as error:
        words = one_line(str(error), MAX_WORDS) or f"an answer without a message: {one_line(text, SHOWN)}"
        status = error.status
    except (ValueError, RecursionError):
        words, status = f"an answer that is no JSON: {one_line(text, SHOWN)}", 502
    return status, {"error": {"message": words, "type": UnreadableAnswer.__name__}}


def tool_names(request: bytes) -> list[str]:
    """The tools that a request offers."""
    return [tool["function"]["name"] for tool in json.loads(request).get("tools", [])]
