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
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from transformers import TrainerCallback

from meeting_agent.agent.trajectory_file import companion
from meeting_agent.benchmarks.comparisons import BenchmarkConfig, Comparison, rate
from meeting_agent.common.files import InputError, read_json
from meeting_agent.inference.bases import base_of_adapter
from meeting_agent.inference.chat_format import to_openai_message
from meeting_agent.inference.engine import Completion, Engine, Request
from meeting_agent.inference.loading import load_model, load_tokenizer, with_adapter
from meeting_agent.inference.prediction import MAX_ANSWER_TOKENS, chat_text, predict_probabilities
from meeting_agent.inference.prefix_cache import Memories
from meeting_agent.training.rows import IGNORED, prediction_row
from meeting_agent.world.predictor import MeetingPredictor
from meeting_agent.world.tools import tool_schemas
from starter_agentic_rlft import RLFTConfig, train_model_with_dpo
from starter_agentic_traces import MAX_ANSWER_TOKENS as MAX_TURN_TOKENS
from starter_agentic_traces import MAX_ITERATIONS, AgentToolLoop, AgentTraceCollector, Scenario, make_scenarios
from starter_sft import SFTConfig, load_base_with_adapter, read_rows, split_rows, target, train

FLOPS_SIZE = 2048
LAST_BENCHMARK_SEED = 900_000  # scenarios differ from repeat to repeat, so that nothing is answered from memory


def comparisons(config: BenchmarkConfig, parts: set[str]) -> Iterator[Comparison]:
    """Those of `PARTS` that `parts` names, in their order."""
    for name, part in PARTS.items():
        if name in parts:
            yield from part(config)


# ----------------------------------------------------------------------------- inference


class SequentialEngine:
    """The engine's interface over Hugging Face's `generate`: one conversation at a time, read anew at every turn."""

    def __init__(self, engine: Engine):
        self.model, self.tokenizer, self.device = engine.model, engine.tokenizer, engine.device
        self.unsaid = {*engine.end_ids, engine.tokenizer.pad_token_id}
        self.memories = Memories(1)

    def generate(self, requests: list[Request]) -> list[Completion]:
        return [self._one(r) for r in requests]

    def _one(self, request: Request) -> Completion:
        batch = self.tokenizer([request.prompt], add_special_tokens=False, return_tensors="pt").to(self.device)
        options = {"max_new_tokens": request.max_new_tokens, "do_sample": False}
        out = self.model.generate(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], **options)
        read = batch["input_ids"].shape[1]
        new = [t for t in out[0, read:].tolist() if t not in self.unsaid]
        return Completion(self.tokenizer.decode(new), read, len(new))


def check_holds_no_code(model_path: str) -> None:
    """Raises InputError unless adapter and base are folders here that bring no code for the peer to run."""
    for folder in (Path(model_path), Path(base_of_adapter(Path(model_path)))):
        configurations = "".join(p.read_text(encoding="utf-8") for p in folder.glob("*.json"))
        if not folder.is_dir() or any(folder.rglob("*.py")) or '"auto_map"' in configurations:
            raise InputError(
                f"{folder} is not on this machine or brings code of its own, which npcpy would run: benchmark an "
                "adapter over models/base"
            )


def npcpy_trajectory(model_path: str, tokenizer, scenario: Scenario) -> list[dict]:
    """One scenario by npcpy's own `lora` provider, which loads base and adapter at every turn.

    It gives the chat template no tools and drops the markers of a call from the answer, so the tools are listed in the
    system prompt here, and calls known by their JSON. It also loads with `trust_remote_code=True`, which is npcpy's own
    choice: `check_holds_no_code` comes first.
    """
    loop = AgentToolLoop(scenario.persona, model_path, "lora")
    opening = [{"role": "system", "content": loop.npc.primary_directive}]
    rendered = tokenizer.apply_chat_template(opening, tools=tool_schemas(), tokenize=False)
    directive = rendered.partition("system\n")[2].partition("<end_of_turn>")[0]
    messages: list[dict] = [
        {"role": "system", "content": directive},
        {"role": "user", "content": scenario.user_prompt},
    ]
    for _ in range(MAX_ITERATIONS):
        said = loop.npc.get_llm_response(None, messages=messages, max_tokens=MAX_TURN_TOKENS)["response"]
        text, marker, call = said.partition('{"name": ')
        answer = to_openai_message(f"{text}<tool_call>{marker}{call}</tool_call>" if marker else said)
        messages.append(answer)
        if not answer.get("tool_calls"):
            break
        messages += [{"role": "tool", "content": loop.call_tool(c)} for c in answer["tool_calls"]]
    return messages


