"""TRL's `SFTTrainer` with the regression-aware loss (RAFT, Lukasik et al., ICLR 2025)."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from trl import SFTTrainer

from meeting_agent.common.files import InputError
from meeting_agent.inference.digits import PREDICTION_OPENING, DigitReader
from meeting_agent.inference.prediction import chat_text, read_probability
from meeting_agent.inference.self_check import keeps_positions
from meeting_agent.training.rows import IGNORED

LONGEST_FRACTION = 3  # maximum number of tokens for two digits and the character after them
THOUGHT = "It is high. "  # any text that ends like a thought does: with a space before the answer


class Losses(NamedTuple):
    """The parts of the loss of one batch, each a tensor without dimensions, and the model's outputs."""

    squared_error: torch.Tensor
    cross_entropy: torch.Tensor
    outputs: Any


class RegressionAwareLoss:
    """The squared error of the expected probability, and cross-entropy, from one forward pass.

    The expected probability is read after `{"probability": 0.` (an opening). Rows come in two kinds:
    - Without a target, every opening counts whose first digit has a label. Its target is the number in the labels.
    - With a target, the last opening of the row counts, and its digits need no labels.

    With `after_thoughts`, openings are also found where the tokenizer joins them with the space before them, as in
    `It is high. {"probability": 0.64`. Raises InputError if the tokenizer joins them with the start of a turn.
    """

    def __init__(self, model, tokenizer, device: torch.device | str = "cpu", after_thoughts: bool = False):
        self.tokenizer = tokenizer
        self.reader = DigitReader(tokenizer, device)
        alone = tokenizer.encode(PREDICTION_OPENING, add_special_tokens=False)
        if opening_after(tokenizer, chat_text(tokenizer, "Yes?")) != alone:
            raise InputError("this model's tokenizer joins answers with what stands before, so RAFT cannot find them")
        known = [alone, opening_after(tokenizer, THOUGHT)] if after_thoughts else [alone]
        self.known = [torch.tensor(ids, device=device) for ids in known]
        self.keeps_positions = keeps_positions(model)

    def __call__(self, model, inputs: dict[str, torch.Tensor]) -> Losses:
        """Both losses of a batch: `input_ids` and `labels` (rows, tokens), and `target` (rows,) if rows have targets.

        A loss is 0 if the batch has nothing that it could be computed from. Cross-entropy is 0 in evaluation.
        """
        labels, targets = inputs["labels"], inputs.get("target")
        row, last = self.openings(inputs["input_ids"], labels, targets)
        # Logits are computed only at columns where the next token of some row is needed: the product with the
        # vocabulary matrix is the largest of all.
        needed = (labels[:, 1:] != IGNORED).any(0)
        needed[last] = True
        columns = needed.nonzero().squeeze(1)
        # No mask is needed: padding is on the right, where causal attention does not reach it.
        only = {"logits_to_keep": columns} if self.keeps_positions else {}
        outputs = model(input_ids=inputs["input_ids"], use_cache=False, **only)
        logits = outputs.logits if self.keeps_positions else outputs.logits[:, columns]
        wanted = targets[row] if targets is not None else self.written(labels, row, last)
        errors = self.reader.expected(logits[row, torch.searchsorted(columns, last)]) - wanted
        squared = (errors**2).sum() / max(1, len(errors))  # a batch of rehearsal chats may hold no probability
        following = labels[:, columns + 1]
        written = following != IGNORED
        if not model.training or not written.any():
            return Losses(squared, torch.zeros_like(squared), outputs)
        cross_entropy = torch.nn.functional.cross_entropy(logits[written].float(), following[written])
        return Losses(squared, cross_entropy, outputs)

    def openings(
        self, input_ids: torch.Tensor, labels: torch.Tensor, targets: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The row and the last position of every opening that counts; the first digit comes after it."""
        ends = torch.zeros_like(input_ids, dtype=torch.bool)
        for ids in self.known:
            if (size := len(ids)) < input_ids.shape[1]:
                ends[:, size - 1 :] |= (input_ids.unfold(1, size, 1) == ids).all(-1)
        ends = ends[:, :-1]
        is_last = ends.flip(1).cumsum(1).flip(1) == 1  # counted from the end of a row
        counts = labels[:, 1:] != IGNORED if targets is None else is_last
        row, last = (ends & counts).nonzero(as_tuple=True)
        return row, last

    def written(self, labels: torch.Tensor, row: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        """The numbers in the labels after the openings."""
        after = [labels[r, t + 1 : t + 1 + LONGEST_FRACTION].clamp(min=0) for r, t in zip(row, last, strict=True)]
        texts = [PREDICTION_OPENING + text for text in self.tokenizer.batch_decode(after)]
        return torch.tensor([read_probability(t) for t in texts], device=labels.device)


def opening_after(tokenizer, text: str) -> list[int]:
    """The tokens of an opening that follows `text`. The first one may hold the end of `text` too."""
    whole = tokenizer(text + PREDICTION_OPENING, add_special_tokens=False, return_offsets_mapping=True)
    return [
        index for index, (_, end) in zip(whole["input_ids"], whole["offset_mapping"], strict=True) if end > len(text)
    ]


class RaftTrainer(SFTTrainer):
    """Trains on cross-entropy plus `raft_weight` times the squared error of the expected probability.

    `RegressionAwareLoss` says where the squared error is computed. In evaluation the loss is the squared error alone,
    so `eval_loss` is the mean squared error of the predictions.
    """

    loss_is_scaled_for_ga: Any = False  # the loss is a mean over a micro-batch, so the trainer must divide their sum

    def __init__(self, *args, raft_weight: float, after_thoughts: bool = False, **kwargs):
        super().__init__(*args, **kwargs)
        self.tokenizer = cast(Any, self.processing_class)
        self.raft_weight = raft_weight
        self.losses = RegressionAwareLoss(self.model, self.tokenizer, self.args.device, after_thoughts)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        squared, cross_entropy, outputs = self.losses(model, inputs)
        if not model.training:
            return (squared, outputs) if return_outputs else squared
        # The trainer logs the mean of each list per step: the two parts of the loss.
        self._metrics["train"]["cross_entropy"].append(cross_entropy.item())
        self._metrics["train"]["squared_error"].append(squared.item())
        loss = cross_entropy + self.raft_weight * squared
        return (loss, outputs) if return_outputs else loss
