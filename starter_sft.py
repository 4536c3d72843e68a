"""Phase 1: supervised fine-tuning. A small language model learns to predict a meeting's success from text.

    python starter_sft.py                                          # embedded base, data/sft_training_data.csv
    python starter_sft.py --base_model_name google/gemma-3-270m-it # any other causal LM (needs the hub or a path)
    python starter_sft.py --sft_data_path mine.csv --output_model_path models/mine

The script first audits whether the labels can be learned at all. It splits the rows into training, selection and test
rows. It trains a LoRA adapter with TRL's `SFTTrainer`, keeps the epoch with the lowest error on the selection rows, and
reports on the test rows.

The loss is cross-entropy on the completion plus RAFT (Lukasik et al., ICLR 2025): the squared error between the target
and the expectation over the model's own digit distribution. Cross-entropy alone treats 0.71 and 0.21 as equally far
from 0.70. Some rows are chats from the base's own corpus, so that the model does not forget how to call tools and read
results (experience replay).

Effective rates: LoRA+ (Hayou et al., 2024) trains the A matrices at 5e-5 and the B matrices at 16 times that, 8e-4.
rsLoRA (Kalajdzievski, 2023) scales the update by alpha / sqrt(r) = 8; plain LoRA (`--no-use_rslora`) by alpha / r = 2.
Both let a model of a few million parameters learn fast enough while `learning_rate` stays in the usual range.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from pathlib import Path

from data_classes import TrainingMetrics, TrainingRow
from meeting_agent.agent.environment import Environment
from meeting_agent.agent.tool_calls import no_prediction, tool_schemas
from meeting_agent.common.files import InputError, digest, fingerprint, write_json, write_text
from meeting_agent.common.hardware import check_precision
from meeting_agent.common.outputs import Output, check_outputs
from meeting_agent.common.processes import this_process
from meeting_agent.common.settings import (
    input_path,
    output_path,
    overwrite_setting,
    parse_settings,
    recorded,
    run_script,
    setting,
)
from meeting_agent.conference import Conference
from meeting_agent.inference.bases import base_digest, base_place, weight_files
from meeting_agent.inference.predictor import Predictor
from meeting_agent.training.adapter_folder import write_adapter
from meeting_agent.training.split import Split, read_rows, split_rows
from meeting_agent.training.trackers import check_reporter


@dataclass
class SFTConfig:
    """Settings of phase 1."""

    base_model_name: str = input_path("models/base", "folder or hub name of a causal LM")
    sft_data_path: str = input_path("data/sft_training_data.csv", "CSV with the four columns of the training data")
    output_model_path: str = output_path("models/sft_prediction_model_gemma_270m", "folder for the adapter")
    seed: int = setting(42, "seed of the split, the order of rows and the adapter's initial weights", 0, 2**32 - 1)
    lora_r: int = setting(16, "rank of the adapter", 1, 256)
    lora_alpha: int = setting(32, "alpha of the adapter, usually twice the rank", 1, 1024)
    use_rslora: bool = setting(True, "scale the adapter by alpha / sqrt(r) (rsLoRA); without, by alpha / r")
    lora_dropout: float = setting(0.15, "dropout on the adapter's input", 0.0, 0.9)
    num_train_epochs: int = setting(10, "maximum number of epochs; early stopping usually ends sooner", 1, 1000)
    patience: int = setting(3, "number of epochs without a better selection error before training stops", 1, 1000)
    learning_rate: float = setting(5e-5, "learning rate of the adapter's A matrices", 1e-7, 1e-1)
    loraplus_ratio: float = setting(
        16.0, "LoRA+: learning rate of the B matrices divided by that of the A matrices; 1 is plain LoRA", 1.0, 1000.0
    )
    weight_decay: float = setting(0.01, "AdamW's weight decay", 0.0, 1.0)
    per_device_train_batch_size: int = setting(
        16, "rows per batch, shared by the processes of one machine; use 1 to save memory", 1, 4096
    )
    gradient_accumulation_steps: int = setting(1, "batches per optimizer step; use 16 if a batch is 1 row", 1, 4096)
    gradient_checkpointing: bool = setting(False, "recompute activations instead of keeping them: saves memory")
    bf16: bool = setting(False, "train in bfloat16; this is the default on hardware that supports it")
    fp16: bool = setting(False, "train in float16, for older GPUs")
    fp32: bool = setting(False, "train and predict in full precision")
    raft_weight: float = setting(
        20.0, "weight of the squared error of the expected probability; 0 is plain cross-entropy", 0.0, 1e4
    )
    max_length: int = setting(2048, "maximum number of tokens per row; longer rows are left out", 1, 131_072)
    rehearsal_share: float = setting(
        0.15, "share of chats from the base's corpus among the rows; at 0 the model forgets its tools", 0.0, 0.9
    )
    max_train_rows: int = setting(0, "maximum number of rows to use; 0 uses all", 0, 10_000_000)
    use_4bit: bool = setting(False, "QLoRA: load the base in 4 bits")
    report_to: str = setting("none", "tracker that also gets the losses: tensorboard, wandb or another of Transformers")
    overwrite: bool = overwrite_setting()


def main() -> None:
    config = parse_settings(SFTConfig, __doc__.splitlines()[0])
    run_sft_fine_tuning(config)


def run_sft_fine_tuning(config: SFTConfig, environment: Environment | None = None) -> TrainingMetrics:
    """Runs the whole phase and writes adapter, tokenizer, model card and `training_log.json` to `output_model_path`.

    The default environment is the conference. Under `accelerate launch` all processes share every batch, and the first
    process writes the files. Raises InputError for unusable settings, rows or bases.
    """
    task: Environment = environment or Conference()
    check_config(config)
    rows = read_rows(task, config.sft_data_path, config.max_train_rows)
    split = split_rows(rows, config.seed)
    output = adapter_output(config)
    check_outputs([output], {name: getattr(config, name[2:]) for name in ("--base_model_name", "--sft_data_path")})

    from meeting_agent.evaluation.audit import audit_learnability
    from meeting_agent.training.sft import load_base_with_adapter, tokenize, train

    is_main = this_process().is_main_process
    audit = audit_learnability(rows) if is_main else None
    if is_main:
        print(audit or f"Learnability audit: {len(rows)} rows are too few to tell.", flush=True)

    model, tokenizer = load_base_with_adapter(config)
    try_what_follows(config, task, split, model, tokenizer)
    tokenized = tokenize(config, task, split, model, tokenizer)
    metrics = train(config, tokenized, model, tokenizer, checkpoint_folder(config))
    if not is_main:
        return metrics
    with output.writing() as folder:
        save(folder, config, model, tokenizer, metrics, audit)
        report = validate_model(folder, split.test, config.base_model_name, config.fp32, task)
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
    """The checkpoint folder of a run with these settings, data and base. No other run resumes from it."""
    made_from = [Path(config.sft_data_path), *weight_files(config.base_model_name)]
    return adapter_output(config).unfinished_run(fingerprint(recorded(config), *made_from))


def check_config(config: SFTConfig) -> None:
    base_place(config.base_model_name)
    check_reporter(config.report_to, Path(config.output_model_path))
    check_precision(config.bf16, config.fp16, config.fp32)


def try_what_follows(config: SFTConfig, environment: Environment, split: Split, model, tokenizer) -> None:
    """Runs every step that follows training on two rows, in seconds. Raises InputError if one fails."""
    from meeting_agent.inference.loading import check_tokens, use_known_pad
    from meeting_agent.training.dry_run import try_adapter, try_agent

    use_known_pad(model, tokenizer)
    rows = split.train + split.selection + split.test
    check_tokens((tokenizer.encode(r.input_text, add_special_tokens=False) for r in rows), model, tokenizer)
    shortest = sorted((r.input_text for r in split.test), key=len)[:2]
    engine = try_adapter(config.base_model_name, model, shortest, config.fp32)
    persona, *_ = environment.personas.values()
    tools = tool_schemas(environment.tools([], no_prediction))
    try:
        try_agent(engine, persona, f"{shortest[0]}\n\nWhat do you recommend?", tools)
    except InputError as error:
        print(f"warning: this base works for phase 1 only: {error}", flush=True)


# ----------------------------------------------------------------------------- results


def save(folder: Path, config: SFTConfig, model, tokenizer, metrics: TrainingMetrics, audit) -> None:
    """Writes adapter, tokenizer and training log. The log holds SHA-256 digests of the data and the base."""
    write_adapter(folder, model, tokenizer, config.base_model_name)
    log = asdict(metrics) | {"settings": recorded(config), "audit": asdict(audit) if audit else None}
    log["sha256"] = {"data": digest(Path(config.sft_data_path))}
    if base := base_digest(config.base_model_name):
        log["sha256"]["base"] = base
    write_json(folder / "training_log.json", log)


def model_card(config: SFTConfig, metrics: TrainingMetrics, validation: dict) -> str:
    from meeting_agent.training.model_card import adapter_card

    base, dataset = config.base_model_name, f"test rows of {config.sft_data_path}"
    about = f"""LoRA adapter over `{base}`: reads two attendees and a time slot, writes
