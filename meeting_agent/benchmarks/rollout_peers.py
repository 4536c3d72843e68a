"""Simple implementations of inference and rollouts, which most people would write first, compared with ours."""

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

from data_classes import Scenario
from meeting_agent.agent.environment import Tool
from meeting_agent.agent.loop import MAX_ANSWER_TOKENS as MAX_TURN_TOKENS
from meeting_agent.agent.loop import MAX_ITERATIONS, AgentLoop
from meeting_agent.agent.rollouts import RolloutCollector
from meeting_agent.agent.tool_calls import tool_schemas
from meeting_agent.agent.trajectory_file import companion
from meeting_agent.benchmarks.measure import BenchmarkConfig, Comparison, rate
from meeting_agent.common.files import InputError, read_json
from meeting_agent.conference import Conference
from meeting_agent.inference.bases import base_of_adapter
from meeting_agent.inference.chat_format import to_openai_message
from meeting_agent.inference.engine import Completion, Engine, Request
from meeting_agent.inference.prediction import MAX_ANSWER_TOKENS, chat_text, predict_probabilities
from meeting_agent.inference.predictor import Predictor
from meeting_agent.inference.prefix_cache import PrefixCache
from meeting_agent.world.scenarios import make_scenarios

LAST_BENCHMARK_SEED = 900_000  # every repeat has other scenarios, so that no cache helps


# ----------------------------------------------------------------------------- inference


class SequentialEngine:
    """The engine's interface with Hugging Face's `generate`: one conversation at a time, without a prefix cache."""

    def __init__(self, engine: Engine):
        self.model, self.tokenizer, self.device = engine.model, engine.tokenizer, engine.device
        self.unsaid = {*engine.end_ids, engine.tokenizer.pad_token_id}
        self.prefix_cache = PrefixCache(1)

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
    """Raises InputError unless adapter and base are local folders without code that the peer would run."""
    for folder in (Path(model_path), Path(base_of_adapter(Path(model_path)))):
        configurations = "".join(p.read_text(encoding="utf-8") for p in folder.glob("*.json"))
        if not folder.is_dir() or any(folder.rglob("*.py")) or '"auto_map"' in configurations:
            raise InputError(
                f"{folder} is not on this machine or brings code of its own, which npcpy would run: benchmark an "
                "adapter over models/base"
            )


def npcpy_trajectory(model_path: str, tokenizer, scenario: Scenario, tools: list[Tool]) -> list[dict]:
    """One rollout with npcpy's own `lora` provider, which loads base and adapter at every turn.

    The provider passes no tools to the chat template and drops the markers of a call. So we list the tools in the
    system prompt and recognize calls by their JSON. The provider also loads with `trust_remote_code=True`, so
    `check_holds_no_code` must run first.
    """
    loop = AgentLoop(scenario.persona, scenario.system_prompt, tools, model_path, "lora")
    opening = [{"role": "system", "content": loop.npc.primary_directive}]
    rendered = tokenizer.apply_chat_template(opening, tools=tool_schemas(tools), tokenize=False)
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
    environment, predictor = Conference(), Predictor(config.sft_model_path)
    engine = predictor.engine
    sequential = SequentialEngine(Predictor(config.sft_model_path, fp32=True).engine)  # fp32 is faster for this peer
    many, few = (128, 2) if config.quick else (256, 4)
    seeds = itertools.count(LAST_BENCHMARK_SEED)

    def rollouts(on, count: int, at_once: int) -> float:
        seed = next(seeds)
        scenarios = make_scenarios("evaluation", seed, count)

        def play_all() -> None:
            collector = RolloutCollector(environment, predictor, scenarios, 0.0, seed)
            play = collector.agents_on(on)
            for _ in collector.collect(play, 1, "benchmark", at_once):
                pass

        return 60 * rate(count, play_all)

    def ours(_: int) -> float:
        return rollouts(engine, many, 128)

    def npcpy_lora(_: int) -> float:
        seed = next(seeds)
        scenarios = make_scenarios("evaluation", seed, few)
        tools = environment.tools(scenarios, predictor.predict_prompt)
        predictor.predict_many([s.prediction_prompt for s in scenarios])
        with contextlib.redirect_stdout(io.StringIO()):
            return 60 * rate(
                few, lambda: [npcpy_trajectory(config.sft_model_path, engine.tokenizer, s, tools) for s in scenarios]
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


# ----------------------------------------------------------------------------- processes


def process_comparisons(config: BenchmarkConfig) -> Iterator[Comparison]:
    """Phase 2 under `accelerate launch` with two processes of one thread each, compared with one such process.

    The start-up does not count, because its share depends on the length of the run. `growth` measures it.
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
