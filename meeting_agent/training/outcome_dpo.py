"""DPO that keeps the closing number calibrated: each step also learns from a few outcomes."""

from __future__ import annotations

import random
from typing import Any, cast

import torch

from meeting_agent.training.outcome_batches import OutcomeCollator
from meeting_agent.training.outcomes import BATCH
from meeting_agent.training.prefix_sharing import SharedPrefixDPOTrainer
from meeting_agent.training.raft import RegressionAwareLoss
from meeting_agent.training.rows import IGNORED


class OutcomeDPOTrainer(SharedPrefixDPOTrainer):
    """Adds `outcome_weight` times the squared error of the closing number on `BATCH` outcome rows to each step's loss.

    The step's number decides which rows, so a resumed run sees the same ones. Batches and processes share the rows of
    a step. Without `outcome_rows`, or with weight 0, this is `SharedPrefixDPOTrainer`.
    """

    def __init__(self, *args, outcome_rows: list[dict], outcome_weight: float, **kwargs):
        super().__init__(*args, **kwargs)
        self.outcome_weight = outcome_weight if outcome_rows else 0.0
        self.outcome_rows = random.Random(self.args.seed).sample(outcome_rows, len(outcome_rows))
        self.place = (-1, 0)  # the step, and the number of its batch
        if self.outcome_weight:
            tokenizer = cast(Any, self.processing_class)
            self.collate_outcomes = OutcomeCollator(pad_token_id=tokenizer.pad_token_id)
            self.losses = RegressionAwareLoss(self.model, tokenizer, self.args.device, after_thoughts=True)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        found = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if not (model.training and self.outcome_weight):
            return found
        squared = self.losses(model, self.outcome_batch()).squared_error
        self._metrics["train"]["outcome_squared_error"].append(squared.item())
        added = self.outcome_weight * squared
        return (found[0] + added, found[1]) if return_outputs else found + added

    def outcome_batch(self) -> dict[str, torch.Tensor]:
        """The next rows of this step, without labels: nothing but the closing number is trained."""
        step = self.state.global_step
        batches, processes = self.args.gradient_accumulation_steps, self.args.world_size
        number = (self.place[1] + 1) % batches if self.place[0] == step else 0
        self.place = (step, number)
        count = max(1, BATCH // (batches * processes))
        first = count * (processes * (batches * step + number) + self.args.process_index)
        rows = [self.outcome_rows[(first + i) % len(self.outcome_rows)] for i in range(count)]
        batch = self.collate_outcomes([row | {"labels": [IGNORED] * len(row["input_ids"])} for row in rows])
        return {name: value.to(self.args.device) for name, value in batch.items()}