def inference_comparisons(config: BenchmarkConfig) -> Iterator[Comparison]:
    check_holds_no_code(config.sft_model_path)
    predictor = MeetingPredictor(config.sft_model_path)
    engine = predictor.engine
    sequential = SequentialEngine(MeetingPredictor(config.sft_model_path, fp32=True).engine)  # the faster type there
    many, few = (128, 2) if config.quick else (256, 4)
    seeds = itertools.count(LAST_BENCHMARK_SEED)

    def rollouts(on, count: int, at_once: int) -> float:
        seed = next(seeds)
        scenarios = make_scenarios("evaluation", seed, count)

        def play_all() -> None:
            collector = AgentTraceCollector(predictor, scenarios, 0.0, seed)
            play = collector.agents_on(on)
            for _ in collector.collect(play, 1, "benchmark", at_once):
                pass

        return 60 * rate(count, play_all)

    def ours(_: int) -> float:
        return rollouts(engine, many, 128)

    def npcpy_lora(_: int) -> float:
        seed = next(seeds)
        scenarios = make_scenarios("evaluation", seed, few)
        AgentTraceCollector(predictor, scenarios, 0.0, seed)  # opens the tools' records
        predictor.predict_many([s.prediction_prompt for s in scenarios])
        with contextlib.redirect_stdout(io.StringIO()):
            return 60 * rate(
                few, lambda: [npcpy_trajectory(config.sft_model_path, engine.tokenizer, s) for s in scenarios]
            )

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

    checked = read_json(Path(config.sft_model_path) / "validation.json", "starter_sft.py")
    accuracies = {key: checked[key] for key in ("accuracy", "greedy_accuracy")}
    yield Comparison("predictor_vs_greedy", "scenarios/s", 30, expectations, greedy, accuracies)


# ----------------------------------------------------------------------------- training


def training_comparisons(config: BenchmarkConfig) -> Iterator[Comparison]:
    import torch

    rows = 300 if config.quick else 500
    base = SFTConfig().base_model_name
    split = split_rows(read_rows(config.sft_data_path, rows), seed=0)
    pairs = read_json(Path(config.pairs_path), "starter_agentic_rlft.py")[: 16 if config.quick else 32]
    tokenizer = load_tokenizer(base)
    prompts = [(r.input_text, target(r)) for r in split.train]
    tokens = sum(len(prediction_row(tokenizer, *p)["input_ids"]) for p in prompts)
    parameters = sum(p.numel() for p in load_model(base).parameters())
    held_out = [(r.input_text, target(r)) for r in split.selection]
    ours_held_out = [prediction_row(tokenizer, *p) for p in held_out]

    def our_sft(until: float = 0.0) -> float:
        """Seconds that phase 1 takes for one epoch, or until its held-out loss is at most `until`."""
        with tempfile.TemporaryDirectory() as folder:
            settings = SFTConfig(num_train_epochs=1, rehearsal_share=0.0, output_model_path=f"{folder}/sft")
            model, own_tokenizer = load_base_with_adapter(settings)
            goal = UntilLoss(lambda: completion_loss(model, ours_held_out), until)
            with contextlib.redirect_stdout(io.StringIO()):
                seconds = train(settings, split, model, own_tokenizer, [goal] if until else []).seconds
            return goal.seconds if until else seconds

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


class UntilLoss(TrainerCallback):
    """Ends training once `loss()`, taken at every step, is at most `goal`; the taking does not count as time."""

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
    """Mean cross-entropy of the answers' tokens; rows as `prediction_row` makes them."""
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
    """Seconds and held-out loss of an epoch of TRL's `SFTTrainer` as courses set it up.

    Batch 2 x 4, eager attention, padding, loss on all of the text, plain LoRA at the usual rate.
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


def default_dpo(base: str, adapter: str, pairs: list[dict]) -> float:
    """Pairs per second of TRL's `DPOTrainer` with its defaults: batch 1 x 2, the reference computed at every step."""
    import trl
    from datasets import Dataset

    def train_on_pairs() -> None:
        dataset = Dataset.from_list([{k: p[k] for k in ("prompt", "chosen", "rejected")} for p in pairs])
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


# ----------------------------------------------------------------------------- processes


def process_comparisons(config: BenchmarkConfig) -> Iterator[Comparison]:
    """Phase 2 under `accelerate launch` with two processes of one thread each, against one such process.

    Start-up is left out: it would say how long a run was chosen, and `growth` has it.
    """
    count = 48 if config.quick else 192
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
            summary = read_json(companion(traces, "summary"), "starter_agentic_traces.py")
        return 60 * summary["n"] / (summary["seconds"] - summary["start_up_seconds"])

    yield Comparison(
        "two_processes_vs_one",
        "trajectories/min",
        1.8,
        lambda repeat: trajectories(launch, {0, 1}, repeat),
        lambda repeat: trajectories([], {0}, repeat),
    )


PARTS = {"training": training_comparisons, "inference": inference_comparisons, "processes": process_comparisons}
