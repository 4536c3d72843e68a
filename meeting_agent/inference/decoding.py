"""Choice of the next token: sampling, numbers read as expectations (RAIL), and forced values."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from meeting_agent.inference.digits import HIGHEST, LOWEST, PREDICTION_OPENING, DigitReader

TAIL = 24  # number of last tokens that are compared with an opening; every opening is shorter


@dataclass
class Request:
    """One text to continue.

    `temperature` 0 is greedy decoding; `seed` makes sampling repeatable. `read_fractions` turns on RAIL. If the text
    ends with `"name": "` for a name in `forced_values`, the engine writes that value. Requests with the same `session`
    are turns of one conversation and share its prefix cache. With `ends_at_number` the text ends after a number that
    RAIL read.
    """

    prompt: str
    max_new_tokens: int = 160
    temperature: float = 0.0
    seed: int = 0
    read_fractions: bool = True
    forced_values: Mapping[str, str] = field(default_factory=dict)
    session: str | None = None
    ends_at_number: bool = False


class Row:
    """One conversation in a batch: its request, the prompt's token ids, and the tokens generated so far."""

    def __init__(self, request: Request, prompt: list[int], positions: int | None = None):
        self.request, self.prompt = request, prompt
        self.limit = min(request.max_new_tokens, positions - len(prompt) if positions else request.max_new_tokens)
        self.tokens: list[int] = []
        self.forced: list[int] = []
        self.done = False
        self._random = random.Random(request.seed)

    @property
    def last_token(self) -> int | None:
        """The last token so far. A prompt may end with an opening, so its own last token counts too."""
        written = self.tokens or self.prompt
        return written[-1] if written else None

    def draw(self) -> float:
        return self._random.random()

    def take(self, token: int, end_ids: set[int]) -> bool:
        """Adds a token. Returns True if generation of this row has ended."""
        if token in end_ids:
            self.done = True
        else:
            self.tokens.append(token)
            self.done = len(self.tokens) >= self.limit
        return self.done


class TokenChooser:
    """Chooses the next token of every row from its logits.

    After `{"probability": 0.` the number is the expectation over the model's own digit distribution, and its digits are
    forced (RAIL, Lukasik et al., 2024).
    """

    def __init__(self, tokenizer, device: torch.device):
        self.tokenizer, self.device = tokenizer, device
        self.digits = DigitReader(tokenizer, device)
        vocabulary = tokenizer.get_vocab().items()
        self._with_dot = {index for token, index in vocabulary if "." in token}
        self._with_quote = {index for token, index in vocabulary if token.endswith('"')}

    def expected(self, logits: torch.Tensor) -> torch.Tensor:
        """Expected fractions in [0.01, 0.99] of shape (...), from logits (..., vocabulary) at the first digit."""
        return self.digits.expected(logits).clamp(LOWEST, HIGHEST)

    def choose(self, rows: list[Row], logits: torch.Tensor) -> list[int]:
        """The next token id of each row, from logits of shape (rows, vocabulary)."""
        logits = logits.float()
        greedy = logits.argmax(-1).tolist()
        sampled = self._sampled(rows, logits)
        chosen = []
        for i, row in enumerate(rows):
            if not row.forced and not row.done:
                row.forced = self._forced(row, logits[i])
            chosen.append(row.forced.pop(0) if row.forced else sampled.get(i, greedy[i]))
        return chosen

    def _sampled(self, rows: list[Row], logits: torch.Tensor) -> dict[int, int]:
        """Row -> token for rows with a temperature above 0, by inverse transform sampling with the row's own seed."""
        hot = [i for i, row in enumerate(rows) if row.request.temperature > 0 and not row.done]
        if not hot:
            return {}
        heat = torch.tensor([[rows[i].request.temperature] for i in hot], device=self.device)
        total = (logits[hot] / heat).softmax(-1).cumsum(-1)
        draws = torch.tensor([[rows[i].draw()] for i in hot], device=self.device) * total[:, -1:]
        return dict(zip(hot, torch.searchsorted(total, draws).squeeze(1).tolist(), strict=True))

    def _forced(self, row: Row, logits: torch.Tensor) -> list[int]:
        """The token ids that must come next: two digits of a number, or a forced value. Empty if the choice is free."""
        text = ""
        if row.request.read_fractions and row.last_token in self._with_dot and self._ends(row, PREDICTION_OPENING):
            digits = self.tokenizer.encode(f"{float(self.expected(logits)):.2f}"[2:], add_special_tokens=False)
            if row.request.ends_at_number:
                row.limit = min(row.limit, len(row.tokens) + len(digits))
            return digits
        if row.request.forced_values and row.last_token in self._with_quote:
            values = row.request.forced_values.items()
            text = next((value for name, value in values if self._ends(row, f'"{name}": "')), "")
        return self.tokenizer.encode(text, add_special_tokens=False) if text else []

    def _ends(self, row: Row, opening: str) -> bool:
        return self.tokenizer.decode((row.prompt[-TAIL:] + row.tokens)[-TAIL:]).endswith(opening)
