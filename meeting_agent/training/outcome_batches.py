"""Batches of outcome rows, for outcome training and beside DPO."""

from __future__ import annotations

from typing import Any

import torch
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling


class OutcomeCollator(DataCollatorForLanguageModeling):
    """TRL's collator, which also keeps the `target` (rows,) of each row."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        targets = torch.tensor([example["target"] for example in examples], dtype=torch.float32)
        return super().torch_call(examples) | {"target": targets}
