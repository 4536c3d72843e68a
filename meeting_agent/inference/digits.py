"""Numbers as expectations over a language model's digits.

Reading: regression-aware inference (RAIL, Lukasik et al., 2024). Training: squared error of the same expectation beside
cross-entropy (RAFT, Lukasik et al., ICLR 2025).
"""

from __future__ import annotations

import re
from collections import defaultdict

import torch

from meeting_agent.common.files import InputError

# Everything the model writes before the first digit of its probability; regression-aware inference starts here.
PREDICTION_OPENING = '{"probability": 0.'
LOWEST, HIGHEST = 0.01, 0.99
DIGITS = re.compile("[0-9]{1,3}")


class DigitReader:
    """Knows which tokens of a tokenizer are digits, up to three, and what fraction each begins.

    Where digits stand alone, "7" stands for the middle of 0.70 to 0.79; where they come in groups (Llama 3), "73" is
    0.73 and "7" alone is 0.7: a token's value is the mean of the two-digit fractions that are written with it first, or
    what it spells if there are none. Raises InputError where digits share tokens with other text.
    """

    def __init__(self, tokenizer, device: torch.device | str = "cpu"):
        opening = tokenizer.encode(PREDICTION_OPENING, add_special_tokens=False)
        begun = defaultdict(list)
        for number in range(100):
            ids = tokenizer.encode(f"{PREDICTION_OPENING}{number:02d}", add_special_tokens=False)
            if ids[: len(opening)] != opening or not DIGITS.fullmatch(tokenizer.decode(ids[len(opening) :][:1])):
                raise InputError("this model's tokenizer joins digits with other text, so its numbers cannot be read")
            begun[ids[len(opening)]].append(number)
        values = {}
        for token, index in sorted(tokenizer.get_vocab().items()):  # its own order is another in every process
            if DIGITS.fullmatch(token):
                numbers = begun[index] or [100 * int(token) / 10 ** len(token)]
                values[index] = sum(numbers) / len(numbers) / 100
        self.ids = torch.tensor(list(values), device=device)
        self.values = torch.tensor(list(values.values()), device=device)

    def expected(self, logits: torch.Tensor) -> torch.Tensor:
        """Expected fraction in [0, 1]; logits (..., vocabulary) at the first digit -> (...)."""
        return (logits[..., self.ids].float().softmax(-1) * self.values).sum(-1)
