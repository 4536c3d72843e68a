"""Builds `models/base`: tokenizer, pre-training with checkpoints, model card.

    python -m meeting_agent.base.build                         # start or continue, on CPU or GPU
    python -m meeting_agent.base.build --million_tokens 0      # only export the latest checkpoint

Cross-entropy on the model's own turns plus, at every number it writes, the squared error of the expected first digit:
regression-aware training (RAFT, Lukasik et al., ICLR 2025). Hidden matrices learn with Muon (Jordan et al., 2024),
embeddings and norms with AdamW. Documents are packed into rows behind a block-diagonal mask. Step i always sees the
same batch, so an interrupted run resumes where it stopped.
"""

from __future__ import annotations

import json
import math
import os
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, PreTrainedTokenizerFast

from meeting_agent.base.corpus import dialogue_share, sample_short
from meeting_agent.base.dialogues import dialogue_chat
from meeting_agent.base.muon import Muon
from meeting_agent.base.tokenizer import train_tokenizer
from meeting_agent.common.hardware import trains_in_bfloat16
from meeting_agent.common.machine import machine
from meeting_agent.common.outputs import Output
from meeting_agent.common.settings import output_path, parse_settings, run_script, setting
from meeting_agent.world.tools import tool_schemas

ROWS, ROW_TOKENS = 4, 512  # of a step; the longest dialogue fits into a row
MISSES = 16  # documents that fit nowhere before a batch counts as full
DIGIT_WEIGHT = 20.0


@dataclass
class BuildConfig:
    """Settings of the build."""

    million_tokens: float = setting(13.0, "tokens to train on, in millions; 0 exports what there is", 0.0, 1e6)
    output: str = output_path("models/base", "where the base model goes")
    work: str = output_path("build", "folder of checkpoint and log (not committed)")
    held_out_chats: int = setting(200, "chats of each skill for the scores on the card", 1, 1_000_000)


