"""Phase 1's question put to a model: a probability read by RAIL, then a reason in the model's own words."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from meeting_agent.inference.chat_format import render
from meeting_agent.inference.digits import PREDICTION_OPENING

if TYPE_CHECKING:
    from meeting_agent.inference.engine import Engine

MAX_ANSWER_TOKENS = 24
MAX_REASON_TOKENS = 32  # a sentence of the embedded base's words has 16, two Russian words have 28


def chat_text(tokenizer, prompt: str) -> str:
    """The prompt as the chat template writes it, ready for the model's turn."""
    return render(tokenizer, [{"role": "user", "content": prompt}], ask=True)


def predict_probabilities(engine: Engine, prompts: list[str]) -> list[float]:
    """Probability in [0.01, 0.99] for each prompt, by one forward pass each."""
    return engine.fractions([chat_text(engine.tokenizer, p) + PREDICTION_OPENING for p in prompts])


def predict_prompts(engine: Engine, prompts: list[str]) -> list[dict]:
    """`probability` and `reason` for each prompt; a reason that does not end in time is empty."""
    from meeting_agent.inference.engine import Request

    texts = [chat_text(engine.tokenizer, p) + PREDICTION_OPENING for p in prompts]
    values = engine.fractions(texts)
    opened = [
        Request(f'{t}{f"{v:.2f}"[2:]}, "reason": "', MAX_REASON_TOKENS) for t, v in zip(texts, values, strict=True)
    ]
    reasons = [read_reason(c.text) for c in engine.generate(opened)]
    return [{"probability": v, "reason": r} for v, r in zip(values, reasons, strict=True)]


def read_reason(text: str) -> str:
    """The JSON string that a model goes on with behind its opening quote; empty if it does not end or is no text."""
    try:
        reason, _ = json.JSONDecoder(strict=False).raw_decode(f'"{text}')
        reason.encode()  # half of a character that takes two escapes could not be written to a file
    except ValueError:
        return ""
    return reason


def comes_back(tokenizer, reason: str) -> bool:
    """Whether `predict_prompts` lets the model write enough to repeat a reason that it was trained on."""
    return len(tokenizer.encode(f"{reason_text(reason)[1:]}}}", add_special_tokens=False)) <= MAX_REASON_TOKENS


def greedy_answers(engine: Engine, prompts: list[str]) -> list[float | None]:
    """What plain greedy decoding, without RAIL, answers to each prompt: the probability, or None if unreadable."""
    from meeting_agent.inference.engine import Request

    texts = [chat_text(engine.tokenizer, p) for p in prompts]
    return [
        read_probability(c.text)
        for c in engine.generate([Request(t, MAX_ANSWER_TOKENS, read_fractions=False) for t in texts])
    ]


def read_probability(text: str) -> float | None:
    """The probability in an answer, if there is one in [0, 1]."""
    found = re.search(r'"probability":\s*([01](?:\.\d+)?)\b', text)
    value = float(found.group(1)) if found else None
    return value if value is not None and 0.0 <= value <= 1.0 else None


def target_text(probability: float, reason: str) -> str:
    """The completion that phase 1 trains on."""
    shown = f"{min(0.99, max(0.01, probability)):.2f}"
    return f'{PREDICTION_OPENING}{shown[2:]}, "reason": {reason_text(reason)}}}'


def reason_text(reason: str) -> str:
    """A reason as JSON, in its own letters: a small model reads escapes for them as many strange tokens."""
    return json.dumps(reason, ensure_ascii=False)
