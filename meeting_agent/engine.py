"""The inference engine: one model in memory, one batch of conversations at a time.

It knows text and tokens, nothing about conferences or agents. Numbers are read by regression-aware inference (RAIL,
Lukasik et al., 2024): where the model is about to write the first digit after `{"probability": 0.`, the value is the
expectation over its own digit distribution, and those digits are what it is made to write. Every number is therefore
valid, whatever the sampling temperature.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from torch.nn.utils.rnn import pad_sequence
from torch.utils.hooks import RemovableHandle

from meeting_agent.bases import ADAPTER_SETTINGS, base_of_adapter, base_place, looks_local
from meeting_agent.cache import Memories, Memory, growing_cache, recall, remember
from meeting_agent.chat_format import prepare, turn_end
from meeting_agent.files import ADAPTER_WEIGHTS, InputError
from meeting_agent.hardware import answering_dtype
from meeting_agent.prompts import PREDICTION_OPENING
from meeting_agent.rail import HIGHEST, LOWEST, DigitReader

# An index: of the number 1 Transformers makes a slice, for each row of which a bfloat16 product copies the vocabulary.
LAST = torch.tensor([-1])


@dataclass
class Request:
    """One text to continue. `temperature` 0 is greedy; `seed` makes sampling repeatable.

    `read_fractions` turns RAIL on. `given` are values that only have to be copied: where the text ends with `"name": "`
    for one of its names, the value is written out, as digits are. Requests of one `session` are turns of one
    conversation: what an earlier turn has read is not read again.
    """

    prompt: str
    max_new_tokens: int = 160
    temperature: float = 0.0
    seed: int = 0
    read_fractions: bool = True
    given: Mapping[str, str] = field(default_factory=dict)
    session: str | None = None


@dataclass
class Completion:
    """What the model wrote (without its end token), and how many tokens it read and wrote."""

    text: str
    prompt_tokens: int
    completion_tokens: int


def load_tokenizer(path: str):
    """The tokenizer at `path` (a folder or a hub name), with a chat format that agents can use."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(base_place(path), trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise InputError(f"tokenizer of {path!r} cannot be loaded: {str(error).splitlines()[0]}") from None
    prepare(tokenizer)
    return tokenizer


def end_ids(model, tokenizer) -> set[int]:
    """The tokens that end the model's turn: its own, and that of the chat template."""
    ends = model.generation_config.eos_token_id
    turn = tokenizer.convert_tokens_to_ids(turn_end(tokenizer))
    return {tokenizer.eos_token_id, turn, *(ends if isinstance(ends, list) else [ends])} - {None}


def attends_to_all(model) -> bool:
    """Whether every layer sees all tokens so far: none through a sliding window or a state."""
    kinds = getattr(model.config, "layer_types", None) or ["full_attention"]
    return set(kinds) == {"full_attention"}


def load_model(path: str, dtype: torch.dtype = torch.float32, **options):
    """The causal LM at `path` (a folder or a hub name), on the GPU if there is one."""
    from transformers import AutoModelForCausalLM

    try:
        model = AutoModelForCausalLM.from_pretrained(
            base_place(path), dtype=dtype, trust_remote_code=False, use_safetensors=True, **options
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"base model {path!r} cannot be loaded: {str(error).splitlines()[0]}") from None
    model = cast(Any, model)
    for layer in model.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):  # bitsandbytes packs such layers to answer, not to train on
            layer.support_avx512bf16_for_cpu = False
    return model.to("cuda") if torch.cuda.is_available() and not options else model


