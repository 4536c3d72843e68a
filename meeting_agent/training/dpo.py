"""Direct preference optimization of phase 3: the pairs as rows, the trainer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

from data_classes import PreferencePair, TrainingMetrics
from meeting_agent.common.files import InputError
from meeting_agent.common.hardware import quantization, trains_in_bfloat16
from meeting_agent.common.outputs import remove_tree
from meeting_agent.common.processes import this_process
from meeting_agent.inference.bases import base_of_adapter
from meeting_agent.training.outcomes import Outcomes
from meeting_agent.training.trackers import guard_reporters

PAIRS = "pairs"  # folder of the training rows, inside the folder of the checkpoints


class DPOSettings(Protocol):
    """The settings of phase 3 that training uses; `RLFTConfig` in `starter_agentic_rlft.py` explains them."""

    sft_model_path: str
    seed: int
    beta: float
    preference_weight: float
    sft_weight: float
    outcome_weight: float
    learning_rate: float
    loraplus_ratio: float
    max_steps: int
    per_device_train_batch_size: int
    gradient_accumulation_steps: int
    gradient_checkpointing: bool
    bf16: bool
    fp16: bool
    fp32: bool
    use_4bit: bool
    report_to: str


def train(settings: DPOSettings, pairs: list[PreferencePair], checkpoints: Path, outcomes: Outcomes | None = None):
    """Trains the adapter of `outcomes` further; returns the model, its tokenizer and the training metrics.

    The reference is the adapter after outcome training, so the first step's preference loss is ln 2. Without `outcomes`
    phase 1's adapter is trained on the pairs alone, and is the reference. A killed run continues from the last
    complete checkpoint in the folder `checkpoints`.
    """
    import torch
    from peft.optimizers import create_loraplus_optimizer

    from meeting_agent.inference.loading import load_model, load_tokenizer, position_limit, use_known_pad, with_adapter
    from meeting_agent.training.checkpoints import SignCheckpoints, last_whole_checkpoint, sign
    from meeting_agent.training.dry_run import try_loss, trying
    from meeting_agent.training.masks import AgentPreferenceCollator
    from meeting_agent.training.outcome_dpo import OutcomeDPOTrainer
    from meeting_agent.training.progress import show_progress

    torch.manual_seed(settings.seed)
    base = base_of_adapter(Path(settings.sft_model_path))
    tokenizer = load_tokenizer(base)
    start = str(outcomes.adapter) if outcomes else settings.sft_model_path
    model = with_adapter(load_model(base, **quantization(settings.use_4bit)), start, trainable=True)
    use_known_pad(model, tokenizer)
    args = training_arguments(settings, checkpoints)
    optimizer = create_loraplus_optimizer(
        model, torch.optim.AdamW, lr=settings.learning_rate, loraplus_lr_ratio=settings.loraplus_ratio
    )
    dataset = stored_dataset(pairs, tokenizer, checkpoints / PAIRS, position_limit(model))
    with trying("reading pairs"):
        trainer = OutcomeDPOTrainer(
            model=model,
            args=args,
            train_dataset=dataset,
            processing_class=tokenizer,
            data_collator=AgentPreferenceCollator(pad_token_id=tokenizer.pad_token_id),
            optimizers=(optimizer, None),
            callbacks=[SignCheckpoints()],
            outcome_rows=outcomes.rows if outcomes else [],
            outcome_weight=settings.outcome_weight,
        )
    guard_reporters(trainer)
    try_loss(trainer, 1)
    if this_process().is_main_process:
        sign(checkpoints / PAIRS)  # TRL has added the reference's log-probabilities
    show_progress(trainer, {"loss": "loss", "rewards/margins": "margin"}, every=10)
    started = time.monotonic()
    trainer.train(resume_from_checkpoint=last_whole_checkpoint(checkpoints))
    metrics = TrainingMetrics(trainer.state.log_history, settings.max_steps, time.monotonic() - started)
    return model, tokenizer, metrics


def training_arguments(settings: DPOSettings, checkpoints: Path):
    """The settings in TRL's form."""
    import torch
    import trl

    return trl.DPOConfig(
        output_dir=str(checkpoints),
        beta=settings.beta,
        loss_type=["sigmoid", "sft"],
        loss_weights=[settings.preference_weight, settings.sft_weight],
        learning_rate=settings.learning_rate,
        max_steps=settings.max_steps,
        per_device_train_batch_size=max(1, settings.per_device_train_batch_size // this_process().num_processes),
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        lr_scheduler_type="linear",
        warmup_steps=max(1, settings.max_steps // 10),
        max_length=None,
        precompute_ref_log_probs=True,
        gradient_checkpointing=settings.gradient_checkpointing,
        use_cpu=not torch.cuda.is_available(),
        ddp_find_unused_parameters=False,
        bf16=trains_in_bfloat16(settings.bf16, settings.fp16, settings.fp32, pays_on_cpu=False),
        fp16=settings.fp16,
        remove_unused_columns=False,
        logging_steps=1,
        save_steps=20,
        save_total_limit=2,
        report_to=settings.report_to,
        disable_tqdm=True,
        seed=settings.seed,
    )


def preference_dataset(pairs: list[PreferencePair], tokenizer, positions: int | None = None):
    """The pairs as TRL reads them: each side has an assistant mask, and its turns fit the chat template.

    Leaves out pairs that have more tokens than the base has `positions`. Raises InputError if none is left or if the
    template refuses a pair; the message then names its trajectories.
    """
    import json

    from datasets import Dataset

    from meeting_agent.inference.chat_format import as_shown
    from meeting_agent.inference.loading import too_long
    from meeting_agent.training.masks import preference_token_masks

    def row(pair: PreferencePair) -> dict:
        prompt, tools = pair.prompt, pair.tools
        chosen, rejected = (as_shown(tokenizer, side) for side in (pair.chosen, pair.rejected))
        try:
            masks = preference_token_masks(tokenizer, prompt, chosen, rejected, tools)
        except InputError as error:
            raise InputError(f"pair of {pair.chosen_id} and {pair.rejected_id}: {error}") from None
        sides = {"prompt": prompt, "chosen": chosen, "rejected": rejected, "tools": json.dumps(tools)}
        return sides | dict(zip(("chosen_agent_mask", "rejected_agent_mask"), masks, strict=True))

    rows = [row(pair) for pair in pairs]
    if positions:
        lengths = [max(len(row["chosen_agent_mask"]), len(row["rejected_agent_mask"])) for row in rows]
        kept = [row for row, length in zip(rows, lengths, strict=True) if length <= positions]
        if not kept:
            raise InputError(too_long(min(lengths), positions))
        if len(kept) < len(rows):
            left_out = f"{len(rows) - len(kept)} of {len(rows)} pairs are left out"
            print(f"warning: {left_out}: {too_long(max(lengths), positions)}", flush=True)
        rows = kept
    return Dataset.from_list(rows)


def stored_dataset(pairs: list[PreferencePair], tokenizer, folder: Path, positions: int | None = None):
    """Stores `preference_dataset` in `folder` and loads it from there.

    TRL keeps the reference's log-probabilities beside it, so all processes and a continued run share them. If a killed
    run left the folder unsigned, it is made again.
    """
    from datasets import load_from_disk

    from meeting_agent.training.checkpoints import is_whole

    if this_process().is_main_process and not is_whole(folder):
        remove_tree(folder)
        preference_dataset(pairs, tokenizer, positions).save_to_disk(folder)
    this_process().wait_for_everyone()
    return load_from_disk(folder)
