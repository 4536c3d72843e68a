"""TRL's `SFTTrainer` with the regression-aware loss (RAFT, Lukasik et al., ICLR 2025)."""

from __future__ import annotations

from typing import Any, cast

import torch
from trl import SFTTrainer

from meeting_agent.common.files import InputError
from meeting_agent.inference.digits import PREDICTION_OPENING, DigitReader
from meeting_agent.inference.prediction import chat_text, read_probability
from meeting_agent.inference.self_check import keeps_positions
from meeting_agent.training.rows import IGNORED

LONGEST_FRACTION = 3  # maximum number of tokens for two digits and the character after them


class RaftTrainer(SFTTrainer):
    """Trains on completion cross-entropy plus `raft_weight` times the squared error of the expected probability.

    The squared error is computed wherever the labels hold `{"probability": 0.` and digits. In evaluation the loss is
    the squared error alone, so `eval_loss` is the mean squared error of the predictions.
    """

    loss_is_scaled_for_ga: Any = False  # the loss is a mean over a micro-batch, so the trainer must divide their sum

    def __init__(self, *args, raft_weight: float, **kwargs):
        super().__init__(*args, **kwargs)
        self.tokenizer = cast(Any, self.processing_class)
        self.raft_weight = raft_weight
        self.reader = DigitReader(self.tokenizer, self.args.device)
        asked = chat_text(self.tokenizer, "Yes?")
        opening = self.tokenizer.encode(PREDICTION_OPENING, add_special_tokens=False)
        if self.tokenizer.encode(asked + PREDICTION_OPENING, add_special_tokens=False)[-len(opening) :] != opening:
            raise InputError("this model's tokenizer joins answers with what stands before, so RAFT cannot find them")
        self.opening = torch.tensor(opening, device=self.args.device)
        self.keeps_positions = keeps_positions(self.model)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs["labels"]
        # Logits are computed only at columns where the next token of some row has a label: the product with the
        # vocabulary matrix is the largest of all.
        columns = (labels[:, 1:] != IGNORED).any(0).nonzero().squeeze(1)
        # No mask is needed: padding is on the right, where causal attention does not reach it.
        only = {"logits_to_keep": columns} if self.keeps_positions else {}
        outputs = model(input_ids=inputs["input_ids"], use_cache=False, **only)
        logits = outputs.logits if self.keeps_positions else outputs.logits[:, columns]
        following = labels[:, columns + 1]
        row, last = self._openings(labels)  # an opening's last token is followed by the first digit
        errors = self.reader.expected(logits[row, torch.searchsorted(columns, last)]) - self._targets(labels, row, last)
        squared = (errors**2).sum() / max(1, len(errors))  # a batch of rehearsal chats may hold no probability
        if not model.training:
            return (squared, outputs) if return_outputs else squared
        written = following != IGNORED
        cross_entropy = torch.nn.functional.cross_entropy(logits[written].float(), following[written])
        # The trainer logs the mean of each list per step: the two parts of the loss.
        self._metrics["train"]["cross_entropy"].append(cross_entropy.item())
        self._metrics["train"]["squared_error"].append(squared.item())
        loss = cross_entropy + self.raft_weight * squared
        return (loss, outputs) if return_outputs else loss

    def _openings(self, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The row and the last position of every opening in labels (rows, tokens)."""
        size = len(self.opening)
        found = (labels.unfold(1, size, 1) == self.opening).all(-1)
        row, start = found.nonzero(as_tuple=True)
        return row, start + size - 1

    def _targets(self, labels: torch.Tensor, row: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        after = [labels[r, t + 1 : t + 1 + LONGEST_FRACTION].clamp(min=0) for r, t in zip(row, last, strict=True)]
        texts = [PREDICTION_OPENING + text for text in self.tokenizer.batch_decode(after)]
        return torch.tensor([read_probability(t) for t in texts], device=labels.device)