`{{"probability": 0.XX, "reason": "word"}}`. Best step {metrics.best_step}, {metrics.seconds:.0f} s of training."""
    return adapter_card("Meeting prediction adapter", 1, base, about, recorded(config), dataset, validation)


def validate_model(
    model_path: str | Path,
    rows: list[TrainingRow],
    base_model_name: str | None = None,
    fp32: bool = False,
    environment: Environment | None = None,
) -> dict:
    """Scores a model on held-out rows and groups its errors.

    Returns the scores of `score_probabilities` plus `reason_accuracy`, `greedy_valid_rate` (the share of valid answers
    under plain greedy decoding), `greedy_accuracy` and `errors`: the environment's `error_patterns`, a list of groups
    with their accuracy and mean absolute error. The rows hold probabilities and not what happened. So Brier score, ECE,
    log score and `accuracy_drawn` use outcomes that are drawn here from `ground_truth_prob`, always with the same seed.
    """
    from meeting_agent.evaluation.statistics import score_probabilities
    from meeting_agent.inference.prediction import greedy_answers

    predictor = Predictor(model_path, base_model_name, fp32)
    prompts = [r.input_text for r in rows]
    answers = predictor.predict_many(prompts)
    p = [a["probability"] for a in answers]
    greedy = greedy_answers(predictor.engine, prompts)
    truth = [r.ground_truth_prob for r in rows]
    rng = random.Random("validation")
    report = score_probabilities(p, truth, [rng.random() < t for t in truth])
    report["reason_accuracy"] = sum(a["reason"] == r.target_reason for a, r in zip(answers, rows, strict=True)) / len(
        rows
    )
    report["greedy_valid_rate"] = sum(g is not None for g in greedy) / len(greedy)
    report["greedy_accuracy"] = score_probabilities(greedy, truth)["accuracy"]
    reasons = [r.target_reason for r in rows]
    task: Environment = environment or Conference()
    report["errors"] = task.error_patterns(prompts, reasons, p, truth)
    return report


def print_validation(report: dict) -> None:
    low, high = report["accuracy_ci95"]
    print(f"Held-out rows: accuracy {report['accuracy']:.3f} (95% {low:.3f} to {high:.3f}, n {report['n']}), ", end="")
    print(f"correlation {report.get('correlation', 0):.3f}, valid {report['valid_rate']:.0%}")
    for group in report["errors"]:
        print(f"  {group['by']:>20} {group['group']:<26} n {group['n']:>4}  accuracy {group['accuracy']:.3f}")


def command() -> None:
    """`meeting-sft`: errors that the user can mend are one line."""
    run_script(main)


if __name__ == "__main__":
    command()
