"""Outcome training of phase 3: the number that closes a rollout learns from what happened.

A rollout's number was written by a policy that has seen no tool result with its outcome. So the squared error of the
expected probability (RAFT, Lukasik et al., ICLR 2025) is trained on all rollouts, right and wrong: the target is 1 or
0. Cross-entropy on the agent's other own tokens holds the policy to its own samples, so what it looks up stays.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from data_classes import TrainingMetrics, Trajectory
from meeting_agent.agent.environment import Environment
from meeting_agent.agent.tool_calls import no_prediction, tool_schemas
from meeting_agent.common.files import InputError, read_json, write_json
from meeting_agent.common.hardware import quantization, trains_in_bfloat16
from meeting_agent.common.outputs import remove_tree
from meeting_agent.common.processes import this_process
from meeting_agent.inference.bases import base_of_adapter
from meeting_agent.inference.digits import PREDICTION_OPENING
from meeting_agent.training.rows import IGNORED, AssistantTokens, assistant_tokens
from meeting_agent.training.trackers import guard_reporters

BATCH = 16  # rollouts per optimizer step, and outcome rows per step of DPO
DIGITS = re.compile(re.escape(PREDICTION_OPENING) + r"(\d+)")
VERDICT = re.compile(r'"recommendation": "(YES|NO)"')
ADAPTER, LOG = "adapter", "log.json"


class OutcomeSettings(Protocol):
    """The settings of phase 3 for outcomes; `RLFTConfig` in `starter_agentic_rlft.py` explains them."""

    sft_model_path: str
    seed: int
    outcome_epochs: int
    outcome_weight: float
    outcome_learning_rate: float
    outcome_loraplus_ratio: float
    per_device_train_batch_size: int
    gradient_checkpointing: bool
    bf16: bool
    fp16: bool
    fp32: bool
    use_4bit: bool
    report_to: str


@dataclass(frozen=True)
class Outcomes:
    """What phase 3 learned from outcomes, and the rows that it learned from."""

    adapter: Path  # the folder of the adapter: that of phase 1 if there was no training
    rows: list[dict]  # of `outcome_row`
    metrics: TrainingMetrics | None  # None if there was no training


def outcome_of(trajectory: Trajectory) -> float:
    """What happened: 1.0 if the outcome is YES, else 0.0."""
    return 1.0 if trajectory.happened == "YES" else 0.0


# ----------------------------------------------------------------------------- rows


def is_readable(trajectory: Trajectory) -> bool:
    """Whether an agent ended with YES or NO, and no server failed."""
    said = trajectory.recommendation in ("YES", "NO")
    return said and trajectory.completed_naturally and trajectory.failure is None


def closing_number(chat: AssistantTokens) -> re.Match[str] | None:
    """The last opening and its digits (group 1), if they are in the agent's last turn."""
    found = list(DIGITS.finditer(chat.text, *chat.turns[-1]))
    return found[-1] if found else None


def outcome_row(tokenizer, trajectory: Trajectory, tools: list[dict]) -> dict | None:
    """`input_ids` and `labels` (same length) of a whole rollout, and its `target` (`outcome_of`).

    The agent's own tokens have labels, without the digits of its closing number and without YES or NO: these were its
    guess. None if the rollout does not end in a number that begins with `{"probability": 0.`.
    """
    chat = assistant_tokens(tokenizer, trajectory.messages, tools)
    if (number := closing_number(chat)) is None:
        return None
    verdict = VERDICT.search(chat.text, number.end(), chat.turns[-1][1])
    guesses = [number.span(1), *([verdict.span(1)] if verdict else [])]
    labels = [
        index if own and not any(first < end and last > start for start, end in guesses) else IGNORED
        for index, own, (first, last) in zip(chat.ids, chat.mask, chat.tokens, strict=True)
    ]
    return {"input_ids": chat.ids, "labels": labels, "target": outcome_of(trajectory)}


def outcome_rows(
    environment: Environment, trajectories: Iterable[Trajectory], tokenizer, positions: int | None = None
) -> list[dict]:
    """The rows of all readable rollouts; equal rollouts of one scenario are kept once.

    Leaves out rows of more than `positions` tokens. Raises InputError if none is left.
    """
    tools = tool_schemas(environment.tools([], no_prediction))
    rows = _distinct_rows(trajectories, tokenizer, tools)
    kept = [row for row in rows if not positions or len(row["input_ids"]) <= positions]
    if not kept:
        raise InputError(
            f"no trajectory ends in an answer that begins with {PREDICTION_OPENING} and fits into the base, so no "
            "number can learn from outcomes: give --outcome_epochs 0 --outcome_weight 0 --ranking observed"
        )
    return kept


def _distinct_rows(trajectories: Iterable[Trajectory], tokenizer, tools: list[dict]) -> Iterator[dict]:
    seen: set[tuple[str, int]] = set()
    for trajectory in filter(is_readable, trajectories):
        row = outcome_row(tokenizer, trajectory, tools)
        if row and (key := (trajectory.scenario_id, hash(tuple(row["input_ids"])))) not in seen:
            seen.add(key)
            yield row


