"""The inference engine: one model in memory, one batch of conversations at a time.

It knows text and tokens, nothing about conferences or agents. Numbers are read by regression-aware inference (RAIL,
Lukasik et al., 2024): where the model is about to write the first digit after `{"probability": 0.`, the value is the
expectation over its own digit distribution, and those digits are what it is made to write. Every number is therefore
valid, whatever the sampling temperature.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.hooks import RemovableHandle

from meeting_agent.common.files import InputError
from meeting_agent.common.hardware import answering_dtype
from meeting_agent.inference.bases import ADAPTER_SETTINGS, base_of_adapter, looks_local
from meeting_agent.inference.digits import HIGHEST, LOWEST, PREDICTION_OPENING, DigitReader
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
from meeting_agent.inference.self_check import choose_way

# An index: of the number 1 Transformers makes a slice, for each row of which a bfloat16 product copies the vocabulary.
LAST = torch.tensor([-1])


@dataclass
class Request:
    """One text to continue. `temperature` 0 is greedy; `seed` makes sampling repeatable.

    `read_fractions` turns RAIL on. `forced_values` are values that the model has no say in: where the text ends with
    `"name": "` for one of their names, the value is written for it. Requests of one `session` are turns of one
    conversation: what an earlier turn has read is not read again.
    """

    prompt: str
    max_new_tokens: int = 160
    temperature: float = 0.0
    seed: int = 0
    read_fractions: bool = True
    forced_values: Mapping[str, str] = field(default_factory=dict)
    session: str | None = None


@dataclass
class Completion:
    """What the model wrote (without its end token), and how many tokens it read and wrote."""

    text: str
    prompt_tokens: int
    completion_tokens: int


def open_engine(model_path: str, base_model_name: str | None = None, fp32: bool = False) -> Engine:
    """An engine for a LoRA adapter (over its own base, or `base_model_name`) or for a whole model."""
    path = Path(model_path)
    if (path / ADAPTER_SETTINGS).exists():
        return Engine(base_model_name or base_of_adapter(path), model_path, fp32=fp32)
    if looks_local(model_path) and not path.exists():
        raise InputError(f"{path} is missing: run starter_sft.py first")
    return Engine(model_path, fp32=fp32)


class Engine:
    """A causal LM with an optional LoRA adapter merged in memory, in full precision (the files stay as they are).

    It then computes in bfloat16 where the machine does, unless `fp32`. Weights in few bits take up no adapter exactly:
    there it stays beside them.

    How a base is read follows from what it can do, tried when it is loaded (`self_check.py`): many conversations
    together, with the keys and values of earlier turns kept (`reuses`); together, each turn anew; or with Transformers'
    own `generate`, on conversations of one length (`plain`).
    """

    def __init__(self, base: str, adapter: str | None = None, batch_size: int = 128, fp32: bool = False):
        model = load_model(base)
        quantized = is_quantized(model)
        if adapter is not None:
            model = with_adapter(model, adapter)
            model = model if quantized else model.merge_and_unload()
        self.use(model.eval(), load_tokenizer(base), batch_size)
        if not quantized:
            self.model = model.to(answering_dtype(fp32))

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
        self.device = next(model.parameters()).device
        self.reader = DigitReader(tokenizer, self.device)
        vocabulary = tokenizer.get_vocab().items()
        self.with_dot = {index for token, index in vocabulary if "." in token}
        self.with_quote = {index for token, index in vocabulary if token.endswith('"')}
        self.prefix_cache = PrefixCache(2 * batch_size)
        self.end_ids = end_ids(model, tokenizer)
        # A sliding window counts slots, so padding between old and new tokens would shift it.
        self.reuses, self.plain = attends_to_all(model), False
        choose_way(self)

    @torch.inference_mode()
    def fractions(self, prompts: list[str]) -> list[float]:
        """The number that each prompt, ending right before its first digit, would continue with."""
        if not prompts:
            return []
        encoded = self.encode(prompts)
        for tokens in encoded:
            if self.positions and len(tokens) > self.positions:
                raise InputError(too_long(len(tokens), self.positions))
        if self.plain:
            return [self._fraction(tokens) for tokens in encoded]
        order = sorted(range(len(prompts)), key=lambda i: len(encoded[i]))
        answers = [0.0] * len(prompts)
        # More at once outgrow the caches of a CPU and take 1.4 times as long.
        size = max(1, self.batch_size // 2)
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            values = self.reader.expected(self.last_logits([encoded[i] for i in chosen]))
            for i, value in zip(chosen, values.clamp(LOWEST, HIGHEST).tolist(), strict=True):
                answers[i] = value
        return answers

    def encode(self, texts: list[str]) -> list[list[int]]:
        """The token ids of each text; raises InputError for a token that the base has no embedding for."""
        encoded = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        check_tokens(encoded, self.model, self.tokenizer)
        return encoded

    def last_logits(self, rows: list[list[int]]) -> torch.Tensor:
        """Logits (rows, vocabulary) after the last token of each row of ids."""
        # No mask: padding is on the right, where causal attention does not reach it.
        ids = pad_sequence([torch.tensor(row) for row in rows], True, self.tokenizer.pad_token_id)
        with self._only_at([len(row) - 1 for row in rows]):
            return self.model(input_ids=ids.to(self.device), use_cache=False).logits

    def _fraction(self, tokens: list[int]) -> float:
        logits = self.model(input_ids=torch.tensor([tokens], device=self.device), use_cache=False).logits[0, -1]
        return float(self.reader.expected(logits).clamp(LOWEST, HIGHEST))

    def _only_at(self, last: list[int]) -> RemovableHandle:
        """Until closed, logits are (rows, vocabulary), each row's at its own position: the vocabulary is large."""

        def select(_: Any, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
            return (inputs[0][torch.arange(len(last)), torch.tensor(last)],)

        return self.model.get_output_embeddings().register_forward_pre_hook(select)

    def generate(self, requests: list[Request]) -> list[Completion]:
        """Continues every request, in batches of similar length.

        A base of few positions stops where they end; a prompt that fills them is not continued at all.
        """
        order = sorted(range(len(requests)), key=lambda i: len(requests[i].prompt))
        answers: dict[int, Completion] = {}
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            rows = [_Row(requests[i], p, self.positions) for i, p in self._encoded(requests, chosen)]
            for batch in self._batches([row for row in rows if row.limit > 0]):
                self._continue(batch)
            texts = self.tokenizer.batch_decode([row.tokens for row in rows], skip_special_tokens=False)
            for i, text, row in zip(chosen, texts, rows, strict=True):
                answers[i] = Completion(text, len(row.prompt), len(row.tokens))
        return [answers[i] for i in range(len(requests))]

    def _encoded(self, requests: list[Request], chosen: list[int]) -> Iterable[tuple[int, list[int]]]:
        return zip(chosen, self.encode([requests[i].prompt for i in chosen]), strict=True)

    def _batches(self, rows: list[_Row]) -> Iterable[list[_Row]]:
        """What can be continued together: all of them, or the plain way those of one length."""
        if not self.plain:
            return [rows] if rows else []
        by_length: dict[int, list[_Row]] = defaultdict(list)
        for row in rows:
            by_length[len(row.prompt)].append(row)
        return by_length.values()

    def _continue(self, rows: list[_Row]) -> None:
        if self.plain:
            self._continue_plainly(rows)
        else:
            self._continue_together(rows)

    @torch.inference_mode()
    def _continue_plainly(self, rows: list[_Row]) -> None:
        """Transformers' own `generate`, made to write the tokens that we choose."""
        from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

        engine, end = self, min(self.end_ids)

        class Chosen(LogitsProcessor):
            def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
                for i, (row, token) in enumerate(zip(rows, engine._next_tokens(rows, scores), strict=True)):
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
    def _continue_together(self, rows: list[_Row]) -> None:
        requests, prompts = [row.request for row in rows], [row.prompt for row in rows]
        self._read_repeated_prompts(requests, prompts)
        prefixes = [self._cached_prefix(r) for r in requests]
        shared = [prefix.shared_with(p) if prefix else 0 for prefix, p in zip(prefixes, prompts, strict=True)]
        cache = batch_cache(prefixes, shared)
        ids, mask, position = self.pad_new_tokens(prompts, shared)
        live = list(rows)
        while True:
            chosen = self._next_tokens(live, self.forward(ids, mask, position, cache))
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
            # Rows that have ended ride along until a quarter of the batch has: shrinking the cache copies it.
            if len(keep) <= 0.75 * len(live):
                chosen_rows = torch.tensor(keep, device=self.device)
                cache.batch_select_indices(chosen_rows)
                mask, position, next_ids = mask[chosen_rows], position[chosen_rows], next_ids[chosen_rows]
                live = [live[i] for i in keep]
            ids = next_ids

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, position: torch.Tensor, cache: Any) -> torch.Tensor:
        """Logits (rows, vocabulary) after the last of the new ids (rows, new); the cache takes up what was read."""
        out = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=LAST,
        )
        return out.logits[:, -1]

    def _cached_prefix(self, request: Request) -> CachedPrefix | None:
        if not self.reuses or request.session is None:
            return None
        return self.prefix_cache.get(request.session) or self.prefix_cache.get(request.prompt)

    def _read_repeated_prompts(self, requests: list[Request], prompts: list[list[int]]) -> None:
        """Reads prompts that several new conversations open with once for all of them."""
        opening = Counter(r.prompt for r in requests if r.session and self._cached_prefix(r) is None)
        repeated = {r.prompt: p for r, p in zip(requests, prompts, strict=True) if opening[r.prompt] > 1}
        if not self.reuses or not repeated:
            return
        cache = growing_cache()
        ids, mask, position = self.pad_new_tokens(list(repeated.values()), [0] * len(repeated))
        self.forward(ids, mask, position, cache)
        for i, (prompt, tokens) in enumerate(repeated.items()):
            self.prefix_cache.put(prompt, take_prefix(cache, i, mask[i], tokens))

    def pad_new_tokens(
        self, prompts: list[list[int]], shared: list[int]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Ids and positions (rows, new) of what is to be read, and the mask (rows, old + new) over what is attended."""
        old = max(shared)
        new = max(len(p) - s for p, s in zip(prompts, shared, strict=True))
        ids = torch.full((len(prompts), new), self.tokenizer.pad_token_id)
        position = torch.zeros((len(prompts), new), dtype=torch.long)
        mask = torch.zeros((len(prompts), old + new), dtype=torch.long)
        for i, (prompt, s) in enumerate(zip(prompts, shared, strict=True)):
            count = len(prompt) - s
            ids[i, new - count :] = torch.tensor(prompt[s:])
            position[i, new - count :] = torch.arange(s, len(prompt))
            mask[i, old - s : old] = 1
            mask[i, old + new - count :] = 1
        return ids.to(self.device), mask.to(self.device), position.to(self.device)

    def _next_tokens(self, live: list[_Row], logits: torch.Tensor) -> list[int]:
        logits = logits.float()
        greedy = logits.argmax(-1).tolist()
        sampled = {}
        hot = [i for i, row in enumerate(live) if row.request.temperature > 0 and not row.done]
        if hot:
            heat = torch.tensor([[live[i].request.temperature] for i in hot], device=self.device)
            total = (logits[hot] / heat).softmax(-1).cumsum(-1)
            draws = torch.tensor([[live[i].draw()] for i in hot], device=self.device) * total[:, -1:]
            sampled = dict(zip(hot, torch.searchsorted(total, draws).squeeze(1).tolist(), strict=True))
        chosen = []
        for i, row in enumerate(live):
            if row.forced:
                chosen.append(row.forced.pop(0))
            elif not row.done and self._at_fraction(row):
                row.forced = self._digits(float(self.reader.expected(logits[i]).clamp(LOWEST, HIGHEST)))
                chosen.append(row.forced.pop(0))
            elif not row.done and (value := self._forced_value(row)):
                row.forced = self.tokenizer.encode(value, add_special_tokens=False)
                chosen.append(row.forced.pop(0))
            else:
                chosen.append(sampled.get(i, greedy[i]))
        return chosen

    def _at_fraction(self, row: _Row) -> bool:
        return (
            row.request.read_fractions
            and row.last_token in self.with_dot
            and self._tail(row).endswith(PREDICTION_OPENING)
        )

    def _forced_value(self, row: _Row) -> str | None:
        if not row.request.forced_values or row.last_token not in self.with_quote:
            return None
        tail = self._tail(row)
        return next((value for name, value in row.request.forced_values.items() if tail.endswith(f'"{name}": "')), None)

    def _tail(self, row: _Row) -> str:
        return self.tokenizer.decode((row.prompt[-24:] + row.tokens)[-24:])

    def _digits(self, value: float) -> list[int]:
        return self.tokenizer.encode(f"{value:.2f}"[2:], add_special_tokens=False)


class _Row:
    """One conversation inside a batch."""

    def __init__(self, request: Request, prompt: list[int], positions: int | None = None):
        self.request, self.prompt = request, prompt
        self.limit = min(request.max_new_tokens, positions - len(prompt) if positions else request.max_new_tokens)
        self.tokens: list[int] = []
        self.forced: list[int] = []
        self.done = False
        self._random = random.Random(request.seed)

    @property
    def last_token(self) -> int | None:
        return self.tokens[-1] if self.tokens else None

    def draw(self) -> float:
        return self._random.random()

    def take(self, token: int, end_ids: set[int]) -> bool:
        """Adds a token; True if it was the last."""
        if token in end_ids:
            self.done = True
        else:
            self.tokens.append(token)
            self.done = len(self.tokens) >= self.limit
        return self.done
