"""Dry runs: each phase runs all its later steps on a tiny input in seconds, before hours of work.

A base may train well and then fail when its adapter is merged, when it answers or when it takes a second turn. So each
phase first runs two rows, two turns of an agent or one pair through these steps. A failure becomes a one-line error.
"""

from __future__ import annotations

import json
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from meeting_agent.common.files import InputError
from meeting_agent.common.settings import failed_write
from meeting_agent.inference.chat_format import render
from meeting_agent.inference.engine import Engine, Request
from meeting_agent.inference.loading import too_long
from meeting_agent.inference.prediction import greedy_answers, predict_prompts

ANSWER_ROOM = 24  # minimum number of free tokens for an agent's turn


@contextmanager
def trying(what: str) -> Iterator[None]:
    """Turns an exception in the block into an InputError that says where it was raised.

    InputError, OSError, MemoryError and failed writes are raised unchanged.
    """
    try:
        yield
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:  # a model, a template or a library may raise anything
        if failed_write(error):
            raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        says = (str(error).splitlines() or [""])[0]
        raise InputError(
            f"{what} fails with this base, as a dry run shows: {type(error).__name__}: {says} "
            f"({Path(place.filename).name}:{place.lineno}); use another base"
        ) from error


def try_adapter(base: str, model, prompts: Sequence[str], fp32: bool) -> Engine:
    """Saves the adapter of `model`, loads it again with `base` and answers `prompts`. Returns the engine."""
    what = "saving, loading and merging an adapter"
    with tempfile.TemporaryDirectory() as folder, trying(what), torch.random.fork_rng():
        model.save_pretrained(folder)
        engine = Engine(base, folder, fp32=fp32)
        try_predictions(engine, prompts)
        return engine


def try_predictions(engine: Engine, prompts: Sequence[str]) -> None:
    """Makes predictions with RAIL and with plain greedy decoding."""
    with trying("answering"):
        predict_prompts(engine, list(prompts))
        greedy_answers(engine, list(prompts))


def try_agent(engine: Engine, system: str, question: str, tools: list[dict]) -> None:
    """Runs an agent's first turn, and a second turn after a tool result.

    Raises InputError if the prompt of the first turn leaves no room for an answer.
    """
    messages: list[dict] = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    arguments = {name: "x" for name in tools[0]["function"]["parameters"]["properties"]}
    call = {"name": tools[0]["function"]["name"], "arguments": json.dumps(arguments)}
    calls = [{"id": "call_0", "type": "function", "function": call}]
    after: list[dict] = [
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_0", "content": "{}"},
    ]
    with trying("an agent's turn"):
        first = render(engine.tokenizer, messages, tools, ask=True)
        tokens = len(engine.encode([first])[0])
        if engine.positions and tokens + ANSWER_ROOM > engine.positions:
            raise InputError(f"an agent's first turn: {too_long(tokens + ANSWER_ROOM, engine.positions)}")
        for text in (first, render(engine.tokenizer, messages + after, tools, ask=True)):
            engine.generate([Request(text, 8, session="dry run")])
        engine.prefix_cache.clear()


def try_loss(trainer, count: int) -> None:
    """Runs a forward and a backward pass over the first `count` training rows. Leaves no gradients or metrics."""
    with trying("a training step"), torch.random.fork_rng():
        batch = trainer._prepare_inputs(trainer.data_collator([trainer.train_dataset[i] for i in range(count)]))
        trainer.model.train()
        trainer.compute_loss(trainer.model, batch).backward()
        trainer.model.zero_grad()
        trainer._metrics["train"].clear()
