"""The engine as an in-process litellm provider, so that npcpy agents talk to it as to any hosted model.

Agents run in threads; their requests meet in a `Batcher`, which hands them to the engine together.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
import zlib
from concurrent.futures import Future
from typing import Any

from meeting_agent.engine import Completion, Engine, Request

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or importing litellm fetches a price list

PROVIDER = "in-process"
MODEL = "meeting-agent"
TOOL_CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
GATHER_SECONDS = 0.02


class Batcher:
    """Collects requests from many threads and runs them as one batch.

    A batch starts when nothing new has come for `GATHER_SECONDS`: agents that wait for an answer ask nothing else, so
    a pause means that everybody who can ask has asked.
    """

    def __init__(self, engine: Engine):
        self.engine = engine
        self._waiting: list[tuple[Request, Future]] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

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

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed and not self._waiting:
                    return
                while self._changed.wait(GATHER_SECONDS):
                    pass
                batch, self._waiting = self._waiting, []
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
                prompt=engine.tokenizer.apply_chat_template(
                    messages, tools=options.get("tools"), add_generation_prompt=True, tokenize=False
                ),
                max_new_tokens=options.get("max_tokens", 160),
                temperature=options.get("temperature", 0.0),
                seed=zlib.crc32(f"{session}-{len(messages)}".encode()),
                session=session,
            )
            answer: Completion = batcher.submit(request).result()
            message = Message(**to_openai_message(answer.text))
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


def to_openai_message(text: str) -> dict:
    """What the model wrote, as an assistant message; only well-formed calls become tool calls."""
    calls = []
    for number, written in enumerate(TOOL_CALL.findall(text)):
        try:
            call = json.loads(written)
            name, arguments = call["name"], call["arguments"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return {"role": "assistant", "content": text}
        if not isinstance(name, str) or not isinstance(arguments, dict):
            return {"role": "assistant", "content": text}
        calls.append(
            {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        )
    if not calls:
        return {"role": "assistant", "content": text}
    return {"role": "assistant", "content": text.partition("<tool_call>")[0], "tool_calls": calls}
