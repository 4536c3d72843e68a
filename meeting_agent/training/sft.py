"""Supervised fine-tuning of phase 1: the base with its adapter, the rows, the trainer."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from data_classes import TrainingMetrics, TrainingRow
from meeting_agent.agent.environment import Environment
from meeting_agent.agent.tool_calls import no_prediction, tool_schemas
from meeting_agent.common.files import InputError
from meeting_agent.common.hardware import quantization, trains_in_bfloat16
from meeting_agent.common.processes import this_process
from meeting_agent.inference.prediction import comes_back, target_text
from meeting_agent.training.rows import dialogue_row, prediction_row
from meeting_agent.training.split import Split
from meeting_agent.training.trackers import guard_reporters

# In these families a kernel reads `out_proj` and `conv1d` directly, past any adapter, so PEFT refuses to adapt them.
WITHOUT_OUT_PROJ = ("falcon_h1", "mamba", "mamba2", "falcon_mamba", "nemotron_h")


class SFTSettings(Protocol):
    """The settings of phase 1 that training uses; `SFTConfig` in `starter_sft.py` explains them."""

    base_model_name: str
    sft_data_path: str
    seed: int
    lora_r: int
    lora_alpha: int
    use_rslora: bool
    lora_dropout: float
    num_train_epochs: int
    patience: int
    learning_rate: float
    loraplus_ratio: float
    weight_decay: float
    per_device_train_batch_size: int
    gradient_accumulation_steps: int
    gradient_checkpointing: bool
    bf16: bool
    fp16: bool
    fp32: bool
    raft_weight: float
    max_length: int
    rehearsal_share: float
    use_4bit: bool
    report_to: str


def load_base_with_adapter(settings: SFTSettings):
    """Loads the base with a new trainable LoRA adapter on every linear layer, and its tokenizer. The base is frozen."""
    import torch

    from meeting_agent.inference.loading import load_tokenizer
    from meeting_agent.training.dropout import use_quick_dropout
    from meeting_agent.training.dry_run import trying

    with trying("adding an adapter"):
        try:
            model = base_with_adapter(settings, settings.lora_dropout)
        except ValueError as error:
            if "lora_dropout" not in str(error):
                raise
            print("warning: the experts of this base take no dropout: trains without", flush=True)
            model = base_with_adapter(settings, 0.0)
    use_quick_dropout(model)
    in_bfloat16 = trains_in_bfloat16(settings.bf16, settings.fp16, settings.fp32, pays_on_cpu=True)
    if in_bfloat16 and not torch.cuda.is_available():
        from meeting_agent.training.bfloat16 import use_few_passes

        use_few_passes(model)
    return model, load_tokenizer(settings.base_model_name)


def base_with_adapter(settings: SFTSettings, dropout: float):
    import torch
    from peft import LoraConfig, get_peft_model

    from meeting_agent.inference.loading import load_model

    torch.manual_seed(settings.seed)
    model = load_model(settings.base_model_name, **quantization(settings.use_4bit))
    lora = LoraConfig(
        r=settings.lora_r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=dropout,
        target_modules="all-linear",
        exclude_modules=["out_proj", "conv1d"] if model.config.model_type in WITHOUT_OUT_PROJ else None,
        use_rslora=settings.use_rslora,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, lora)


@dataclass(frozen=True)
class TokenizedRows:
    """What phase 1 trains on and what it chooses its best epoch by, as token ids and labels."""

    training: list[dict]  # every row in each of its wordings, and the rehearsals
    selection: list[dict]
    wordings: int  # of a training row


def tokenize(settings: SFTSettings, environment: Environment, split: Split, model, tokenizer) -> TokenizedRows:
    """Tokenizes the rows of `split` and leaves out those that are too long; raises InputError if all of them are."""
    from meeting_agent.inference.loading import position_limit

    rows, wordings = training_rows(settings, environment, split, model, tokenizer)
    selection = [prediction_row(tokenizer, r.input_text, target(r)) for r in split.selection]
    room = min(settings.max_length, position_limit(model) or settings.max_length)
    rows = short_enough(settings, rows, "training", room)
    selection = short_enough(settings, selection, "selection", room)
    return TokenizedRows(rows, selection, wordings)


def train(
    settings: SFTSettings, rows: TokenizedRows, model, tokenizer, checkpoints: Path, callbacks: Sequence = ()
) -> TrainingMetrics:
    """Trains the adapter in place and ends with its best epoch.

    A killed run continues from the last complete checkpoint in the folder `checkpoints`. `callbacks` are trainer
    callbacks of Transformers.
    """
    import torch
    from datasets import Dataset
    from peft.optimizers import create_loraplus_optimizer

    from meeting_agent.training.checkpoints import SignCheckpoints, last_whole_checkpoint
    from meeting_agent.training.dry_run import try_loss
    from meeting_agent.training.early_stopping import ResumableEarlyStopping
    from meeting_agent.training.progress import show_progress
    from meeting_agent.training.raft import RaftTrainer

    per_step = settings.per_device_train_batch_size * settings.gradient_accumulation_steps
    # An epoch sees a row in one of its wordings.
    steps_per_epoch = math.ceil(len(rows.training) / rows.wordings / per_step)
    args = training_arguments(settings, checkpoints, steps_per_epoch)
    optimizer = create_loraplus_optimizer(
        model,
        torch.optim.AdamW,
        lr=settings.learning_rate,
        loraplus_lr_ratio=settings.loraplus_ratio,
        weight_decay=settings.weight_decay,
    )
    trainer = RaftTrainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(rows.training),
        eval_dataset=Dataset.from_list(rows.selection),
        processing_class=tokenizer,
        optimizers=(optimizer, None),
        callbacks=[ResumableEarlyStopping(settings.patience), SignCheckpoints(), *callbacks],
        raft_weight=settings.raft_weight,
    )
    guard_reporters(trainer)
    try_loss(trainer, 2)
    show_progress(trainer, {"loss": "loss", "eval_loss": "squared error on selection rows"}, every=50)
    started = time.monotonic()
    trainer.train(resume_from_checkpoint=last_whole_checkpoint(checkpoints))
    return TrainingMetrics(
        history=trainer.state.log_history,
        best_step=trainer.state.best_global_step or trainer.state.global_step,
        seconds=time.monotonic() - started,
    )


def training_arguments(settings: SFTSettings, checkpoints: Path, steps_per_epoch: int):
    """The settings in TRL's form. Every epoch ends with an evaluation and a checkpoint."""
    import torch
    import trl

    return trl.SFTConfig(
        output_dir=str(checkpoints),
        max_steps=settings.num_train_epochs * steps_per_epoch,
        per_device_train_batch_size=max(1, settings.per_device_train_batch_size // this_process().num_processes),
        per_device_eval_batch_size=4 * settings.per_device_train_batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        lr_scheduler_type="cosine",
        warmup_steps=20,
        max_length=None,
        gradient_checkpointing=settings.gradient_checkpointing,
        use_cpu=not torch.cuda.is_available(),
        ddp_find_unused_parameters=False,
        bf16=trains_in_bfloat16(settings.bf16, settings.fp16, settings.fp32, pays_on_cpu=True),
        fp16=settings.fp16,
        train_sampling_strategy="group_by_length",
        eval_strategy="steps",
        eval_steps=steps_per_epoch,
        save_strategy="steps",
        save_steps=steps_per_epoch,
        save_total_limit=2,
        load_best_model_at_end=True,
        restore_callback_states_from_checkpoint=True,
        metric_for_best_model="eval_loss",
        logging_steps=min(10, steps_per_epoch),
        report_to=settings.report_to,
        disable_tqdm=True,
        seed=settings.seed,
    )


def training_rows(
    settings: SFTSettings, environment: Environment, split: Split, model, tokenizer
) -> tuple[list[dict], int]:
    """Returns the rows to train on and the number of wordings of a row.

    These are every training row in each of its wordings, the same labels in an agent's answer form, and rehearsals.
    Prints a warning if a reason is too long for the model to write.
    """
    from meeting_agent.inference.engine import Engine
    from meeting_agent.training.agent_rows import agent_rows

    reasons = {row.target_reason for row in split.train}
    if long := [reason for reason in reasons if not comes_back(tokenizer, reason)]:
        few = f"{len(long)} of {len(reasons)} reasons are too long for the model to say ({min(long)[:60]!r}, ...)"
        print(f"warning: {settings.sft_data_path}: {few}: shorten them", flush=True)
    worded = [(environment.variants(row.input_text), target(row)) for row in split.train]
    wordings = max(len(texts) for texts, _ in worded)
    rows = [
        prediction_row(tokenizer, texts[number], answer)
        for number in range(wordings)
        for texts, answer in worded
        if number < len(texts)
    ]
    model.eval()  # dropout would change what the untouched base says
    rows += agent_rows(environment, Engine.around(model, tokenizer), split.train)
    model.train()
    count = round(len(rows) * settings.rehearsal_share / (1 - settings.rehearsal_share))
    tools = tool_schemas(environment.tools([], no_prediction)) if count else []
    chats = environment.rehearsals(count, settings.seed)
    rows += [dialogue_row(tokenizer, messages, tools if has_tools else None) for messages, has_tools in chats]
    return rows, wordings


def short_enough(settings: SFTSettings, rows: list[dict], kind: str, room: int) -> list[dict]:
    """Returns the rows of at most `room` tokens. A longer row would lose its end, which holds the answer."""
    kept = [row for row in rows if len(row["input_ids"]) <= room]
    if not kept:
        shortest = min(len(row["input_ids"]) for row in rows)
        remedy = "raise --max_length to" if room == settings.max_length else "take a base whose positions are"
        raise InputError(
            f"{settings.sft_data_path}: no {kind} row fits into {room} tokens: {remedy} {shortest} or more"
        )
    if len(kept) < len(rows):
        left_out = len(rows) - len(kept)
        print(f"warning: {left_out} of {len(rows)} {kind} rows have more than {room} tokens: left out")
    return kept


def target(row: TrainingRow) -> str:
    return target_text(row.target_probability, row.target_reason)
