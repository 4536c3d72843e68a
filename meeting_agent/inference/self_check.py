"""Checks at loading time that the engine's logits for a base equal those of a plain forward pass.

Model families differ in positions, padding and caches. We do not list families. The check runs a short text and a
second turn, and selects the fastest way of reading whose logits are right.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch

from meeting_agent.common.processes import is_first_process
from meeting_agent.inference.forward import ForwardPasses
from meeting_agent.inference.loading import position_limit
from meeting_agent.inference.prefix_cache import batch_cache, growing_cache, take_prefix

TEXT = (
    "The hall is full, 3 of 12 tables are free. Who meets whom, and when? A founder looks for money; B has 0.75 of it. "
)
SHORT, LONGEST_WINDOW = 48, 256  # tokens of the text; the text is made longer than a sliding window up to this size
# Largest error, as a share of the logits' standard deviation. Rounding gives 0.001 in full precision; a wrong window
# gives 0.1 and more.
TOLERANCE, LOW_PRECISION_TOLERANCE = 0.02, 0.2


class Way(NamedTuple):
    """How an engine reads conversations."""

    reuses: bool  # with a prefix cache
    plain: bool  # with Transformers' own `generate`


def fastest_way(passes: ForwardPasses, probe: list[int], may_reuse: bool) -> Way:
    """The fastest way whose logits for the ids `probe` equal those of a plain forward pass. Prints if it is slow."""
    model_type = passes.model.config.model_type
    if may_reuse and agrees(passes, probe, turns=2):
        return Way(reuses=True, plain=False)
    together = agrees(passes, probe, turns=1)
    if may_reuse and together:
        say(model_type, "the prefix cache cannot be used: each turn reads the whole conversation again")
    if not together:
        say(model_type, "conversations are read with Transformers' own generate in batches of equal length: slower")
    return Way(reuses=False, plain=not together)


@functools.cache  # an engine is loaded several times in a phase
def say(model_type: str, what: str) -> None:
    if is_first_process():
        print(f"Base model of type {model_type}: {what}.", flush=True)


@torch.inference_mode()
def agrees(passes: ForwardPasses, probe: list[int], turns: int) -> bool:
    """Whether padded rows, a next token and (with `turns` 2) a second turn get the logits of a plain forward pass."""
    try:
        return _agrees(passes, probe, turns)
    except Exception:  # whatever the model raises, this way does not work for it
        return False


def _agrees(passes: ForwardPasses, ids: list[int], turns: int) -> bool:
    rows = [ids[:-8], ids[3:-16]]

    def good(logits: torch.Tensor) -> bool:
        return all(close(found, passes.plain_logits(row)) for found, row in zip(logits, rows, strict=True))

    if not good(passes.last_logits(rows)):
        return False
    cache = growing_cache()
    new, mask, position = passes.pad_new_tokens(rows, [0, 0])
    if not good(passes.next_logits(new, mask, position, cache)):
        return False
    rows = [row + ids[-8:-7] for row in rows]
    new = torch.tensor([row[-1:] for row in rows], device=passes.device)
    mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
    if not good(passes.next_logits(new, mask, position[:, -1:] + 1, cache)):
        return False
    if turns == 1:
        return True
    prefixes = [take_prefix(cache, i, mask[i], row) for i, row in enumerate(rows)]
    shared = [len(row) for row in rows]
    rows = [rows[0] + ids[-7:-4], rows[1] + ids[-7:]]
    return good(passes.next_logits(*passes.pad_new_tokens(rows, shared), batch_cache([*prefixes], shared)))


def probe_ids(model, tokenizer) -> list[int]:
    """Token ids of the text: more than a sliding window holds, but not more than the model's positions."""
    config = model.config.get_text_config()
    windows = [getattr(config, name, None) or 0 for name in ("sliding_window", "attention_chunk_size")]
    window = max((w for w in windows if isinstance(w, int) and w <= LONGEST_WINDOW), default=0)
    length = min(max(SHORT, window + 32), position_limit(model) or SHORT + LONGEST_WINDOW)
    ids = tokenizer.encode(TEXT, add_special_tokens=False)
    return (ids * (length // len(ids) + 1))[:length]


@torch.inference_mode()
def keeps_positions(model) -> bool:
    """Whether a model can compute logits at selected positions only, which saves memory with a large vocabulary."""
    ids, at = torch.arange(6, device=next(model.parameters()).device)[None] + 1, torch.tensor([2, 4])
    training = model.training
    model.eval()
    try:
        whole = model(input_ids=ids, use_cache=False).logits[:, at]
        some = model(input_ids=ids, use_cache=False, logits_to_keep=at).logits
    except Exception:  # a family that does not know the argument
        return False
    finally:
        model.train(training)
    return some.shape == whole.shape and close(some, whole)


def close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    exact = expected.dtype in (torch.float32, torch.float64)
    tolerance = TOLERANCE if exact else LOW_PRECISION_TOLERANCE
    return float((found.float() - expected.float()).abs().max()) <= tolerance * float(expected.float().std())
