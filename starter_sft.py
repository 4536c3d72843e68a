"""Phase 1: supervised fine-tuning. A small language model learns to read a meeting's chances from text.

    python starter_sft.py                                          # embedded base, data/sft_training_data.csv
    python starter_sft.py --base_model_name google/gemma-3-270m-it # any other causal LM (needs the hub or a path)
    python starter_sft.py --sft_data_path mine.csv --output_model_path models/mine

Audits whether the labels can be learned at all, splits the rows, trains a LoRA adapter with TRL's `SFTTrainer`, keeps
the epoch that reads the selection rows best, and reports on test rows that took no part in either.

The loss is cross-entropy on the completion plus RAFT (Lukasik et al., ICLR 2025): the squared error between the target
and the expectation over the model's own digit distribution. Cross-entropy alone treats 0.71 and 0.21 as equally far
from 0.70. LoRA+ (Hayou et al., 2024) and rsLoRA (Kalajdzievski, 2023) give a model of a few million parameters the
step size it needs while `learning_rate` stays in the usual range. Some rows are chats from the base's own corpus, so
that the model unlearns neither acting nor reading while it learns to predict (experience replay).
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from data_classes import TrainingMetrics, TrainingRow
from meeting_agent.common.files import InputError, digest, fingerprint, write_json, write_text
from meeting_agent.common.hardware import check_precision, quantization, trains_in_bfloat16
from meeting_agent.common.outputs import Output, check_outputs
from meeting_agent.common.settings import (
    input_path,
    output_path,
    overwrite_setting,
    parse_settings,
    recorded,
    run_script,
    setting,
)
from meeting_agent.inference.bases import base_digest, base_place, portable_name, weight_files
from meeting_agent.inference.prediction import comes_back, target_text
from meeting_agent.training.rows import prediction_row, rehearsal_rows
from meeting_agent.training.trackers import check_reporter, guard_reporters
from meeting_agent.world.predictor import MeetingPredictor
from meeting_agent.world.prompts import AGENT_QUESTION, prose, system_prompt_configurations
from meeting_agent.world.training_rows import read_training_rows

# Families whose `out_proj` and `conv1d` are read by a kernel, past any adapter: PEFT refuses to adapt them.
WITHOUT_OUT_PROJ = ("falcon_h1", "mamba", "mamba2", "falcon_mamba", "nemotron_h")


@dataclass
class SFTConfig:
    """Settings of phase 1."""

    base_model_name: str = input_path("models/base", "folder or hub name of a causal LM")
    sft_data_path: str = input_path("data/sft_training_data.csv", "CSV with the four columns of the training data")
    output_model_path: str = output_path("models/sft_prediction_model_gemma_270m", "where the adapter goes")
    seed: int = setting(42, "decides the split, the order of rows and the adapter's first weights", 0, 2**32 - 1)
    lora_r: int = setting(16, "rank of the adapter", 1, 256)
    lora_alpha: int = setting(32, "scale of the adapter, twice the rank", 1, 1024)
    lora_dropout: float = setting(0.15, "dropout before the adapter", 0.0, 0.9)
    num_train_epochs: int = setting(10, "epochs at most; early stopping usually ends sooner", 1, 1000)
    patience: int = setting(3, "epochs without a better selection error before training stops", 1, 1000)
    learning_rate: float = setting(5e-5, "rate of the adapter's A matrices", 1e-7, 1e-1)
    loraplus_ratio: float = setting(16.0, "LoRA+: how much faster the B matrices learn; 1 is plain LoRA", 1.0, 1000.0)
    weight_decay: float = setting(0.01, "AdamW's weight decay", 0.0, 1.0)
    per_device_train_batch_size: int = setting(
        16, "rows at once; processes of one machine share them, for less memory take 1", 1, 4096
    )
    gradient_accumulation_steps: int = setting(1, "such batches per step; with 1 row at once take 16", 1, 4096)
    gradient_checkpointing: bool = setting(False, "compute activations twice instead of keeping them: less memory")
    bf16: bool = setting(False, "train in bfloat16: without a flag a machine that has it does")
    fp16: bool = setting(False, "train in float16, for older GPUs")
    fp32: bool = setting(False, "train and answer in full precision")
    raft_weight: float = setting(
        20.0, "weight of the squared error of the expected probability; 0 is cross-entropy", 0.0, 1e4
    )
    max_length: int = setting(2048, "tokens at most of a row; longer rows are left out", 1, 131_072)
    rehearsal_share: float = setting(
        0.15, "chats of the base's corpus among the rows; at 0 the model forgets its tools", 0.0, 0.9
    )
    max_train_rows: int = setting(0, "use only this many rows; 0 is all", 0, 10_000_000)
    use_4bit: bool = setting(False, "QLoRA: load the base in 4 bits")
    report_to: str = setting("none", "where losses are reported too: tensorboard, wandb, or what Transformers offers")
    overwrite: bool = overwrite_setting()


@dataclass(frozen=True)
class Split:
    """Rows to fit, to choose the epoch by, and to report on. `data/sft_training_data.csv` has each attendee once."""

    train: list[TrainingRow]
    selection: list[TrainingRow]
    test: list[TrainingRow]


def main() -> None:
    config = parse_settings(SFTConfig, __doc__.splitlines()[0])
    run_sft_fine_tuning(config)


def run_sft_fine_tuning(config: SFTConfig) -> TrainingMetrics:
    """Runs the whole phase; leaves adapter, tokenizer, card and `training_log.json` in `output_model_path`.

    Under `accelerate launch` the processes share every batch, and the first one writes.
    """
    check_config(config)
    rows = read_rows(config.sft_data_path, config.max_train_rows)
    split = split_rows(rows, config.seed)
    output = adapter_output(config)
    check_outputs([output], {name: getattr(config, name[2:]) for name in ("--base_model_name", "--sft_data_path")})

    from meeting_agent.common.processes import this_process
    from meeting_agent.evaluation.audit import audit_learnability

    is_main = this_process().is_main_process
    audit = audit_learnability(rows) if is_main else None
    if is_main:
        print(audit or f"Learnability audit: {len(rows)} rows are too few to tell.", flush=True)

    model, tokenizer = load_base_with_adapter(config)
    try_what_follows(config, split, model, tokenizer)
    metrics = train(config, split, model, tokenizer)
    if not is_main:
        return metrics
    with output.writing() as folder:
        save(folder, config, model, tokenizer, metrics, audit)
        report = validate_model(folder, split.test, config.base_model_name, config.fp32)
        write_json(folder / "validation.json", report)
        write_text(folder / "README.md", model_card(config, metrics, report))
    output.remove_unfinished(checkpoint_folder(config).name)
    print_validation(report)
    print(f"Adapter in {config.output_model_path} after {metrics.seconds:.0f} s of training.", flush=True)
    return metrics


def adapter_output(config: SFTConfig) -> Output:
    path, kind = config.output_model_path, "a phase 1 adapter"
    return Output("--output_model_path", path, kind, is_folder=True, overwrite=config.overwrite)


def checkpoint_folder(config: SFTConfig) -> Path:
    """Where a run with these settings, data and base keeps its checkpoints: no other run goes on with them."""
    made_from = [Path(config.sft_data_path), *weight_files(config.base_model_name)]
    return adapter_output(config).unfinished_run(fingerprint(recorded(config), *made_from))


def check_config(config: SFTConfig) -> None:
    base_place(config.base_model_name)
    check_reporter(config.report_to, Path(config.output_model_path))
    check_precision(config.bf16, config.fp16, config.fp32)


def read_rows(path: str, at_most: int) -> list[TrainingRow]:
    """The rows to use, each once: a copy of a training row among the test rows would be remembered, not predicted."""
    rows = [replace(row, input_text=as_asked(row.input_text)) for row in read_training_rows(path)]
    first: dict[str, TrainingRow] = {}
    for row in rows:
        first.setdefault(row.input_text, row)
    once = list(first.values())
    if len(once) < len(rows):
        print(f"warning: {path}: {len(rows) - len(once)} rows repeat the text of an earlier one and are left out")
    if len({row.ground_truth_prob > 0.5 for row in once}) == 1:
        print(f"warning: {path}: every meeting ends the same way, so accuracy will say nothing")
    return once[: at_most or None]


def split_rows(rows: list[TrainingRow], seed: int) -> Split:
    """Shuffles and splits 80 / 10 / 10."""
    if len(rows) < 10:
        raise InputError(f"{len(rows)} rows are too few to train on: give at least 10")
    shuffled = random.Random(seed).sample(rows, len(rows))
    tenth = len(rows) // 10
    return Split(shuffled[2 * tenth :], shuffled[:tenth], shuffled[tenth : 2 * tenth])


def in_parts(input_text: str) -> tuple[str, str, str] | None:
    """What is said of A, of B, and what comes after; None of a text in another shape."""
    head, marker_b, rest = input_text.partition("\nPerson B: ")
    second, marker_time, tail = rest.partition("\nTime: ")
    if not (head.startswith("Person A: ") and marker_b and marker_time):
        return None
    return head.removeprefix("Person A: "), second, tail


def as_asked(input_text: str) -> str:
    """The row as `MeetingPredictor` would ask it: what is said of people as prose."""
    if (parts := in_parts(input_text)) is None:
        return input_text
    first, second, tail = parts
    return f"Person A: {prose(first)}\nPerson B: {prose(second)}\nTime: {tail}"


def swap_people(input_text: str) -> str:
    """The same row with A and B exchanged: a pair has no order. Text in another shape comes back unchanged."""
    if (parts := in_parts(input_text)) is None:
        return input_text
    first, second, tail = parts
    return f"Person A: {second}\nPerson B: {first}\nTime: {tail}"


# ----------------------------------------------------------------------------- model


def load_base_with_adapter(config: SFTConfig):
    """The frozen base with a fresh, trainable LoRA adapter on every linear layer, and its tokenizer."""
    import torch

    from meeting_agent.inference.loading import load_tokenizer
    from meeting_agent.training.dropout import use_quick_dropout
    from meeting_agent.training.dry_run import trying

    with trying("adding an adapter"):
        try:
            model = base_with_adapter(config, config.lora_dropout)
        except ValueError as error:
            if "lora_dropout" not in str(error):
                raise
            print("warning: the experts of this base take no dropout: trains without", flush=True)
            model = base_with_adapter(config, 0.0)
    use_quick_dropout(model)
    if trains_in_bfloat16(config.bf16, config.fp16, config.fp32, pays_on_cpu=True) and not torch.cuda.is_available():
        from meeting_agent.training.bfloat16 import use_few_passes

        use_few_passes(model)
    return model, load_tokenizer(config.base_model_name)


def base_with_adapter(config: SFTConfig, dropout: float):
    import torch
    from peft import LoraConfig, get_peft_model

    from meeting_agent.inference.loading import load_model

    torch.manual_seed(config.seed)
    model = load_model(config.base_model_name, **quantization(config.use_4bit))
    lora = LoraConfig(
        r=config.lora_r,
        lora_alpha=config.lora_alpha,
        lora_dropout=dropout,
        target_modules="all-linear",
        exclude_modules=["out_proj", "conv1d"] if model.config.model_type in WITHOUT_OUT_PROJ else None,
        use_rslora=True,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, lora)


def try_what_follows(config: SFTConfig, split: Split, model, tokenizer) -> None:
    """Takes two rows through all that comes after training, in seconds; raises InputError where that fails."""
    from meeting_agent.inference.loading import check_tokens, use_known_pad
    from meeting_agent.training.dry_run import try_adapter, try_agent
    from meeting_agent.world.tools import tool_schemas

    use_known_pad(model, tokenizer)
    rows = split.train + split.selection + split.test
    check_tokens((tokenizer.encode(r.input_text, add_special_tokens=False) for r in rows), model, tokenizer)
    shortest = sorted((r.input_text for r in split.test), key=len)[:2]
    engine = try_adapter(config.base_model_name, model, shortest, config.fp32)
    persona, *_ = system_prompt_configurations.values()
    try:
        try_agent(engine, persona, f"{shortest[0]}\n\n{AGENT_QUESTION}", tool_schemas())
    except InputError as error:
        print(f"warning: this base serves phase 1 only: {error}", flush=True)


# ----------------------------------------------------------------------------- training


def train(config: SFTConfig, split: Split, model, tokenizer, callbacks: Sequence = ()) -> TrainingMetrics:
    """Trains the adapter in place and leaves it at its best epoch; `callbacks` are Transformers' trainer callbacks."""
    import torch
    import trl
    from datasets import Dataset
    from peft.optimizers import create_loraplus_optimizer

    from meeting_agent.common.processes import this_process
    from meeting_agent.inference.loading import position_limit
    from meeting_agent.training.checkpoints import SignCheckpoints, last_whole_checkpoint
    from meeting_agent.training.dry_run import try_loss
    from meeting_agent.training.early_stopping import ResumableEarlyStopping
    from meeting_agent.training.progress import show_progress
    from meeting_agent.training.raft import RaftTrainer

    rows = training_rows(config, split, tokenizer)
    selection = [prediction_row(tokenizer, r.input_text, target(r)) for r in split.selection]
    room = min(config.max_length, position_limit(model) or config.max_length)
    rows, selection = short_enough(config, rows, "training", room), short_enough(config, selection, "selection", room)
    per_step = config.per_device_train_batch_size * config.gradient_accumulation_steps
    steps_per_epoch = math.ceil(len(rows) / 2 / per_step)  # an epoch sees a pair in one order or the other
    checkpoints = checkpoint_folder(config)
    args = trl.SFTConfig(
        output_dir=str(checkpoints),
        max_steps=config.num_train_epochs * steps_per_epoch,
        per_device_train_batch_size=max(1, config.per_device_train_batch_size // this_process().num_processes),
        per_device_eval_batch_size=4 * config.per_device_train_batch_size,
        gradient_accumulation_steps=config.gradient_accumulation_steps,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        lr_scheduler_type="cosine",
        warmup_steps=20,
        max_length=None,
        gradient_checkpointing=config.gradient_checkpointing,
        use_cpu=not torch.cuda.is_available(),
        ddp_find_unused_parameters=False,
        bf16=trains_in_bfloat16(config.bf16, config.fp16, config.fp32, pays_on_cpu=True),
        fp16=config.fp16,
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
        report_to=config.report_to,
        disable_tqdm=True,
        seed=config.seed,
    )
    optimizer = create_loraplus_optimizer(
        model,
        torch.optim.AdamW,
        lr=config.learning_rate,
        loraplus_lr_ratio=config.loraplus_ratio,
        weight_decay=config.weight_decay,
    )
    trainer = RaftTrainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(rows),
        eval_dataset=Dataset.from_list(selection),
        processing_class=tokenizer,
        optimizers=(optimizer, None),
        callbacks=[ResumableEarlyStopping(config.patience), SignCheckpoints(), *callbacks],
        raft_weight=config.raft_weight,
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


def training_rows(config: SFTConfig, split: Split, tokenizer) -> list[dict]:
    """Every training row in both orders, and rehearsals; warns of reasons that are too long to be read back."""
    reasons = {row.target_reason for row in split.train}
    if long := [reason for reason in reasons if not comes_back(tokenizer, reason)]:
        print(
            f"warning: {config.sft_data_path}: {len(long)} of {len(reasons)} reasons are too long for the model to say "
            f"({min(long)[:60]!r}, ...): shorten them",
            flush=True,
        )
    rows = [prediction_row(tokenizer, r.input_text, target(r)) for r in split.train]
    rows += [prediction_row(tokenizer, swap_people(r.input_text), target(r)) for r in split.train]
    share = config.rehearsal_share
    return rows + rehearsal_rows(tokenizer, round(len(rows) * share / (1 - share)), config.seed)


def short_enough(config: SFTConfig, rows: list[dict], kind: str, room: int) -> list[dict]:
    """Rows of at most `room` tokens; a longer one would lose its end, which holds the answer."""
    kept = [row for row in rows if len(row["input_ids"]) <= room]
    if not kept:
        shortest = min(len(row["input_ids"]) for row in rows)
        remedy = "raise --max_length to" if room == config.max_length else "take a base whose positions are"
        raise InputError(f"{config.sft_data_path}: no {kind} row fits into {room} tokens: {remedy} {shortest} or more")
    if len(kept) < len(rows):
        left_out = len(rows) - len(kept)
        print(f"warning: {left_out} of {len(rows)} {kind} rows have more than {room} tokens: left out")
    return kept


def target(row: TrainingRow) -> str:
    return target_text(row.target_probability, row.target_reason)


# ----------------------------------------------------------------------------- results


def save(folder: Path, config: SFTConfig, model, tokenizer, metrics: TrainingMetrics, audit) -> None:
    """Writes adapter, tokenizer and training log, which names the bytes that the adapter was made from."""
    model.peft_config["default"].base_model_name_or_path = portable_name(config.base_model_name)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    log = asdict(metrics) | {"settings": recorded(config), "audit": asdict(audit) if audit else None}
    log["sha256"] = {"data": digest(Path(config.sft_data_path))}
    if base := base_digest(config.base_model_name):
        log["sha256"]["base"] = base
    write_json(folder / "training_log.json", log)


def model_card(config: SFTConfig, metrics: TrainingMetrics, validation: dict) -> str:
    from meeting_agent.training.model_card import front_matter

    settings = "\n".join(f"| {name} | {value} |" for name, value in recorded(config).items())
    name, dataset = "Meeting prediction adapter", f"test rows of {config.sft_data_path}"
    return f"""{front_matter(config.base_model_name, name, dataset, validation)}
# Meeting prediction adapter (phase 1)

LoRA adapter over `{config.base_model_name}`: reads two attendees and a time slot, writes
`{{"probability": 0.XX, "reason": "word"}}`. Best step {metrics.best_step}, {metrics.seconds:.0f} s of training.

| setting | value |
|---|---|
{settings}
"""


def validate_model(
    model_path: str | Path, rows: list[TrainingRow], base_model_name: str | None = None, fp32: bool = False
) -> dict:
    """Scores a model on rows it never saw, and says where it errs.

    Returns the scores of `score_probabilities`, the share of valid answers under plain greedy decoding, and accuracy
    and mean absolute error by role pair, by what the text leaves out, by confidence and by deciding factor.
    """
    from meeting_agent.evaluation.statistics import score_probabilities
    from meeting_agent.inference.prediction import greedy_answers
    from meeting_agent.world.error_patterns import error_patterns

    predictor = MeetingPredictor(model_path, base_model_name, fp32)
    prompts = [r.input_text for r in rows]
    answers = predictor.predict_many(prompts)
    p = [a["probability"] for a in answers]
    greedy = greedy_answers(predictor.engine, prompts)
    truth = [r.ground_truth_prob for r in rows]
    report = score_probabilities(p, truth)
    report["reason_accuracy"] = sum(a["reason"] == r.target_reason for a, r in zip(answers, rows, strict=True)) / len(
        rows
    )
    report["greedy_valid_rate"] = sum(g is not None for g in greedy) / len(greedy)
    report["greedy_accuracy"] = score_probabilities(greedy, truth)["accuracy"]
    report["errors"] = error_patterns(prompts, [r.target_reason for r in rows], p, truth)
    return report


def print_validation(report: dict) -> None:
    low, high = report["accuracy_ci95"]
    print(f"Held-out rows: accuracy {report['accuracy']:.3f} (95% {low:.3f} to {high:.3f}, n {report['n']}), ", end="")
    print(f"correlation {report.get('correlation', 0):.3f}, valid {report['valid_rate']:.0%}")
    for group in report["errors"]:
        print(f"  {group['by']:>20} {group['group']:<26} n {group['n']:>4}  accuracy {group['accuracy']:.3f}")


if __name__ == "__main__":
    run_script(main)
