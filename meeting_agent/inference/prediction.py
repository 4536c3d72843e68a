"""Predictions of phase 1: a probability read by RAIL, then a reason that the model generates."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from meeting_agent.inference.chat_format import render
from meeting_agent.inference.digits import PREDICTION_OPENING

if TYPE_CHECKING:
    from meeting_agent.inference.engine import Engine

MAX_ANSWER_TOKENS = 24
MAX_REASON_TOKENS = 32  # a sentence takes 16 tokens of the embedded base, two Russian words take 28


def chat_text(tokenizer, prompt: str) -> str:
    """The prompt in the chat template, up to the start of the model's turn."""
    return render(tokenizer, [{"role": "user", "content": prompt}], ask=True)


def predict_probabilities(engine: Engine, prompts: list[str]) -> list[float]:
    """The probability in [0.01, 0.99] for each prompt, from one forward pass each."""
    return engine.fractions([chat_text(engine.tokenizer, p) + PREDICTION_OPENING for p in prompts])


def predict_prompts(engine: Engine, prompts: list[str]) -> list[dict]:
    """`probability` in [0.01, 0.99] and `reason` for each prompt.

    A reason that is longer than `MAX_REASON_TOKENS` becomes empty.
    """
    from meeting_agent.inference.engine import Request

    texts = [chat_text(engine.tokenizer, p) + PREDICTION_OPENING for p in prompts]
    values = engine.fractions(texts)
    opened = [
        Request(f'{t}{f"{v:.2f}"[2:]}, "reason": "', MAX_REASON_TOKENS) for t, v in zip(texts, values, strict=True)
    ]
    reasons = [read_reason(c.text) for c in engine.generate(opened)]
    return [{"probability": v, "reason": r} for v, r in zip(values, reasons, strict=True)]


def read_reason(text: str) -> str:
    """The JSON string whose opening quote comes before `text`. Empty if it does not end or is not valid."""
    try:
        reason, _ = json.JSONDecoder(strict=False).raw_decode(f'"{text}')
        reason.encode()  # a lone surrogate could not be written to a file
    except ValueError:
        return ""
    return reason


def comes_back(tokenizer, reason: str) -> bool:
    """Whether a reason of the training data is short enough for `predict_prompts` to return it in full."""
    return len(tokenizer.encode(f"{reason_text(reason)[1:]}}}", add_special_tokens=False)) <= MAX_REASON_TOKENS


def greedy_answers(engine: Engine, prompts: list[str]) -> list[float | None]:
    """The probability that plain greedy decoding (without RAIL) writes for each prompt, or None if unreadable."""
    from meeting_agent.inference.engine import Request

    texts = [chat_text(engine.tokenizer, p) for p in prompts]
    return [
        read_probability(c.text)
        for c in engine.generate([Request(t, MAX_ANSWER_TOKENS, read_fractions=False) for t in texts])
    ]


def read_probability(text: str) -> float | None:
    """The probability in an answer if there is one in [0, 1], else None."""
    found = re.search(r'"probability":\s*([01](?:\.\d+)?)\b', text)
    value = float(found.group(1)) if found else None
    return value if value is not None and 0.0 <= value <= 1.0 else None


def target_text(probability: float, reason: str) -> str:
    """The completion that phase 1 trains on."""
    shown = f"{min(0.99, max(0.01, probability)):.2f}"
    return f'{PREDICTION_OPENING}{shown[2:]}, "reason": {reason_text(reason)}}}'


def reason_text(reason: str) -> str:
    """A reason as JSON without escapes for letters, because a small model reads an escape as many rare tokens."""
    return json.dumps(reason, ensure_ascii=False)
