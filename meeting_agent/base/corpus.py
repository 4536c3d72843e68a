"""What the base model is trained on, and in which order: questions about two people, exercises, tool dialogues.

The corpus takes the place of instruction tuning. It contains no outcome of a meeting. The model learns to read texts
and to average scores. In the default world such an average is close to the best decision (docs/engineer.md, "Limits").
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from meeting_agent.base.dialogues import call_chat, results_chat
from meeting_agent.base.exercises import arithmetic_chat, lookup_chat, match_chat, person_chat, phrase_chat
from meeting_agent.base.questions import Chat, pair_chat

SHORT_CHATS: dict[str, Callable[[random.Random], Chat]] = {
    "phrase": phrase_chat,
    "person": person_chat,
    "call": call_chat,
    "lookup": lookup_chat,
    "simple match": lambda rng: match_chat(rng, simple=True),
    "match": lambda rng: match_chat(rng, simple=False),
    "pair": lambda rng: pair_chat(rng, "list"),
    "means first": lambda rng: pair_chat(rng, "means"),
    "results": results_chat,
    "arithmetic": arithmetic_chat,
}

# Weights of `SHORT_CHATS` at points of progress, in the same order and linear in between. Phrases come first, then what
# two people have in common: complete pairs do not teach that before the model knows its simplest form. Then come
# complete pairs, means and tool results.
CURRICULUM = (
    (0.00, (50, 30, 10, 0, 0, 0, 0, 0, 0, 10)),
    (0.03, (50, 30, 10, 0, 0, 0, 0, 0, 0, 10)),
    (0.04, (15, 15, 5, 35, 30, 0, 0, 0, 0, 0)),
    (0.16, (10, 10, 5, 25, 45, 5, 0, 0, 0, 0)),
    (0.28, (5, 5, 10, 10, 15, 30, 10, 5, 5, 5)),
    (0.45, (2, 3, 6, 4, 6, 20, 20, 27, 7, 5)),
    (1.00, (1, 3, 6, 3, 5, 17, 20, 33, 7, 5)),
)
# Share of rows that begin with a tool dialogue. The model knows dialogues by 0.45; reading takes it longer.
DIALOGUES = ((0.0, 0.0), (0.16, 0.0), (0.28, 0.15), (0.45, 0.3), (1.0, 0.15))


def dialogue_share(progress: float) -> float:
    return float(np.interp(progress, [at for at, _ in DIALOGUES], [share for _, share in DIALOGUES]))


def document_shares(progress: float) -> list[float]:
    """Weight of each of `SHORT_CHATS` at a progress in [0, 1]."""
    points = [at for at, _ in CURRICULUM]
    return [float(np.interp(progress, points, column)) for column in zip(*(w for _, w in CURRICULUM), strict=True)]


def sample_short(rng: random.Random, progress: float) -> Chat:
    """A short chat, whose kind depends on the progress in [0, 1]."""
    return rng.choices(list(SHORT_CHATS.values()), document_shares(progress))[0](rng)
