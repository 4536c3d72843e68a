"""Numbers as expectations over a language model's digits.

Reading: regression-aware inference (RAIL, Lukasik et al., 2024). Training: squared error of the same expectation beside
cross-entropy (RAFT, Lukasik et al., ICLR 2025).
"""

from __future__ import annotations

import torch

LOWEST, HIGHEST = 0.01, 0.99


class DigitReader:
    """Knows which tokens of a tokenizer are digits, and what fraction each begins.

    "7" stands for the middle of 0.70 to 0.79; a token "73", where a tokenizer has such, for 0.73.
    """

    def __init__(self, tokenizer, device: torch.device | str = "cpu"):
        values = {}
        for token, index in tokenizer.get_vocab().items():
            if token.isascii() and token.isdigit() and len(token) <= 3:
                values[index] = int(token) / 10 ** len(token) + (0.045 if len(token) == 1 else 0.0)
        self.ids = torch.tensor(list(values), device=device)
        self.values = torch.tensor(list(values.values()), device=device)

    def expected(self, logits: torch.Tensor) -> torch.Tensor:
        """Expected fraction in [0, 1]; logits (..., vocabulary) at the first digit -> (...)."""
        return (logits[..., self.ids].float().softmax(-1) * self.values).sum(-1)