# ----------------------------------------------------------------------------- training


def learn_from_outcomes(
    settings: OutcomeSettings, environment: Environment, trajectories: Iterable[Trajectory], folder: Path
) -> Outcomes:
    """Trains the phase 1 adapter on the outcomes of `trajectories`; writes the adapter and its log into `folder`.

    A killed run continues from the last complete checkpoint in `folder`, and a complete one is not repeated. With
    `outcome_epochs` 0 the adapter stays as it is. There are no rows if `outcome_weight` is 0 too.
    """
    from meeting_agent.inference.loading import load_model, load_tokenizer, position_limit, use_known_pad, with_adapter
    from meeting_agent.training.adapter_folder import write_adapter
    from meeting_agent.training.checkpoints import is_whole, sign

    sft, done = Path(settings.sft_model_path), folder / ADAPTER
    if not (settings.outcome_epochs or settings.outcome_weight):
        return Outcomes(sft, [], None)
    base = base_of_adapter(sft)
    tokenizer = load_tokenizer(base)
    model = load_model(base, **quantization(settings.use_4bit))
    use_known_pad(model, tokenizer)
    rows = outcome_rows(environment, trajectories, tokenizer, position_limit(model))
    if not settings.outcome_epochs:
        return Outcomes(sft, rows, None)
    if not is_whole(done):
        model = with_adapter(model, settings.sft_model_path, trainable=True)
        metrics = train(settings, rows, model, tokenizer, folder)
        if this_process().is_main_process:
            remove_tree(done)
            write_adapter(done, model, tokenizer, base)
            write_json(done / LOG, asdict(metrics))
            sign(done)
    this_process().wait_for_everyone()
    return Outcomes(done, rows, TrainingMetrics(**read_json(done / LOG, "starter_agentic_rlft.py")))


def train(settings: OutcomeSettings, rows: list[dict], model, tokenizer, checkpoints: Path) -> TrainingMetrics:
    """Trains the adapter of `model` in place on rows of `outcome_row`."""
    import torch
    from datasets import Dataset
    from peft.optimizers import create_loraplus_optimizer

    from meeting_agent.training.bfloat16 import use_few_passes
    from meeting_agent.training.checkpoints import SignCheckpoints, last_whole_checkpoint
    from meeting_agent.training.dropout import use_quick_dropout
    from meeting_agent.training.dry_run import try_loss
    from meeting_agent.training.outcome_batches import OutcomeCollator
    from meeting_agent.training.progress import show_progress
    from meeting_agent.training.raft import RaftTrainer

    torch.manual_seed(settings.seed)
    use_quick_dropout(model)
    args = training_arguments(settings, checkpoints, len(rows))
    if args.bf16 and not torch.cuda.is_available():
        use_few_passes(model)
    optimizer = create_loraplus_optimizer(
        model,
        torch.optim.AdamW,
        lr=settings.outcome_learning_rate,
        loraplus_lr_ratio=settings.outcome_loraplus_ratio,
    )
    trainer = RaftTrainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        data_collator=OutcomeCollator(pad_token_id=tokenizer.pad_token_id),
        optimizers=(optimizer, None),
        callbacks=[SignCheckpoints()],
        raft_weight=settings.outcome_weight,
        after_thoughts=True,
    )
    guard_reporters(trainer)
    try_loss(trainer, 1)
    show_progress(trainer, {"loss": "loss", "squared_error": "squared error against outcomes"}, every=50)
    started = time.monotonic()
    trainer.train(resume_from_checkpoint=last_whole_checkpoint(checkpoints))
    return TrainingMetrics(trainer.state.log_history, trainer.state.global_step, time.monotonic() - started)


def training_arguments(settings: OutcomeSettings, checkpoints: Path, count: int):
    """The settings in TRL's form, for `count` rows."""
    import torch
    import trl

    processes = this_process().num_processes
    # A pair of DPO is two rollouts, so this needs about as much memory as DPO.
    at_once = max(1, min(BATCH, 2 * settings.per_device_train_batch_size) // processes)
    return trl.SFTConfig(
        output_dir=str(checkpoints),
        num_train_epochs=settings.outcome_epochs,
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=max(1, BATCH // (at_once * processes)),
        learning_rate=settings.outcome_learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.outcome_epochs * count // BATCH // 10,
        max_length=None,
        gradient_checkpointing=settings.gradient_checkpointing,
        use_cpu=not torch.cuda.is_available(),
        ddp_find_unused_parameters=False,
        bf16=trains_in_bfloat16(settings.bf16, settings.fp16, settings.fp32, pays_on_cpu=True),
        fp16=settings.fp16,
        train_sampling_strategy="group_by_length",
        remove_unused_columns=False,
        save_steps=50,
        save_total_limit=2,
        logging_steps=10,
        report_to=settings.report_to,
        disable_tqdm=True,
        seed=settings.seed,
    )
