"""Forward passes over batches of conversations: padding, masks, positions, and which logits are computed."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.hooks import RemovableHandle

# Pass an index tensor: for the integer 1 Transformers takes a slice, which makes the bfloat16 product copy the
# vocabulary matrix for every row.
LAST = torch.tensor([-1])


class ForwardPasses:
    """Forward passes of a causal LM over rows of token ids. The rows of a call may have different lengths."""

    def __init__(self, model, pad_token_id: int):
        self.model, self.pad_token_id = model, pad_token_id
        self.device = next(model.parameters()).device

    def plain_logits(self, row: list[int]) -> torch.Tensor:
        """Logits (vocabulary,) after the last id of one row, from the model's plain forward pass."""
        return self.model(input_ids=torch.tensor([row], device=self.device), use_cache=False).logits[0, -1]

    def last_logits(self, rows: list[list[int]]) -> torch.Tensor:
        """Logits (rows, vocabulary) after the last id of each row. Keeps no cache."""
        # No mask is needed: padding is on the right, where causal attention does not reach it.
        ids = pad_sequence([torch.tensor(row) for row in rows], True, self.pad_token_id)
        with self._logits_only_at([len(row) - 1 for row in rows]):
            return self.model(input_ids=ids.to(self.device), use_cache=False).logits

    def _logits_only_at(self, last: list[int]) -> RemovableHandle:
        """A context in which the model computes logits (rows, vocabulary) at position `last[row]` of each row only.

        The vocabulary is large, so logits at all positions would take too much memory.
        """

        def select(_: Any, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
            return (inputs[0][torch.arange(len(last)), torch.tensor(last)],)

        return self.model.get_output_embeddings().register_forward_pre_hook(select)

    def next_logits(self, ids: torch.Tensor, mask: torch.Tensor, position: torch.Tensor, cache: Any) -> torch.Tensor:
        """Logits (rows, vocabulary) after the last of the new ids (rows, new). Adds the new tokens to `cache`.

        `mask` (rows, old + new) marks the attended slots. `position` (rows, new) is each token's position in its row.
        """
        out = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=LAST,
        )
        return out.logits[:, -1]

    def pad_new_tokens(
        self, rows: list[list[int]], cached: list[int]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Ids, mask and position for `next_logits`, for rows whose first `cached[row]` tokens are in the cache."""
        old = max(cached)
        new = max(len(row) - count for row, count in zip(rows, cached, strict=True))
        ids = torch.full((len(rows), new), self.pad_token_id)
        position = torch.zeros((len(rows), new), dtype=torch.long)
        mask = torch.zeros((len(rows), old + new), dtype=torch.long)
        for i, (row, known) in enumerate(zip(rows, cached, strict=True)):
            count = len(row) - known
            ids[i, new - count :] = torch.tensor(row[known:])
            position[i, new - count :] = torch.arange(known, len(row))
            mask[i, old - known : old] = 1
            mask[i, old + new - count :] = 1
        return ids.to(self.device), mask.to(self.device), position.to(self.device)