def with_adapter(model, adapter: str, trainable: bool = False):
    """`model` with the LoRA adapter in the folder `adapter`; raises InputError if that does not fit or is broken."""
    from peft import PeftModel

    if not (Path(adapter) / ADAPTER_WEIGHTS).exists():
        raise InputError(f"{adapter} holds no {ADAPTER_WEIGHTS}: run starter_sft.py first")
    try:
        return PeftModel.from_pretrained(model, adapter, is_trainable=trainable)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{adapter} is broken ({str(error).splitlines()[0]}): run starter_sft.py again") from None
    except RuntimeError as error:  # weights of other shapes
        wrong = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise InputError(f"{adapter} does not fit its base model ({wrong}): run starter_sft.py again") from None


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

    It then computes in bfloat16 where the machine does, unless `fp32`.
    """

    def __init__(self, base: str, adapter: str | None = None, batch_size: int = 128, fp32: bool = False):
        model = load_model(base)
        if adapter is not None:
            model = with_adapter(model, adapter).merge_and_unload()
        self.use(model.to(answering_dtype(fp32)).eval(), load_tokenizer(base), batch_size)

    @classmethod
    def around(cls, model, tokenizer, batch_size: int = 128) -> Engine:
        """An engine over a model that is already in memory."""
        engine = cls.__new__(cls)
        engine.use(model, tokenizer, batch_size)
        return engine

    def use(self, model, tokenizer, batch_size: int) -> None:
        self.model, self.tokenizer, self.batch_size = model, tokenizer, batch_size
        self.device = next(model.parameters()).device
        self.reader = DigitReader(tokenizer, self.device)
        vocabulary = tokenizer.get_vocab().items()
        self.with_dot = {index for token, index in vocabulary if "." in token}
        self.with_quote = {index for token, index in vocabulary if token.endswith('"')}
        self.memories = Memories(2 * batch_size)
        # A sliding window counts slots, so padding between old and new tokens would shift it.
        self.reuses = attends_to_all(model)
        self.end_ids = end_ids(model, tokenizer)

    @torch.inference_mode()
    def fractions(self, prompts: list[str]) -> list[float]:
        """The number that each prompt, ending right before its first digit, would continue with."""
        if not prompts:
            return []
        encoded = self.tokenizer(prompts, add_special_tokens=False)["input_ids"]
        order = sorted(range(len(prompts)), key=lambda i: len(encoded[i]))
        answers = [0.0] * len(prompts)
        # More at once outgrow the caches of a CPU and take 1.4 times as long.
        size = max(1, self.batch_size // 2)
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            # No mask: padding is on the right, where causal attention does not reach it.
            ids = pad_sequence([torch.tensor(encoded[i]) for i in chosen], True, self.tokenizer.pad_token_id)
            with self._only_at([len(encoded[i]) - 1 for i in chosen]):
                values = self.reader.expected(self.model(input_ids=ids.to(self.device), use_cache=False).logits)
            for i, value in zip(chosen, values.clamp(LOWEST, HIGHEST).tolist(), strict=True):
                answers[i] = value
        return answers

    def _only_at(self, last: list[int]) -> RemovableHandle:
        """Until closed, logits are (rows, vocabulary), each row's at its own position: the vocabulary is large."""

        def select(_: Any, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
            return (inputs[0][torch.arange(len(last)), torch.tensor(last)],)

        return self.model.get_output_embeddings().register_forward_pre_hook(select)

    def generate(self, requests: list[Request]) -> list[Completion]:
        """Continues every request, in batches of similar length."""
        order = sorted(range(len(requests)), key=lambda i: len(requests[i].prompt))
        answers: dict[int, Completion] = {}
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            answers |= dict(zip(chosen, self._generate_batch([requests[i] for i in chosen]), strict=True))
        return [answers[i] for i in range(len(requests))]

    @torch.inference_mode()
    def _generate_batch(self, requests: list[Request]) -> list[Completion]:
        prompts = [self.tokenizer.encode(r.prompt, add_special_tokens=False) for r in requests]
        self._read_repeated_prompts(requests, prompts)
        memories = [self._memory_of(r) for r in requests]
        shared = [m.shared_with(p) if m else 0 for m, p in zip(memories, prompts, strict=True)]
        cache = recall(memories, shared)
        ids, mask, position = self._pad_new_tokens(prompts, shared)
        rows = [_Row(r, p) for r, p in zip(requests, prompts, strict=True)]
        live = list(rows)
        while True:
            out = self.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=position,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=LAST,
            )
            chosen = self._next_tokens(live, out.logits[:, -1])
            for i, (row, token) in enumerate(zip(live, chosen, strict=True)):
                if not row.done and row.take(token, self.end_ids) and self.reuses and row.request.session:
                    read = row.prompt + row.tokens[: int(mask[i].sum()) - len(row.prompt)]
                    self.memories.put(row.request.session, remember(cache, i, mask[i], read))
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
        texts = self.tokenizer.batch_decode([row.tokens for row in rows], skip_special_tokens=False)
        return [Completion(text, len(row.prompt), len(row.tokens)) for text, row in zip(texts, rows, strict=True)]

    def _memory_of(self, request: Request) -> Memory | None:
        if not self.reuses or request.session is None:
            return None
        return self.memories.get(request.session) or self.memories.get(request.prompt)

    def _read_repeated_prompts(self, requests: list[Request], prompts: list[list[int]]) -> None:
        """Reads prompts that several new conversations open with once for all of them."""
        opening = Counter(r.prompt for r in requests if r.session and self._memory_of(r) is None)
        repeated = {r.prompt: p for r, p in zip(requests, prompts, strict=True) if opening[r.prompt] > 1}
        if not self.reuses or not repeated:
            return
        cache = growing_cache()
        ids, mask, position = self._pad_new_tokens(list(repeated.values()), [0] * len(repeated))
        self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=LAST,
        )
        for i, (prompt, tokens) in enumerate(repeated.items()):
            self.memories.put(prompt, remember(cache, i, mask[i], tokens))

    def _pad_new_tokens(
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
            elif not row.done and (value := self._given_value(row)):
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

    def _given_value(self, row: _Row) -> str | None:
        if not row.request.given or row.last_token not in self.with_quote:
            return None
        tail = self._tail(row)
        return next((value for name, value in row.request.given.items() if tail.endswith(f'"{name}": "')), None)

    def _tail(self, row: _Row) -> str:
        return self.tokenizer.decode((row.prompt[-24:] + row.tokens)[-24:])

    def _digits(self, value: float) -> list[int]:
        return self.tokenizer.encode(f"{value:.2f}"[2:], add_special_tokens=False)


class _Row:
    """One conversation inside a batch."""

    def __init__(self, request: Request, prompt: list[int]):
        self.request, self.prompt = request, prompt
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
            self.done = len(self.tokens) >= self.request.max_new_tokens
        return self.done
