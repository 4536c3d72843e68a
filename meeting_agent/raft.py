"""TRL's `SFTTrainer` with the regression-aware loss (RAFT, Lukasik et al., ICLR 2025)."""

from __future__ import annotations

from typing import Any, cast

import torch
from trl import SFTTrainer

from meeting_agent.files import InputError
from meeting_agent.prediction import read_probability
from meeting_agent.prompts import PREDICTION_OPENING
from meeting_agent.rail import DigitReader


class RaftTrainer(SFTTrainer):
    """Trains on completion cross-entropy plus `raft_weight` times the squared error of the expected probability.

    In evaluation the loss is that squared error alone, so `eval_loss` is the mean squared error of the predictions.
    Every completion must start with `{"probability": 0.` and digits.
    """

    def __init__(self, *args, raft_weight: float, **kwargs):
        super().__init__(*args, **kwargs)
        self.writer = cast(Any, self.processing_class)
        self.raft_weight = raft_weight
        self.reader = DigitReader(self.writer, self.args.device)
        opening = self.writer.encode(PREDICTION_OPENING, add_special_tokens=False)
        whole = self.writer.encode(PREDICTION_OPENING + "73", add_special_tokens=False)
        if whole[: len(opening)] != opening or whole[len(opening)] not in self.reader.ids:
            raise InputError("this model's tokenizer joins digits with other text, so its numbers cannot be read")
        self.opening_length = len(opening)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs["labels"]
        outputs = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False)
        logits = outputs.logits
        rows = torch.arange(len(labels), device=labels.device)
        # The prediction of the token at position t stands at t - 1.
        at = (labels != -100).int().argmax(1) + self.opening_length - 1
        squared = ((self.reader.expected(logits[rows, at]) - self._targets(labels)) ** 2).mean()
        if not model.training:
            return (squared, outputs) if return_outputs else squared
        cross_entropy = torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=-100
        )
        # The trainer logs what it can average; these are the two parts of the loss, per step.
        self._metrics["train"]["cross_entropy"].append(cross_entropy.item())
        self._metrics["train"]["squared_error"].append(squared.item())
        loss = cross_entropy + self.raft_weight * squared
        return (loss, outputs) if return_outputs else loss

    def _targets(self, labels: torch.Tensor) -> torch.Tensor:
        texts = self.writer.batch_decode([row[row != -100] for row in labels])
        return torch.tensor([read_probability(t) for t in texts], device=labels.device)
