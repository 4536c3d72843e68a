"""What the base model is trained on, and in which order: questions about two people, exercises, tool dialogues.

The corpus takes the place of instruction tuning. It contains no outcome of a meeting and nothing of the physics: where
a chat ends in a probability, that probability follows readings that the chat's own prompt draws at random
(`what_counts.py`). The model learns to read texts and tool results, to compare, and to weigh what it is told to weigh.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from meeting_agent.base.dialogues import call_chat, results_chat, sum_chat
from meeting_agent.base.exercises import compare_chat, lookup_chat, match_chat, person_chat, phrase_chat
from meeting_agent.base.questions import Chat, pair_chat

SHORT_CHATS: dict[str, Callable[[random.Random], Chat]] = {
    "phrase": phrase_chat,
    "person": person_chat,
    "call": call_chat,
    "lookup": lookup_chat,
    "simple match": lambda rng: match_chat(rng, simple=True),
    "match": lambda rng: match_chat(rng, simple=False),
    "compare": compare_chat,
    "basics": lambda rng: pair_chat(rng, "basics"),
    "stated": lambda rng: pair_chat(rng, "stated"),
    "derived": lambda rng: pair_chat(rng, "derived"),
    "summary": lambda rng: pair_chat(rng, "summary"),
    "weighed": lambda rng: pair_chat(rng, "weighed"),
    "sum": sum_chat,
    "results": results_chat,
}

# Weights of `SHORT_CHATS` at points of progress, in the same order and linear in between. Phrases come first, then what
# two people have in common: complete pairs do not teach that before the model knows its simplest form. Then come
# complete pairs, what follows from them for two people together, and probabilities.
CURRICULUM = (
    (0.00, (50, 30, 8, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0)),
    (0.03, (50, 30, 8, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0)),
    (0.04, (15, 15, 5, 35, 25, 0, 5, 0, 0, 0, 0, 0, 0, 0)),
    (0.16, (8, 8, 4, 22, 38, 6, 6, 5, 3, 0, 0, 0, 0, 0)),
    (0.27, (4, 5, 5, 8, 12, 22, 8, 14, 6, 8, 4, 0, 4, 0)),
    (0.40, (2, 2, 3, 4, 5, 12, 6, 14, 6, 20, 8, 6, 8, 4)),
    (0.55, (1, 2, 2, 3, 4, 9, 4, 10, 4, 18, 8, 20, 9, 6)),
    (1.00, (1, 2, 2, 3, 4, 9, 3, 9, 4, 16, 8, 24, 9, 6)),
)
# Share of rows that begin with a tool dialogue. The model knows dialogues by 0.5; reading takes it longer.
DIALOGUES = ((0.0, 0.0), (0.2, 0.0), (0.32, 0.2), (0.5, 0.4), (0.75, 0.4), (1.0, 0.3))


def dialogue_share(progress: float) -> float:
    return float(np.interp(progress, [at for at, _ in DIALOGUES], [share for _, share in DIALOGUES]))


def document_shares(progress: float) -> list[float]:
    """Weight of each of `SHORT_CHATS` at a progress in [0, 1]."""
    points = [at for at, _ in CURRICULUM]
    return [float(np.interp(progress, points, column)) for column in zip(*(w for _, w in CURRICULUM), strict=True)]


def sample_short(rng: random.Random, progress: float) -> Chat:
    """A short chat, whose kind depends on the progress in [0, 1]."""
    return rng.choices(list(SHORT_CHATS.values()), document_shares(progress))[0](rng)
