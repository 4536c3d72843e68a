"""TRL's `DPOTrainer` with prefix sharing (Wang and Hegde, 2024): the common prefix of a pair is read once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import torch
from trl import DPOTrainer
from trl.trainer.utils import FusedCausalLMOutput

from meeting_agent.inference.loading import attends_to_all
from meeting_agent.inference.self_check import close
from meeting_agent.training.rows import IGNORED


class SharedPrefixDPOTrainer(DPOTrainer):
    """Reads one pair at a time, without padding. Loss and gradients equal those of TRL's padded batch.

    TRL's padded batch is used on a GPU, which needs many rows at once, and for models with other layers than full
    attention. Each way is first checked on a small pair against the log-probabilities of a plain forward pass. If both
    fail, rows are read one by one.
    """

    def _compute_loss(self, model, inputs, return_outputs):
        return super()._compute_loss(self._reader(model), inputs, return_outputs)

    def compute_ref_log_probs(self, model, inputs):
        return super().compute_ref_log_probs(self._reader(model), inputs)

    def _reader(self, model) -> Any:
        if self._way is None:
            return model
        return partial(self._way, model)

    @cached_property
    def _way(self) -> Callable[..., Any] | None:
        """The function that reads rows. None means TRL's own way."""
        by_pair = self.accelerator.device.type == "cpu" and attends_to_all(self.model)
        if by_pair and agrees(self.model, forward_by_pair):
            return forward_by_pair
        return None if agrees(self.model, forward_as_trl) else forward_by_row


def agrees(model, way: Callable[..., Any]) -> bool:
    """Whether a way of reading gives the same log-probabilities as a plain forward pass."""
    device = next(model.parameters()).device
    chosen, rejected = list(range(1, 25)), [*range(1, 9), *range(30, 42)]
    ids = torch.tensor([chosen, rejected + [0] * 4], device=device)
    mask = torch.tensor([[1] * 24, [1] * 20 + [0] * 4], device=device)
    labels = ids.where((mask == 1) & (torch.arange(24, device=device) > 2), IGNORED)
    counts = labels[:, 1:] != IGNORED
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            found, expected = (read(model, ids, mask, labels).log_probs[counts] for read in (way, forward_by_row))
    except Exception:  # whatever the model raises, this way does not work for it
        return False
    finally:
        model.train(training)
    return close(found, expected)


def forward_as_trl(model, input_ids, attention_mask, labels) -> Any:
    return model(input_ids=input_ids, attention_mask=attention_mask, labels=labels, fused_lm_head=True)


def forward_by_row(model, input_ids, attention_mask, labels, **_) -> Any:
    """The outputs of TRL's fused head for rows (rows, tokens), from a plain forward pass of each row."""
    rows = []
    for ids, length, after in zip(input_ids, attention_mask.sum(1).tolist(), labels[:, 1:], strict=True):
        logits = model(input_ids=ids[None, :length], use_cache=False).logits[0]
        at = (after != IGNORED).nonzero().squeeze(1)
        found = _said(logits[at].float(), after[at])
        rows.append({name: value.new_zeros(len(after)).scatter(0, at, value) for name, value in found.items()})
    return FusedCausalLMOutput(loss=None, **{name: torch.stack([row[name] for row in rows]) for name in rows[0]})


def _said(logits: torch.Tensor, following: torch.Tensor) -> dict[str, torch.Tensor]:
    """The fields of TRL's output for logits (positions, vocabulary) and the tokens (positions,) that follow."""
    log_probabilities = logits.log_softmax(-1)
    found = {"log_probs": log_probabilities.gather(1, following[:, None]).squeeze(1)}
    with torch.no_grad():
        found["entropy"] = -(log_probabilities.exp() * log_probabilities).sum(-1)
        found["mean_logits"] = logits.mean(-1)
        found["is_top1"] = logits.argmax(-1) == following
    return found


def forward_by_pair(model, input_ids, attention_mask, labels, **_) -> FusedCausalLMOutput:
    """The outputs of TRL's fused head for rows (2 x pairs, tokens): first all chosen rollouts, then all rejected ones.

    Each field has shape (2 x pairs, tokens - 1) and is 0 where there is no label.
    """
    lengths = attention_mask.sum(1).tolist()
    pairs = len(lengths) // 2
    both = [
        _pair_outputs(model, *((input_ids[i, : lengths[i]], labels[i, 1:]) for i in (chosen, chosen + pairs)))
        for chosen in range(pairs)
    ]
    sides = [side for group in zip(*both, strict=True) for side in group]
    return FusedCausalLMOutput(loss=None, **{name: torch.stack([s[name] for s in sides]) for name in sides[0]})


def _pair_outputs(model, chosen, rejected) -> list[dict[str, torch.Tensor]]:
    """The fields of both rollouts of a pair. A rollout is its ids (length,) and the labels (tokens - 1,) after them."""
    (first, after_first), (second, after_second) = chosen, rejected
    least = min(len(first), len(second))
    # The last common token is read for both rollouts, because different tokens follow it.
    shared = max(0, int((first[:least] == second[:least]).cumprod(0).sum()) - 1)
    row = torch.cat([first, second[shared:]])
    sees = torch.ones(len(row), len(row), dtype=torch.bool).tril()
    sees[len(first) :, shared : len(first)] = False
    at = [(after != IGNORED).nonzero().squeeze(1) for after in (after_first, after_second)]
    in_row = torch.cat([at[0], torch.where(at[1] < shared, at[1], at[1] + len(first) - shared)])
    places, which = in_row.unique(return_inverse=True)
    following = torch.empty_like(places).scatter(0, which, torch.cat([after_first[at[0]], after_second[at[1]]]))
    logits = (
        model(
            input_ids=row[None],
            attention_mask=sees[None, None],
            position_ids=torch.cat([torch.arange(len(first)), torch.arange(shared, len(second))])[None],
            use_cache=False,
            logits_to_keep=places,
        )
        .logits[0]
        .float()
    )
    found = _said(logits, following)
    return [
        {name: value.new_zeros(len(after_first)).scatter(0, there, value[index]) for name, value in found.items()}
        for there, index in zip(at, which.split([len(there) for there in at]), strict=True)
    ]
