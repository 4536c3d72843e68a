"""The usual ways of training with the same libraries, compared with ours."""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

from transformers import TrainerCallback

from data_classes import PreferencePair
from meeting_agent.benchmarks.measure import BenchmarkConfig, Comparison, rate
from meeting_agent.common.files import InputError, read_json
from meeting_agent.conference import Conference
from meeting_agent.inference.loading import load_model, load_tokenizer, with_adapter
from meeting_agent.training import dpo as dpo_training
from meeting_agent.training import sft as sft_training
from meeting_agent.training.rows import IGNORED, prediction_row
from meeting_agent.training.sft import load_base_with_adapter, target
from meeting_agent.training.split import read_rows, split_rows

FLOPS_SIZE = 2048


def training_comparisons(config: BenchmarkConfig) -> Iterator[Comparison]:
    import torch

    rows = 300 if config.quick else 500
    environment = Conference()
    sft, rlft = (recipe(config, phase) for phase in ("sft", "rlft"))
    base = sft.base_model_name
    split = split_rows(read_rows(environment, sft.sft_data_path, rows), seed=0)
    found = read_json(Path(config.pairs_path), "starter_agentic_rlft.py")[: 16 if config.quick else 32]
    pairs = [PreferencePair(**pair) for pair in found]
    tokenizer = load_tokenizer(base)
    prompts = [(r.input_text, target(r)) for r in split.train]
    tokens = sum(len(prediction_row(tokenizer, *p)["input_ids"]) for p in prompts)
    parameters = sum(p.numel() for p in load_model(base).parameters())
    held_out = [(r.input_text, target(r)) for r in split.selection]
    ours_held_out = [prediction_row(tokenizer, *p) for p in held_out]

    def our_sft(until: float = 0.0) -> float:
        """The seconds of one epoch of phase 1, or of training until the held-out loss is at most `until`."""
        with tempfile.TemporaryDirectory() as folder:
            settings = SimpleNamespace(**vars(sft) | {"num_train_epochs": 1, "rehearsal_share": 0.0})
            model, own_tokenizer = load_base_with_adapter(settings)
            goal = UntilLoss(lambda: completion_loss(model, ours_held_out), until)
            with contextlib.redirect_stdout(io.StringIO()):
                goals = [goal] if until else []
                tokenized = sft_training.tokenize(settings, environment, split, model, own_tokenizer)
                done = sft_training.train(settings, tokenized, model, own_tokenizer, Path(folder), goals)
            return goal.seconds if until else done.seconds

    def matrix_product(_: int) -> float:
        a = torch.randn(FLOPS_SIZE, FLOPS_SIZE)
        return rate(3 * 2 * FLOPS_SIZE**3, lambda: [a @ a for _ in range(3)]) / 1e9

    _, reached = course_sft(base, prompts, held_out)
    yield Comparison(
        "sft_vs_course_trl",
        "examples/s to an equal held-out loss",
        3,
        lambda _: len(prompts) / our_sft(until=reached),
        lambda _: len(prompts) / course_sft(base, prompts, held_out)[0],
        {"held_out_loss": reached},
    )
    yield Comparison(
        "train_flops_vs_gemm", "GFLOP/s", 0.6, lambda _: 6 * parameters * tokens / our_sft() / 1e9, matrix_product
    )

    def our_dpo(_: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            changed = {"sft_model_path": config.sft_model_path, "max_steps": len(pairs) // 8}
            settings = SimpleNamespace(**vars(rlft) | changed)
            with contextlib.redirect_stdout(io.StringIO()):
                return rate(len(pairs), lambda: dpo_training.train(settings, pairs, Path(folder)))

    yield Comparison(
        "dpo_vs_trl_default", "pairs/s", 3, our_dpo, lambda _: default_dpo(base, config.sft_model_path, pairs)
    )


class UntilLoss(TrainerCallback):
    """Ends training when `loss()` is at most `goal`. It is computed at every step, and that time does not count."""

    def __init__(self, loss: Callable[[], float], goal: float):
        self.loss, self.goal = loss, goal
        self.started = self.looked = self.seconds = 0.0
        self.reached = False

    def on_train_begin(self, args, state, control, **kwargs):
        self.started = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        now = time.perf_counter()
        self.seconds = now - self.started - self.looked
        if self.loss() <= self.goal:
            self.reached = control.should_training_stop = True
        self.looked += time.perf_counter() - now

    def on_train_end(self, args, state, control, **kwargs):
        if not self.reached:  # the trainer also stops at its last step
            raise InputError(f"an epoch of phase 1 did not reach a loss of {self.goal:.3f}: nothing to compare")


def completion_loss(model, rows: list[dict]) -> float:
    """The mean cross-entropy of the completions' tokens. `rows` have the format of `prediction_row`."""
    import torch

    longest = max(len(r["input_ids"]) for r in rows)
    ids = torch.tensor([r["input_ids"] + [0] * (longest - len(r["input_ids"])) for r in rows])
    labels = torch.tensor([r["labels"] + [IGNORED] * (longest - len(r["labels"])) for r in rows])
    training = model.training
    model.eval()
    with torch.no_grad():
        logits = model(input_ids=ids).logits[:, :-1]
    model.train(training)
    return float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten()))


