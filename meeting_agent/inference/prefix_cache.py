"""The prefix cache: keys and values kept between the turns of a conversation, so that a turn reads only new tokens."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

ROOM = 64  # slots that a layer grows by; growing by one slot would copy the whole layer at every token


class GrowingLayer(DynamicLayer):
    """A cache layer that appends in place."""

    room: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(self, key_states, value_states, *args, **kwargs):
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if self.room is None or self.room[0].shape[-2] < end:
            shape = (*key_states.shape[:2], end + ROOM)
            grown = tuple(x.new_empty(*shape, x.shape[-1]) for x in (key_states, value_states))
            if start:
                grown[0][..., :start, :], grown[1][..., :start, :] = self.keys, self.values
            self.room = (grown[0], grown[1])
        self.room[0][..., start:end, :], self.room[1][..., start:end, :] = key_states, value_states
        self.keys, self.values = self.room[0][..., :end, :], self.room[1][..., :end, :]
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        super().batch_select_indices(indices)
        self.room = None


def growing_cache() -> Cache:
    return Cache(layer_class_to_replicate=GrowingLayer)


@dataclass
class CachedPrefix:
    """What a model has read of one conversation."""

    tokens: list[int]  # token ids
    layers: list[tuple[torch.Tensor, torch.Tensor]]  # (keys, values) per layer, each (heads, tokens, size)

    def shared_with(self, tokens: list[int]) -> int:
        """The number of leading tokens that need not be read again. The last token is always read for its logits."""
        limit = min(len(self.tokens), len(tokens) - 1)
        return next((i for i in range(limit) if self.tokens[i] != tokens[i]), limit)


class PrefixCache:
    """The `capacity` most recently used prefixes, by session or by prompt."""

    def __init__(self, capacity: int):
        self.capacity = capacity
        self._kept: OrderedDict[str, CachedPrefix] = OrderedDict()

    def get(self, key: str) -> CachedPrefix | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: str, prefix: CachedPrefix) -> None:
        self._kept[key] = prefix
        self._kept.move_to_end(key)
        while len(self._kept) > self.capacity:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        self._kept.clear()


def batch_cache(prefixes: list[CachedPrefix | None], shared: list[int]) -> Cache:
    """A batch cache that holds the first `shared[i]` tokens of each prefix, aligned to the right."""
    cache = growing_cache()
    longest = max(shared)
    if longest == 0:
        return cache
    example = next(p for p in prefixes if p is not None)
    for layer, (keys, values) in enumerate(example.layers):
        batch = [x.new_zeros(len(prefixes), x.shape[0], longest, x.shape[2]) for x in (keys, values)]
        for row, (prefix, count) in enumerate(zip(prefixes, shared, strict=True)):
            if prefix is not None and count:
                for whole, part in zip(batch, prefix.layers[layer], strict=True):
                    whole[row, :, longest - count :] = part[:, :count]
        cache.update(batch[0], batch[1], layer)
    return cache


def take_prefix(cache: Any, row: int, mask: torch.Tensor, tokens: list[int]) -> CachedPrefix:
    """One row of a batch cache without its padding. `mask` (slots,) marks the slots that hold the row's tokens."""
    slots = mask.nonzero().squeeze(1)
    return CachedPrefix(tokens, [(layer.keys[row][:, slots], layer.values[row][:, slots]) for layer in cache.layers])
