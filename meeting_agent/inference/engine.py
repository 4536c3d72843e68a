"""The inference engine: one model in memory, one batch of conversations at a time.

It knows text and tokens. It knows nothing about agents or their task. Numbers are read by regression-aware inference
(RAIL, Lukasik et al., 2024): after `{"probability": 0.` the value is the expectation over the model's own digit
distribution, and the engine forces the digits of that value. So every number is valid at any sampling temperature.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from meeting_agent.common.files import InputError
from meeting_agent.common.hardware import answering_dtype
from meeting_agent.inference.bases import ADAPTER_SETTINGS, base_of_adapter, looks_local
from meeting_agent.inference.decoding import Request, Row, TokenChooser
from meeting_agent.inference.forward import ForwardPasses
from meeting_agent.inference.loading import (
    attends_to_all,
    check_tokens,
    end_ids,
    is_quantized,
    load_model,
    load_tokenizer,
    position_limit,
    too_long,
    use_known_pad,
    with_adapter,
)
from meeting_agent.inference.prefix_cache import CachedPrefix, PrefixCache, batch_cache, growing_cache, take_prefix
from meeting_agent.inference.self_check import fastest_way, probe_ids

__all__ = ["Completion", "Engine", "Request", "open_engine"]


@dataclass
class Completion:
    """The answer to one request."""

    text: str  # what the model wrote, without its end token
    prompt_tokens: int  # length of the prompt
    completion_tokens: int  # length of the text


def open_engine(model_path: str, base_model_name: str | None = None, fp32: bool = False) -> Engine:
    """An engine for a LoRA adapter on its own base (or on `base_model_name`), or for a whole model.

    Raises InputError if the path does not exist.
    """
    path = Path(model_path)
    if (path / ADAPTER_SETTINGS).exists():
        return Engine(base_model_name or base_of_adapter(path), model_path, fp32=fp32)
    if looks_local(model_path) and not path.exists():
        raise InputError(f"{path} is missing: run starter_sft.py first")
    return Engine(model_path, fp32=fp32)


class Engine:
    """A causal LM with an optional LoRA adapter that is merged in memory; the files do not change.

    Merging happens in full precision. The engine then computes in bfloat16 if the machine supports it, unless `fp32` is
    set. Quantized weights cannot hold a merged adapter exactly, so there the adapter stays separate.

    A self-check at loading time (`self_check.py`) selects one of three ways to read conversations: in batches with a
    prefix cache (`reuses`); in batches that read every turn from the start; or with Transformers' own `generate`, in
    batches of equal length (`plain`).
    """

    def __init__(self, base: str, adapter: str | None = None, batch_size: int = 128, fp32: bool = False):
        model = load_model(base)
        quantized = is_quantized(model)
        if adapter is not None:
            model = with_adapter(model, adapter)
            model = model if quantized else model.merge_and_unload()
        self.use(model.eval(), load_tokenizer(base), batch_size)
        if not quantized:
            model.to(answering_dtype(fp32))

    @classmethod
    def around(cls, model, tokenizer, batch_size: int = 128) -> Engine:
        """An engine over a model that is already in memory."""
        engine = cls.__new__(cls)
        engine.use(model, tokenizer, batch_size)
        return engine

    def use(self, model, tokenizer, batch_size: int) -> None:
        self.model, self.tokenizer, self.batch_size = model, tokenizer, batch_size
        use_known_pad(model, tokenizer)
        self.positions = position_limit(model)
        self.passes = ForwardPasses(model, tokenizer.pad_token_id)
        self.device = self.passes.device
        self.chooser = TokenChooser(tokenizer, self.device)
        self.prefix_cache = PrefixCache(2 * batch_size)
        self.end_ids = end_ids(model, tokenizer)
        # A sliding window counts cache slots, so padding between old and new tokens would shift it. Such models get no
        # prefix cache.
        self.reuses, self.plain = fastest_way(self.passes, probe_ids(model, tokenizer), attends_to_all(model))

    @torch.inference_mode()
    def fractions(self, prompts: list[str]) -> list[float]:
        """The number in [0.01, 0.99] that continues each prompt. A prompt must end right before the first digit.

        Raises InputError for a prompt that does not fit into the model's positions.
        """
        if not prompts:
            return []
        encoded = self.encode(prompts)
        for tokens in encoded:
            if self.positions and len(tokens) > self.positions:
                raise InputError(too_long(len(tokens), self.positions))
        if self.plain:
            return [float(self.chooser.expected(self.passes.plain_logits(tokens))) for tokens in encoded]
        order = sorted(range(len(prompts)), key=lambda i: len(encoded[i]))
        answers = [0.0] * len(prompts)
        # Larger batches do not fit into the CPU's caches and take 1.4 times as long.
        size = max(1, self.batch_size // 2)
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            values = self.chooser.expected(self.passes.last_logits([encoded[i] for i in chosen]))
            for i, value in zip(chosen, values.tolist(), strict=True):
                answers[i] = value
        return answers

    def encode(self, texts: list[str]) -> list[list[int]]:
        """The token ids of each text. Raises InputError for a token without an embedding in the base."""
        encoded = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        check_tokens(encoded, self.model, self.tokenizer)
        return encoded

    def generate(self, requests: list[Request]) -> list[Completion]:
        """Continues every request, in batches of similar length. Returns the answers in the order of the requests.

        Generation stops at the model's last position. A prompt that fills all positions gets an empty answer.
        """
        order = sorted(range(len(requests)), key=lambda i: len(requests[i].prompt))
        answers: dict[int, Completion] = {}
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            prompts = self.encode([requests[i].prompt for i in chosen])
            rows = [Row(requests[i], prompt, self.positions) for i, prompt in zip(chosen, prompts, strict=True)]
            for batch in self._batches([row for row in rows if row.limit > 0]):
                if self.plain:
                    self._continue_plainly(batch)
                else:
                    self._continue_together(batch)
            texts = self.tokenizer.batch_decode([row.tokens for row in rows], skip_special_tokens=False)
            for i, text, row in zip(chosen, texts, rows, strict=True):
                answers[i] = Completion(text, len(row.prompt), len(row.tokens))
        return [answers[i] for i in range(len(requests))]

    def _batches(self, rows: list[Row]) -> Iterable[list[Row]]:
        """Splits rows into batches that can run together: one batch, or one per prompt length in the `plain` way."""
        if not self.plain:
            return [rows] if rows else []
        by_length: dict[int, list[Row]] = defaultdict(list)
        for row in rows:
            by_length[len(row.prompt)].append(row)
        return by_length.values()

    @torch.inference_mode()
    def _continue_plainly(self, rows: list[Row]) -> None:
        """Runs Transformers' own `generate` with a logits processor that forces the tokens that we choose."""
        from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

        engine, end = self, min(self.end_ids)

        class Chosen(LogitsProcessor):
            def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
                for i, (row, token) in enumerate(zip(rows, engine.chooser.choose(rows, scores), strict=True)):
                    if not row.done:
                        row.take(token, engine.end_ids)
                    scores[i] = -torch.inf
                    scores[i, end if row.done else token] = 0.0
                return scores

        ids = torch.tensor([row.prompt for row in rows], device=self.device)
        self.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            generation_config=GenerationConfig(
                max_new_tokens=max(row.limit for row in rows),
                do_sample=False,
                eos_token_id=end,
                pad_token_id=self.tokenizer.pad_token_id,
            ),
            logits_processor=LogitsProcessorList([Chosen()]),
        )

    @torch.inference_mode()
    def _continue_together(self, rows: list[Row]) -> None:
        self._read_repeated_prompts(rows)
        prompts = [row.prompt for row in rows]
        prefixes = [self._cached_prefix(row.request) for row in rows]
        shared = [prefix.shared_with(p) if prefix else 0 for prefix, p in zip(prefixes, prompts, strict=True)]
        cache = batch_cache(prefixes, shared)
        ids, mask, position = self.passes.pad_new_tokens(prompts, shared)
        live = list(rows)
        while True:
            chosen = self.chooser.choose(live, self.passes.next_logits(ids, mask, position, cache))
            for i, (row, token) in enumerate(zip(live, chosen, strict=True)):
                if not row.done and row.take(token, self.end_ids) and self.reuses and row.request.session:
                    read = row.prompt + row.tokens[: int(mask[i].sum()) - len(row.prompt)]
                    self.prefix_cache.put(row.request.session, take_prefix(cache, i, mask[i], read))
            if all(row.done for row in live):
                break
            next_ids = torch.tensor([[t] for t in chosen], device=self.device)
            mask = torch.cat([mask, mask.new_ones(len(live), 1)], dim=1)
            position = position[:, -1:] + 1
            keep = [i for i, row in enumerate(live) if not row.done]
            # Shrinking the cache copies it, so finished rows stay until they are a quarter of the batch.
            if len(keep) <= 0.75 * len(live):
                chosen_rows = torch.tensor(keep, device=self.device)
                cache.batch_select_indices(chosen_rows)
                mask, position, next_ids = mask[chosen_rows], position[chosen_rows], next_ids[chosen_rows]
                live = [live[i] for i in keep]
            ids = next_ids

    def _cached_prefix(self, request: Request) -> CachedPrefix | None:
        if not self.reuses or request.session is None:
            return None
        return self.prefix_cache.get(request.session) or self.prefix_cache.get(request.prompt)

    def _read_repeated_prompts(self, rows: list[Row]) -> None:
        """Reads each prompt that opens several new conversations once, and puts it into the prefix cache."""
        requests = [row.request for row in rows]
        opening = Counter(r.prompt for r in requests if r.session and self._cached_prefix(r) is None)
        repeated = {row.request.prompt: row.prompt for row in rows if opening[row.request.prompt] > 1}
        if not self.reuses or not repeated:
            return
        cache = growing_cache()
        ids, mask, position = self.passes.pad_new_tokens(list(repeated.values()), [0] * len(repeated))
        self.passes.next_logits(ids, mask, position, cache)
        for i, (prompt, tokens) in enumerate(repeated.items()):
            self.prefix_cache.put(prompt, take_prefix(cache, i, mask[i], tokens))
