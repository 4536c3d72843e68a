"""Numbers as expectations over a language model's digit distribution.

Inference uses regression-aware inference (RAIL, Lukasik et al., 2024). Training adds the squared error of the same
expectation to cross-entropy (RAFT, Lukasik et al., ICLR 2025).
"""

from __future__ import annotations

import re
from collections import defaultdict

import torch

from meeting_agent.common.files import InputError

# The text before the first digit of a probability. RAIL reads the logits after it.
PREDICTION_OPENING = '{"probability": 0.'
LOWEST, HIGHEST = 0.01, 0.99
DIGITS = re.compile("[0-9]{1,3}")


class DigitReader:
    """Maps the tokens of one to three digits to the fraction that each stands for.

    A token's value is the mean of the two-digit fractions whose text starts with it, or the number it spells if there
    are none. If every digit is a token, "7" has the mean of 0.70 to 0.79. If digits come in groups (Llama 3), "73" is
    0.73 and "7" is 0.7. Raises InputError if digits share tokens with other text.
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
        for token, index in sorted(tokenizer.get_vocab().items()):  # the vocabulary's order differs between processes
            if DIGITS.fullmatch(token):
                numbers = begun[index] or [100 * int(token) / 10 ** len(token)]
                values[index] = sum(numbers) / len(numbers) / 100
        self.ids = torch.tensor(list(values), device=device)
        self.values = torch.tensor(list(values.values()), device=device)

    def expected(self, logits: torch.Tensor) -> torch.Tensor:
        """Expected fractions in [0, 1] of shape (...), from logits (..., vocabulary) at the first digit."""
        return (logits[..., self.ids].float().softmax(-1) * self.values).sum(-1)
