"""The usual ways of doing what this project does, and the comparisons of ours with them.

Nothing but `benchmark.py` uses these: they are what a reader would write first with the same libraries.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from data_classes import MeetingPredictor
from meeting_agent.benchmark import BenchmarkConfig, Comparison, rate
from meeting_agent.cache import Memories
from meeting_agent.engine import Completion, Engine, Request, load_model, load_tokenizer, with_adapter
from meeting_agent.files import read_json
from meeting_agent.prediction import MAX_ANSWER_TOKENS, chat_text, predict_probabilities
from starter_agentic_rlft import RLFTConfig, train_model_with_dpo
from starter_agentic_traces import AgentToolLoop, AgentTraceCollector, make_scenarios
from starter_sft import SFTConfig, load_base_with_adapter, read_rows, split_rows, target, train

FLOPS_SIZE = 2048
LAST_BENCHMARK_SEED = 900_000  # scenarios differ from repeat to repeat, so that nothing is answered from memory


def comparisons(config: BenchmarkConfig) -> Iterator[Comparison]:
    """All of them, in the order of the pipeline's phases; models are loaded once."""
    yield from training_comparisons(config)
    yield from inference_comparisons(config)
    yield two_processes(config)


# ----------------------------------------------------------------------------- inference


class SequentialEngine:
    """The engine's interface over Hugging Face's `generate`: one conversation at a time, read anew at every turn."""

    def __init__(self, engine: Engine):
        self.model, self.tokenizer, self.device = engine.model, engine.tokenizer, engine.device
        self.memories = Memories(1)

    def generate(self, requests: list[Request]) -> list[Completion]:
        return [self._one(r) for r in requests]

    def _one(self, request: Request) -> Completion:
        batch = self.tokenizer([request.prompt], add_special_tokens=False, return_tensors="pt").to(self.device)
        options = {"max_new_tokens": request.max_new_tokens, "do_sample": False}
        out = self.model.generate(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], **options)
        read = batch["input_ids"].shape[1]
        new = [t for t in out[0, read:].tolist() if t not in self.tokenizer.all_special_ids]
        return Completion(self.tokenizer.decode(new), read, len(new))


def inference_comparisons(config: BenchmarkConfig) -> Iterator[Comparison]:
    predictor = MeetingPredictor(config.sft_model_path)
    engine = predictor.engine
    sequential = SequentialEngine(engine)
    many, few = (64, 2) if config.quick else (256, 4)
    seeds = itertools.count(LAST_BENCHMARK_SEED)

    def rollouts(on, count: int, at_once: int) -> float:
        seed = next(seeds)
        scenarios = make_scenarios("evaluation", seed, count)

        def play_all() -> None:
            collector = AgentTraceCollector(predictor, scenarios, 0.0, seed)
            with collector.agents_on(on) as play:
                for _ in collector.collect(play, 1, "benchmark", at_once):
                    pass

        return 60 * rate(count, play_all)

    def ours(_: int) -> float:
        return rollouts(engine, many, 128)

    def npcpy_lora(_: int) -> float:
        scenario = make_scenarios("evaluation", next(seeds), 1)[0]
        npc = AgentToolLoop(scenario.persona, config.sft_model_path, "lora").npc
        with contextlib.redirect_stdout(io.StringIO()):
            return 60 * rate(1, lambda: npc.get_llm_response(scenario.user_prompt))

    unit = "trajectories/min"
    yield Comparison("rollouts_vs_npcpy_lora", unit, 100, ours, npcpy_lora)
    yield Comparison("rollouts_vs_sequential", unit, 10, ours, lambda _: rollouts(sequential, few, 1))

    def prompts(count: int) -> list[str]:
        return [s.prediction_prompt for s in make_scenarios("evaluation", next(seeds), count)]

    def expectations(_: int) -> float:
        asked = prompts(4 * many)
        return rate(len(asked), lambda: predict_probabilities(engine, asked))

    def greedy(_: int) -> float:
        asked = [Request(chat_text(engine.tokenizer, p), MAX_ANSWER_TOKENS) for p in prompts(8 * few)]
        return rate(len(asked), lambda: sequential.generate(asked))

    yield Comparison("predictor_vs_greedy", "scenarios/s", 30, expectations, greedy)


# ----------------------------------------------------------------------------- training


