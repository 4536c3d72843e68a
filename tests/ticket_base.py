"""A tiny base for the tickets: what a pretrained model with tool calling is to a real task.

It learns the protocol alone, from dialogues in which scores are random: calls, results, and a mean of what was said.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from meeting_agent.agent.tool_calls import no_prediction, tool_schemas
from meeting_agent.base.muon import Muon
from meeting_agent.base.tokenizer import train_on_words, with_chat_format
from meeting_agent.training.rows import IGNORED, dialogue_row
from tests.ticket_triage import TicketTriage, training_texts

VOCABULARY = 500
STEPS, ROWS, RATE = 250, 16, 0.02


def build_base(folder: Path) -> None:
    """Trains for about half a minute on two cores."""
    tokenizer = with_chat_format(train_on_words(training_texts(), VOCABULARY))
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
