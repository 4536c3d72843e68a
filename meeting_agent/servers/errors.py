"""Explains server failures: a short kind for the trajectory, the server's message for the user, and a remedy.

A server's message may hold an API key. So it is scrubbed and only printed; files get the kind.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
import openai

from meeting_agent.common.strict_json import one_line, text_of_error
from meeting_agent.servers.answers import UnreadableAnswer, words_of_error
from meeting_agent.servers.client import KEY_VARIABLE

MAX_WORDS = 200  # characters of a server's message
SHORTEST_KEY = 4  # characters; a shorter key is not secret and occurs in many words
SECRETS = re.compile(r"(?i)\bbearer\s+\S+|\bsk-[\w*.-]{3,}|\bhf_\w{8,}|(?<=://)[^/\s@]+(?=@)")
# Class names that litellm puts before an error's message.
WRAPPERS = re.compile(r"^(?:[\w.]*(?:Error|Exception)(?:: | - ))+")
REFUSED = ("BadRequestError", "UnprocessableEntityError")
# Errors that a proxy between this machine and the server may cause.
OF_PROXIES = (
    "APIConnectionError",
    "APIStatusError",
    "BadGatewayError",
    "PermissionDeniedError",
    "ServiceUnavailableError",
    "Timeout",
    "UnreadableAnswer",
)
START_WITH_TOOLS = (
    "start the server with tool calling (vLLM: --enable-auto-tool-choice --tool-call-parser NAME, llama.cpp: --jinja)"
)
REMEDIES = {
    "AuthenticationError": f"set {KEY_VARIABLE} to a key that it takes",
    "PermissionDeniedError": f"set {KEY_VARIABLE} to a key that may use this model",
    "NotFoundError": "give a --model that is listed under its /models, and the --api_url that its manual names",
    "APIConnectionError": "see that it runs and that --api_url is its address",
    "Timeout": "lower --concurrent_agents, or give it a smaller model",
    "RateLimitError": "lower --concurrent_agents, or wait",
    "ContextWindowExceededError": (
        "start the server with a longer context (vLLM: --max-model-len, llama.cpp: --ctx-size, Ollama: num_ctx), "
        "or lower --max_answer_tokens"
    ),
    "BadRequestError": "use a model whose chat template supports tools, or another server",
    "UnreadableAnswer": "see that --api_url is that of an OpenAI-compatible server (most end with /v1)",
}


class Failure(NamedTuple):
    """The kind of an error (a class name) and the server's message."""

    kind: str
    words: str


def failure_of(error: BaseException) -> Failure:
    """The kind and message of an error, from the first cause in its chain that comes from the server."""
    kind, words = type(error).__name__, WRAPPERS.sub("", text_of_error(error))
    for cause in causes(error):
        if isinstance(cause, openai.APITimeoutError):
            return Failure("Timeout", "no answer in time")
        if isinstance(cause, openai.APIStatusError) and type(cause).__module__.startswith("openai"):
            body = cause.response.text[: 50 * MAX_WORDS]
            kind = type(cause).__name__ if kind == "APIError" else kind
            kind = UnreadableAnswer.__name__ if _is_unreadable(body, cause.status_code) else kind
            words = _words_of_body(body) or f"status {cause.status_code} without a message"
            break
        if isinstance(cause, httpx.TransportError | httpx.InvalidURL):
            kind, words = openai.APIConnectionError.__name__, text_of_error(cause) or type(cause).__name__
            break
    return Failure(kind, one_line(scrubbed(words), MAX_WORDS))


def refuses_the_conversation(failure: Failure) -> bool:
    """Whether the same conversation in another form may work. Servers may answer 500 if their template raises."""
    return failure.kind in REFUSED or (failure.kind == "InternalServerError" and "tool" in failure.words.lower())


def explained(url: str, kinds: Counter[str], words: Mapping[str, str]) -> str:
    """One line with every kind of failure, its count and the server's message, and the remedy for the most common."""
    counts = [
        kind + (f" {n} times" if n > 1 else "") + (f": {words[kind]}" if words.get(kind) else "")
        for kind, n in kinds.most_common()
    ]
    (kind, _), *_ = kinds.most_common(1)
    return f"({'; '.join(counts)}): {remedy(Failure(kind, words.get(kind, '')), url)}"


def remedy(failure: Failure, url: str) -> str:
    """How to fix a failure of the server at `url`."""
    kind, said = failure.kind, failure.words.lower()
    if kind in (*REFUSED, "InternalServerError") and "tool" in said and ("choice" in said or "jinja" in said):
        return START_WITH_TOOLS
    advice = REMEDIES.get(kind, "see to the server")
    host = urlsplit(url).hostname or ""
    if kind in OF_PROXIES and getproxies().keys() & {"http", "https", "all"} and not proxy_bypass(host):
        return f"{advice}; requests go through the proxy of HTTP_PROXY: put {host} into NO_PROXY to go without"
    return advice


def scrubbed(text: str) -> str:
    """`text` without the user's key and without anything that looks like a key."""
    key = os.environ.get(KEY_VARIABLE, "")
    if len(key) >= SHORTEST_KEY:
        text = text.replace(key, "[key]")
    return SECRETS.sub("[key]", text)


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its chain of causes, from the outermost to the innermost."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _is_unreadable(body: str, status: int) -> bool:
    return status == 502 and f'"type":"{UnreadableAnswer.__name__}"' in body.replace(" ", "")


def _words_of_body(body: str) -> str:
    try:
        return words_of_error(json.loads(body))
    except (ValueError, RecursionError):  # an HTML page or plain text
        return re.sub(r"<[^<>]*>", " ", body).strip()