def course_sft(base: str, prompts: list[tuple[str, str]], held_out: list[tuple[str, str]]) -> tuple[float, float]:
    """Seconds and held-out loss of one epoch of TRL's `SFTTrainer` with the settings of typical courses.

    Batch 2 x 4, eager attention, padding, loss on the whole text, plain LoRA at the usual learning rate.
    """
    import trl
    from datasets import Dataset
    from peft import LoraConfig

    tokenizer = load_tokenizer(base)
    texts = [{"text": f"{prompt}\n{answer}"} for prompt, answer in prompts]
    with tempfile.TemporaryDirectory() as folder:
        trainer = trl.SFTTrainer(
            model=load_model(base, attn_implementation="eager"),
            args=trl.SFTConfig(
                output_dir=folder,
                per_device_train_batch_size=2,
                gradient_accumulation_steps=4,
                gradient_checkpointing=False,
                learning_rate=2e-4,
                num_train_epochs=1,
                bf16=False,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(texts),
            processing_class=tokenizer,
            peft_config=LoraConfig(r=16, lora_alpha=32, lora_dropout=0.15, target_modules="all-linear"),
        )
        with contextlib.redirect_stdout(io.StringIO()):
            seconds = len(texts) / rate(len(texts), trainer.train)
    rows = []
    for prompt, answer in held_out:
        asked, said = (tokenizer(t, add_special_tokens=False)["input_ids"] for t in (f"{prompt}\n", answer))
        said = [*said, tokenizer.eos_token_id]
        rows.append({"input_ids": asked + said, "labels": [IGNORED] * len(asked) + said})
    return seconds, completion_loss(trainer.model, rows)


def default_dpo(base: str, adapter: str, pairs: list[PreferencePair]) -> float:
    """Pairs per second of TRL's `DPOTrainer` with its defaults: batch 1 x 2, reference computed at every step."""
    import trl
    from datasets import Dataset

    def train_on_pairs() -> None:
        dataset = Dataset.from_list([{k: getattr(p, k) for k in ("prompt", "chosen", "rejected")} for p in pairs])
        trainer = trl.DPOTrainer(
            model=with_adapter(load_model(base), adapter, trainable=True),
            args=trl.DPOConfig(
                output_dir=folder,
                per_device_train_batch_size=1,
                gradient_accumulation_steps=2,
                num_train_epochs=1,
                bf16=False,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
            ),
            train_dataset=dataset,
            processing_class=load_tokenizer(base),
        )
        trainer.train()

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        return rate(len(pairs), train_on_pairs)


def recipe(config: BenchmarkConfig, phase: str) -> SimpleNamespace:
    """The default settings of a phase, from the recipe of the embedded base."""
    import yaml

    path = Path(config.recipe) / f"{phase}.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    return SimpleNamespace(
        **{k: float(v) if isinstance(v, str) and v[:1].isdigit() else v for k, v in settings.items()}
    )
