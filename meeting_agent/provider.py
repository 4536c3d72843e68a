"""The engine as an in-process litellm provider, so that npcpy agents talk to it as to any hosted model.

Agents run in threads; their requests meet in a `Batcher`, which hands them to the engine together.
"""

from __future__ import annotations

import os
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from meeting_agent.chat_format import read_message, render
from meeting_agent.engine import Completion, Engine, Request

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or importing litellm fetches a price list

PROVIDER = "in-process"
MODEL = "meeting-agent"


class Batcher:
    """Runs the requests of many threads as one batch, once every agent at work has asked.

    Which requests share a batch, and in which order, therefore depends on the conversations alone and never on timing:
    the same seed gives the same numbers to the last bit.
    """

    def __init__(self, engine: Engine):
        self.engine = engine
        self._unfinished = 0
        self._waiting: list[tuple[Request, Future]] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def expect(self, agents: int) -> None:
        """Say before they start that so many agents will be at work together, starting from an empty memory."""
        self.engine.memories.clear()
        with self._changed:
            self._unfinished = agents

    @contextmanager
    def job(self) -> Iterator[None]:
        """Around everything that one agent does."""
        try:
            yield
        finally:
            with self._changed:
                self._unfinished -= 1
                self._changed.notify()

    def submit(self, request: Request) -> Future:
        future: Future = Future()
        with self._changed:
            self._waiting.append((request, future))
            self._changed.notify()
        return future

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _everybody_waits(self) -> bool:
        return bool(self._waiting) and len(self._waiting) >= self._unfinished

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._everybody_waits())
                if self._closed and not self._waiting:
                    return
                batch, self._waiting = self._waiting, []
            batch.sort(key=lambda asked: (asked[0].session or "", asked[0].prompt))
            try:
                answers = self.engine.generate([request for request, _ in batch])
            except Exception as error:  # the waiting agents must hear of it, whatever it is
                for _, future in batch:
                    future.set_exception(error)
                continue
            for (_, future), answer in zip(batch, answers, strict=True):
                future.set_result(answer)


def serve_engine(engine: Engine) -> Batcher:
    """Registers `engine` with litellm as provider `PROVIDER`; close the returned batcher when done."""
    import litellm
    from litellm.types.utils import Choices, Message, Usage

    batcher = Batcher(engine)

    class InProcess(litellm.CustomLLM):
        def completion(self, *args: Any, **kwargs: Any) -> Any:
            messages, options = kwargs["messages"], kwargs["optional_params"]
            session = (kwargs.get("headers") or {}).get("x-session")
            request = Request(
                prompt=render(engine.tokenizer, messages, options.get("tools"), ask=True),
                max_new_tokens=options.get("max_tokens", 160),
                temperature=options.get("temperature", 0.0),
                seed=zlib.crc32(f"{session}-{len(messages)}".encode()),
                session=session,
            )
            answer: Completion = batcher.submit(request).result()
            message = Message(**read_message(engine.tokenizer, request.prompt, answer.text))
            response = kwargs["model_response"]
            response.created = int(time.time())
            response.choices = [Choices(index=0, message=message, finish_reason="stop")]
            response.usage = Usage(
                prompt_tokens=answer.prompt_tokens,
                completion_tokens=answer.completion_tokens,
                total_tokens=answer.prompt_tokens + answer.completion_tokens,
            )
            return response

    litellm.custom_provider_map = [{"provider": PROVIDER, "custom_handler": InProcess()}]
    litellm.drop_params = True
    return batcher
