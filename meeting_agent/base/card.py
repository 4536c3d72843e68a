"""Scores of the base model on held-out text, and its model card."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

import torch

from meeting_agent.base.corpus import SHORT_CHATS
from meeting_agent.base.dialogues import dialogue_chat
from meeting_agent.base.questions import QUESTIONS, Chat, ask_reading, question_chat, random_pair
from meeting_agent.base.readings import READINGS
from meeting_agent.common.files import write_text
from meeting_agent.world.prompts import pair_context


def skill_chats() -> dict[str, Callable[[random.Random], Chat]]:
    """Skill of the corpus -> a function that makes a chat for it."""
    questions = {name: (lambda rng, name=name: question_chat(rng, [name])) for name in QUESTIONS}
    readings = {f"reading: {name}": (lambda rng, name=name: reading_chat(rng, name)) for name in READINGS}
    others = {name: make for name, make in SHORT_CHATS.items() if name not in ("pair", "means first")}
    return questions | readings | others | {"dialogue": dialogue_chat}


def reading_chat(rng: random.Random, name: str) -> Chat:
    """A chat with the full text of a pair and a single question about it."""
    pair = random_pair(rng)
    question, answer = ask_reading(rng, pair, name)
    context = pair_context(pair.said_a.text, pair.said_b.text, pair.slot)
    return [{"role": "user", "content": f"{context}\n\n{question}"}, {"role": "assistant", "content": answer}]


@torch.inference_mode()
def comprehension_scores(model, encoder, device: str, chats: int) -> dict[str, dict[str, float]]:
    """Scores by skill, on `chats` new chats per skill with teacher forcing.

    Returns for every skill `token_accuracy` on assistant turns, in [0, 1]. If the skill has numbers, also the root mean
    squared error of the expected value (`rmse`) and the share of explained variance (`r2`, at most 1).
    """
    digits = torch.tensor(encoder.digits, device=device)
    steps = torch.arange(10, device=device) / 10 + 0.045
    scores = {}
    for skill, make in skill_chats().items():
        rng = random.Random(f"held-out-{skill}")
        right, total, expected, targets = 0.0, 0.0, [], []
        for _ in range(chats):
            ids, written, values = encoder.encode(make(rng))
            tokens = torch.tensor([ids], device=device)
            logits = model(input_ids=tokens).logits[0, :-1].float()
            own = torch.tensor(written[1:], dtype=torch.bool, device=device)
            right += float((logits.argmax(-1) == tokens[0, 1:])[own].sum())
            total += float(own.sum())
            wanted = torch.tensor(values[1:], device=device)
            marked = wanted >= 0
            expected += ((logits[marked][:, digits].softmax(-1)) * steps).sum(-1).tolist()
            targets += wanted[marked].tolist()
        scores[skill] = {"token_accuracy": right / total}
        if targets:
            errors = sum((e - t) ** 2 for e, t in zip(expected, targets, strict=True)) / len(targets)
            mean = sum(targets) / len(targets)
            variance = sum((t - mean) ** 2 for t in targets) / len(targets)
            scores[skill] |= {"rmse": math.sqrt(errors), "r2": 1 - errors / variance if variance else 0.0}
    return scores


def write_card(
    output: Path, parameters: int, state: dict, machine: str, scores: dict[str, dict[str, float]], chats: int
) -> None:
    rows = [
        f"| {skill} | {s['token_accuracy']:.3f} | " + (f"{s['rmse']:.3f} | {s['r2']:.3f} |" if "r2" in s else "– | – |")
        for skill, s in scores.items()
    ]
    text = f"""---
license: mit
library_name: transformers
---
# The embedded base model

Gemma 3 architecture with {parameters / 1e6:.2f} M parameters, trained from scratch by `meeting_agent/base/build.py` on
text written by `meeting_agent/base/corpus.py`: descriptions of conference people, questions about them, means of
scores, and tool dialogues. It plays the part of an instruction-tuned model. It never saw whether a meeting succeeded.

| trained on | value |
|---|---|
| tokens | {state["tokens"]:,} |
| steps | {state["step"]:,} |
| wall time | {state["seconds"] / 60:.0f} minutes |
| machine | {machine} |

Rebuild it with `python -m meeting_agent.base.build`.

## Comprehension on {chats} held-out chats a skill

Each answer is scored with the earlier ones given. Numbers count by the expectation over the first digit.

| skill | token accuracy | RMSE of numbers | variance explained |
|---|---|---|---|
{chr(10).join(rows)}
"""
    write_text(output / "README.md", text)