def training_comparisons(config: BenchmarkConfig) -> Iterator[Comparison]:
    import torch

    rows = 200 if config.quick else 800
    base = SFTConfig().base_model_name
    chosen = read_rows(config.sft_data_path, rows)
    split = split_rows(chosen, seed=0)
    pairs = read_json(Path(config.pairs_path), "starter_agentic_rlft.py")[: 16 if config.quick else 64]
    tokenizer = load_tokenizer(base)
    prompts = [(r.input_text, target(r)) for r in split.train]
    tokens = sum(len(tokenizer(chat_text(tokenizer, p) + a, add_special_tokens=False)["input_ids"]) for p, a in prompts)
    parameters = sum(p.numel() for p in load_model(base).parameters())

    def our_sft(amount: float) -> float:
        with tempfile.TemporaryDirectory() as folder:
            settings = SFTConfig(num_train_epochs=1, rehearsal_share=0.0, output_model_path=f"{folder}/sft")
            model, own_tokenizer = load_base_with_adapter(settings)
            with contextlib.redirect_stdout(io.StringIO()):
                return amount / train(settings, split, model, own_tokenizer).seconds

    def matrix_product(_: int) -> float:
        a = torch.randn(FLOPS_SIZE, FLOPS_SIZE)
        return rate(3 * 2 * FLOPS_SIZE**3, lambda: [a @ a for _ in range(3)]) / 1e9

    yield Comparison(
        "sft_vs_course_trl", "examples/s", 3, lambda _: our_sft(len(prompts)), lambda _: course_sft(base, prompts)
    )
    yield Comparison(
        "train_flops_vs_gemm", "GFLOP/s", 0.6, lambda _: our_sft(6 * parameters * tokens) / 1e9, matrix_product
    )

    def our_dpo(_: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            settings = RLFTConfig(
                sft_model_path=config.sft_model_path,
                pairs_path=config.pairs_path,
                adapter_path=f"{folder}/dpo",
                max_steps=len(pairs) // 8,
            )
            with contextlib.redirect_stdout(io.StringIO()):
                return rate(len(pairs), lambda: train_model_with_dpo(pairs, settings))

    yield Comparison(
        "dpo_vs_trl_default", "pairs/s", 3, our_dpo, lambda _: default_dpo(base, config.sft_model_path, pairs)
    )


def course_sft(base: str, prompts: list[tuple[str, str]]) -> float:
    """Examples per second of TRL's `SFTTrainer` as courses set it up: batch 2 x 4, eager, padded, loss on all text."""
    import trl
    from datasets import Dataset
    from peft import LoraConfig

    texts = [{"text": f"{prompt}\n{answer}"} for prompt, answer in prompts]
    with tempfile.TemporaryDirectory() as folder:
        trainer = trl.SFTTrainer(
            model=load_model(base, attn_implementation="eager"),
            args=trl.SFTConfig(
                output_dir=folder,
                per_device_train_batch_size=2,
                gradient_accumulation_steps=4,
                gradient_checkpointing=False,
                num_train_epochs=1,
                bf16=False,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(texts),
            processing_class=load_tokenizer(base),
            peft_config=LoraConfig(r=16, lora_alpha=32, lora_dropout=0.15, target_modules="all-linear"),
        )
        with contextlib.redirect_stdout(io.StringIO()):
            return rate(len(texts), trainer.train)


def default_dpo(base: str, adapter: str, pairs: list[dict]) -> float:
    """Pairs per second of TRL's `DPOTrainer` with its defaults: batch 1 x 2, the reference computed at every step."""
    import trl
    from datasets import Dataset

    few = pairs[:8]
    dataset = Dataset.from_list([{k: p[k] for k in ("prompt", "chosen", "rejected")} for p in few])
    with tempfile.TemporaryDirectory() as folder:
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
        with contextlib.redirect_stdout(io.StringIO()):
            return rate(len(few), trainer.train)


# ----------------------------------------------------------------------------- processes


def two_processes(config: BenchmarkConfig) -> Comparison:
    """Phase 2 under `accelerate launch` with two processes of one thread each, against one such process."""
    count = 48 if config.quick else 256
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes=2"]

    def trajectories(launcher: list[str], cores: set[int], seed: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            traces = Path(folder) / "traces.json"
            subprocess.run(
                [
                    *(sys.executable, *launcher, "starter_agentic_traces.py", f"--seed={LAST_BENCHMARK_SEED + seed}"),
                    *(f"--traces_path={traces}", f"--sft_model_path={config.sft_model_path}"),
                    *(f"--num_scenarios={count}", "--samples_per_scenario=2", "--concurrent_agents=48"),
                ],
                check=True,
                capture_output=True,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )
            summary = read_json(traces.with_suffix(".summary.json"), "starter_agentic_traces.py")
        return 60 * summary["n"] / summary["seconds"]

    return Comparison(
        "two_processes_vs_one",
        "trajectories/min",
        1.8,
        lambda repeat: trajectories(launch, {0, 1}, repeat),
        lambda repeat: trajectories([], {0}, repeat),
    )