def new_model(vocabulary: int) -> Any:
    config = Gemma3TextConfig(
        vocab_size=vocabulary,
        hidden_size=192,
        num_hidden_layers=6,
        intermediate_size=512,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=48,
        query_pre_attn_scalar=48,
        sliding_window=2048,
        max_position_embeddings=2048,
        layer_types=["full_attention"] * 6,
        # Gemma 3's own one million is for contexts of 32,000 tokens; ours are below one thousand.
        rope_parameters={"full_attention": {"rope_type": "default", "rope_theta": 10_000.0}},
        pad_token_id=0,
        eos_token_id=5,
        bos_token_id=2,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    return Gemma3ForCausalLM(config)


class Encoder:
    """Turns chats into token ids, loss weights and number targets."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        self.tokenizer: Any = tokenizer
        self.tools = tool_schemas()
        vocabulary = tokenizer.get_vocab()
        self.digits = [vocabulary[str(d)] for d in range(10)]
        self.digit_of = {token: d for d, token in enumerate(self.digits)}
        self.point = vocabulary["."]
        pieces = {index: tokenizer.decode([index]) for index in range(len(vocabulary))}
        self.is_about = {index for index, piece in pieces.items() if piece.rstrip().endswith("about")}
        self.is_space = {index for index, piece in pieces.items() if piece.isspace()}

    def encode(self, chat: list[dict]) -> tuple[list[int], list[int], list[float]]:
        """Token ids, 1 where the model wrote the token, and the number in [0, 1] that begins there (-1 elsewhere)."""
        tools = self.tools if chat[0]["role"] == "system" else None
        out = self.tokenizer.apply_chat_template(chat, tools=tools, return_dict=True, return_assistant_tokens_mask=True)
        ids: list[int] = out["input_ids"]
        own: list[int] = out["assistant_masks"]
        return ids, own, [self.number_at(ids, i) if own[i] else -1.0 for i in range(len(ids))]

    def number_at(self, ids: list[int], i: int) -> float:
        """The number in [0, 1] whose first free digit stands at `i`: of "0.73" the 7, of the ratings 7.1 and "about 7"
        the 7. -1 if none begins there."""
        first = self.digit_of.get(ids[i])
        if first is None or not 2 <= i < len(ids) - 2:
            return -1.0
        after, second = ids[i + 1], self.digit_of.get(ids[i + 2])
        if ids[i - 1] == self.point and ids[i - 2] == self.digits[0] and after in self.digit_of:
            return (10 * first + self.digit_of[after]) / 100
        before = ids[i - 1] if ids[i - 1] not in self.is_space else ids[i - 2]
        if before in self.is_about:
            return first / 10 + 0.045
        is_rating = after == self.point and second is not None and ids[i - 1] not in (self.point, *self.digits)
        if is_rating and (i + 3 >= len(ids) or ids[i + 3] not in self.digit_of):
            return (10 * first + second) / 100
        return -1.0


def pack_step(encoder: Encoder, step: int, progress: float) -> dict[str, torch.Tensor]:
    """The batch of one step: documents packed first-fit into rows, with targets aligned to predictions."""
    rng = random.Random(f"batch-{step}")
    filled: list[list] = []
    for _ in range(ROWS):  # a row starts with a dialogue or without; short documents fill what is left
        filled.append([encoder.encode(dialogue_chat(rng))] if rng.random() < dialogue_share(progress) else [])
    used = [sum(len(document[0]) for document in row) for row in filled]
    misses = 0
    while misses < MISSES:
        document = encoder.encode(sample_short(rng, progress))
        row = next((r for r in range(ROWS) if used[r] + len(document[0]) <= ROW_TOKENS), None)
        if row is None:
            misses += 1
            continue
        filled[row].append(document)
        used[row] += len(document[0])
    shape = (ROWS, ROW_TOKENS)
    batch = {
        "ids": torch.zeros(shape, dtype=torch.long),
        "position": torch.zeros(shape, dtype=torch.long),
        "document": torch.zeros(shape, dtype=torch.long),
        "own": torch.zeros(shape, dtype=torch.bool),
        "value": torch.full(shape, -1.0),
    }
    for r, documents in enumerate(filled):
        at = 0
        for number, (ids, own, values) in enumerate(documents, start=1):
            span = slice(at, at + len(ids))
            batch["ids"][r, span] = torch.tensor(ids)
            batch["position"][r, span] = torch.arange(len(ids))
            batch["document"][r, span] = number
            # The prediction at t is scored against the token at t + 1 of the same document.
            batch["own"][r, at : at + len(ids) - 1] = torch.tensor(own[1:], dtype=torch.bool)
            batch["value"][r, at : at + len(ids) - 1] = torch.tensor(values[1:])
            at += len(ids)
    return batch


def losses(body, head, batch: dict[str, torch.Tensor], digits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy of what the model writes, and the mean squared error of the expected first digit."""
    document = batch["document"]
    causal = torch.ones(ROW_TOKENS, ROW_TOKENS, dtype=torch.bool, device=document.device).tril()
    mask = ((document[:, :, None] == document[:, None, :]) & causal)[:, None]
    own = batch["own"]
    with torch.autocast(document.device.type, torch.bfloat16, enabled=in_bfloat16()):
        hidden = body(
            input_ids=batch["ids"],
            attention_mask={"full_attention": mask},
            position_ids=batch["position"],
            use_cache=False,
        ).last_hidden_state
        logits = head(hidden[own]).float()
    cross_entropy = torch.nn.functional.cross_entropy(logits, batch["ids"].roll(-1, dims=1)[own])
    values = batch["value"][own]
    marked = values >= 0
    steps = torch.arange(10, device=logits.device) / 10 + 0.045
    expected = (logits[marked][:, digits].softmax(-1) * steps).sum(-1)
    return cross_entropy, ((expected - values[marked]) ** 2).mean()


def in_bfloat16() -> bool:
    """Whether matrix products are faster in bfloat16; weights and optimizer stay in float32."""
    return trains_in_bfloat16(False, False, False, pays_on_cpu=True)


def schedule(progress: float) -> float:
    """Short warm-up, constant, then linear decay over the last 40%."""
    return min(1.0, progress / 0.01 + 0.02, max(0.02, (1.0 - progress) / 0.4))


def train(model, encoder: Encoder, checkpoint: Path, tokens: int, log_path: Path, device: str) -> dict:
    """Trains until `tokens` have been seen, and says how far it got and how long it took."""
    state: dict[str, Any] = {"step": 0, "tokens": 0, "seconds": 0.0}
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    muon = Muon(matrices, lr=0.02)
    adamw = torch.optim.AdamW(others, lr=3e-3, betas=(0.9, 0.95), weight_decay=0.0)
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        muon.load_state_dict(saved["muon"])
        adamw.load_state_dict(saved["adamw"])
        state = saved["state"]
    body = torch.compile(model.model, dynamic=False)
    digits = torch.tensor(encoder.digits, device=device)
    started, seconds_before, last_save = None, state["seconds"], time.monotonic()
    while state["tokens"] < tokens:
        progress = state["tokens"] / tokens
        batch = {k: v.to(device) for k, v in pack_step(encoder, state["step"], progress).items()}
        cross_entropy, squared = losses(body, model.lm_head, batch, digits)
        (cross_entropy + DIGIT_WEIGHT * squared).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, rate in ((muon, 0.02), (adamw, 3e-3)):
            for group in optimizer.param_groups:
                group["lr"] = rate * schedule(progress)
            optimizer.step()
            optimizer.zero_grad()
        if started is None:  # the first compilation is not training time
            started = time.monotonic()
        state["step"] += 1
        state["tokens"] += int((batch["document"] > 0).sum())
        state["seconds"] = seconds_before + time.monotonic() - started
        if state["step"] % 20 == 0:
            row = state | {"cross_entropy": round(cross_entropy.item(), 4), "rmse": round(math.sqrt(squared.item()), 4)}
            with log_path.open("a") as log:
                log.write(json.dumps(row) + "\n")
        if time.monotonic() - last_save > 240:
            save(checkpoint, model, muon, adamw, state)
            last_save = time.monotonic()
    save(checkpoint, model, muon, adamw, state)
    return state


def save(checkpoint: Path, model, muon, adamw, state: dict) -> None:
    partial = checkpoint.with_suffix(".partial")
    torch.save(
        {"model": model.state_dict(), "muon": muon.state_dict(), "adamw": adamw.state_dict(), "state": state}, partial
    )
    os.replace(partial, checkpoint)


def main() -> None:
    config = parse_settings(BuildConfig, __doc__.splitlines()[0])
    output = Output("--output", config.output, "a base model", is_folder=True)
    output.check()
    work = Path(config.work)
    work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(os.cpu_count() or 1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = train_tokenizer()
    model = new_model(len(tokenizer)).to(device)
    encoder = Encoder(tokenizer)
    tokens = int(config.million_tokens * 1e6)
    state = train(model, encoder, work / "checkpoint.pt", tokens, work / "log.jsonl", device)
    with output.writing() as folder:
        export(model, encoder, state, folder, device, config.held_out_chats)


def export(model, encoder: Encoder, state: dict, output: Path, device: str, held_out_chats: int) -> None:
    from meeting_agent.base.card import comprehension_scores, write_card

    model.eval()
    model.generation_config.eos_token_id = encoder.tokenizer.eos_token_id
    model.generation_config.pad_token_id = encoder.tokenizer.pad_token_id
    model.save_pretrained(output)
    encoder.tokenizer.save_pretrained(output)
    scores = comprehension_scores(model, encoder, device, held_out_chats)
    parameters = sum(p.numel() for p in model.parameters())
    write_card(output, parameters, state, machine(), scores, held_out_chats)


if __name__ == "__main__":
    run_script(main)
