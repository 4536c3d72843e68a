"""The engine as an in-process litellm provider, so that npcpy agents use it like any hosted model.

Agents run in threads. A `Batcher` collects their requests and passes them to the engine as one batch. Litellm turns
every exception of a provider into a server error. An exception of the engine is not a server error, so the batcher
raises it unchanged and ends the run.
"""

from __future__ import annotations

import json
import os
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from meeting_agent.common.stopping import RunStopped
from meeting_agent.inference.chat_format import read_message, render
from meeting_agent.inference.engine import Completion, Engine, Request

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else importing litellm downloads a price list

PROVIDER = "in-process"
MODEL = "meeting-agent"
SESSION_HEADER = "x-session"  # the conversation of a request; also seeds its sampling
ARGUMENTS_HEADER = "x-arguments"  # JSON of the call arguments that the engine fills in (`forced_values`)
T = TypeVar("T")


class Batcher:
    """Runs every job in its own thread, and answers their requests in one batch when every unfinished job has asked.

    So the content and the order of a batch depend only on the conversations, never on timing, and the same seed gives
    bit-equal results. The engine runs in the thread that calls `play`.
    """

    def __init__(self, engine: Engine):
        self.engine = engine
        self._unfinished = 0
        self._stopped = False
        self._broken: Exception | None = None
        self._waiting: list[tuple[Request, Future]] = []
        self._answering: list[tuple[Request, Future]] = []
        self._changed = threading.Condition()

    def play(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        """Runs the jobs together, starting with an empty prefix cache, and returns their results.

        If the engine or the provider raises an exception, ends all jobs and raises it unchanged.
        """
        self.engine.prefix_cache.clear()
        self._unfinished, self._stopped, self._broken = len(jobs), False, None
        with ThreadPoolExecutor(len(jobs)) as pool:
            try:
                futures = [pool.submit(self._at_work, job) for job in jobs]
                while batch := self._next_batch():
                    self._answer(batch)
            except BaseException:
                self._stop()
                raise
        return [future.result() for future in futures]

    def submit(self, request: Request) -> Future:
        """A future for the engine's answer to one request. It holds RunStopped if the run was stopped."""
        future: Future = Future()
        with self._changed:
            if self._stopped:
                future.set_exception(RunStopped())
            else:
                self._waiting.append((request, future))
                self._changed.notify()
        return future

    def break_off(self, error: Exception) -> None:
        """Makes `play` end all jobs and raise `error`."""
        with self._changed:
            self._broken = self._broken or error
            self._changed.notify()

    def _at_work(self, job: Callable[[], T]) -> T:
        try:
            return job()
        finally:
            with self._changed:
                self._unfinished -= 1
                self._changed.notify()

    def _next_batch(self) -> list[tuple[Request, Future]]:
        """Waits until every unfinished job has asked, and returns the requests. Empty when all jobs have ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._broken or len(self._waiting) >= self._unfinished)
            if self._broken:
                raise self._broken
            self._answering = self._waiting
            self._waiting = []
        return sorted(self._answering, key=lambda asked: (asked[0].session or "", asked[0].prompt))

    def _answer(self, batch: list[tuple[Request, Future]]) -> None:
        answers = self.engine.generate([request for request, _ in batch])
        for (_, future), answer in zip(batch, answers, strict=True):
            future.set_result(answer)

    def _stop(self) -> None:
        """Fails all pending and later requests so that no agent blocks."""
        with self._changed:
            self._stopped = True
            for _, future in [*self._answering, *self._waiting]:
                if not future.done():
                    future.set_exception(RunStopped())


def serve_engine(engine: Engine) -> Batcher:
    """Registers `engine` with litellm as provider `PROVIDER`. Jobs that use it must run in the returned batcher."""
    import litellm
    from litellm.types.utils import Choices, Message, Usage

    batcher = Batcher(engine)

    class InProcess(litellm.CustomLLM):
        def completion(self, *args: Any, **kwargs: Any) -> Any:
            try:
                return self.answer(**kwargs)
            except Exception as error:  # never a server's error: end the run
                batcher.break_off(error)
                raise RunStopped from error

        def answer(self, **kwargs: Any) -> Any:
            messages, options = kwargs["messages"], kwargs["optional_params"]
            headers = kwargs.get("headers") or {}
            session = headers.get(SESSION_HEADER)
            request = Request(
                prompt=render(engine.tokenizer, messages, options.get("tools"), ask=True),
                max_new_tokens=options.get("max_tokens", 160),
                temperature=options.get("temperature", 0.0),
                seed=zlib.crc32(f"{session}-{len(messages)}".encode()),
                forced_values=json.loads(headers.get(ARGUMENTS_HEADER, "{}")),
                session=session,
            )
            answer: Completion = batcher.submit(request).result()
            read = numbered(read_message(engine.tokenizer, request.prompt, answer.text), messages)
            finish = "length" if answer.completion_tokens >= request.max_new_tokens else "stop"
            response = kwargs["model_response"]
            response.created = int(time.time())
            response.choices = [Choices(index=0, message=Message(**read), finish_reason=finish)]
            response.usage = Usage(
                prompt_tokens=answer.prompt_tokens,
                completion_tokens=answer.completion_tokens,
                total_tokens=answer.prompt_tokens + answer.completion_tokens,
            )
            return response

    litellm.custom_provider_map = [{"provider": PROVIDER, "custom_handler": InProcess()}]
    litellm.drop_params = True
    return batcher


def numbered(message: dict, conversation: list[dict]) -> dict:
    """The message with a unique id for each call: call_0, call_1 and so on over all turns of the conversation."""
    made = sum(len(earlier.get("tool_calls") or []) for earlier in conversation)
    calls = [call | {"id": f"call_{made + i}"} for i, call in enumerate(message.get("tool_calls", []))]
    return message | {"tool_calls": calls} if calls else message
