"""A tiny base for the tickets: what a pretrained model with tool calling is to a real task.

It learns the protocol alone, from dialogues in which scores are random: calls, results, and a mean of what was said.
"""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import models, pre_tokenizers, trainers
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, PreTrainedTokenizerFast

from meeting_agent.agent.tool_calls import no_prediction, tool_schemas
from meeting_agent.base.muon import Muon
from meeting_agent.base.tokenizer import SPECIAL_TOKENS, WORDS, byte_level_bpe
from meeting_agent.inference.template import CHAT_TEMPLATE, RESPONSE_TEMPLATE
from meeting_agent.training.rows import IGNORED, dialogue_row
from tests.ticket_triage import TicketTriage, training_texts

VOCABULARY = 500
STEPS, ROWS, RATE = 250, 16, 0.02


def tokenizer_of_tickets() -> PreTrainedTokenizerFast:
    pieces = byte_level_bpe(models.BPE(), WORDS)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    pieces.train_from_iterator(
        training_texts(),
        trainers.BpeTrainer(
            vocab_size=VOCABULARY, special_tokens=SPECIAL_TOKENS, initial_alphabet=alphabet, show_progress=False
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=pieces,
        pad_token="<pad>",
        eos_token="<end_of_turn>",
        bos_token="<bos>",
        unk_token="<unk>",
        additional_special_tokens=SPECIAL_TOKENS[4:],
    )
    tokenizer.chat_template, tokenizer.response_template = CHAT_TEMPLATE, RESPONSE_TEMPLATE
    return tokenizer


def build_base(folder: Path) -> None:
    """Trains for about half a minute on two cores."""
    tokenizer = tokenizer_of_tickets()
    config = Gemma3TextConfig(
        vocab_size=len(tokenizer),
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=48,
        query_pre_attn_scalar=48,
        sliding_window=1024,
        max_position_embeddings=1024,
        layer_types=["full_attention"] * 3,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
    )
    torch.manual_seed(0)
    model = Gemma3ForCausalLM(config)
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    optimizers = [Muon(matrices, lr=RATE), torch.optim.AdamW(others, lr=5e-3, weight_decay=0.0)]
    for step in range(STEPS):
        batch = padded(dialogues(tokenizer, step), tokenizer.pad_token_id)
        model(**batch).loss.backward()
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group.setdefault("full", group["lr"])
                group["lr"] = group["full"] * min(1.0, 2.0 * (1 - step / STEPS))
            optimizer.step()
            optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def dialogues(tokenizer, step: int) -> list[dict]:
    triage = TicketTriage()
    tools = tool_schemas(triage.tools([], no_prediction))
    return [dialogue_row(tokenizer, messages, tools) for messages, _ in triage.rehearsals(ROWS, 1000 + step)]


def padded(rows: list[dict], pad: int) -> dict[str, torch.Tensor]:
    width = max(len(row["input_ids"]) for row in rows)

    def filled(name: str, value: int) -> torch.Tensor:
        return torch.tensor([row[name] + [value] * (width - len(row[name])) for row in rows])

    ids, labels = filled("input_ids", pad), filled("labels", IGNORED)
    lengths = torch.tensor([len(row["input_ids"]) for row in rows])
    return {"input_ids": ids, "labels": labels, "attention_mask": (torch.arange(width) < lengths[:, None]).long()}
