"""Phase 2: agent trajectories. npcpy agents, driven by the phase 1 model, call tools before they recommend.

    python starter_agentic_traces.py                                   # 720 scenarios x 4 samples, in process
    python starter_agentic_traces.py --num_scenarios 20                # a quick look
    python starter_agentic_traces.py --attendees people.csv --meetings past.csv         # your own, not the simulator's
    python starter_agentic_traces.py --api_url http://localhost:8000/v1 --model qwen3   # any OpenAI-compatible server

Each scenario gets one of seven advisor personas. Several rollouts are sampled per scenario. They have the same prompt,
so phase 3 can compare what the agents did. Agents run in threads, and one engine in this process answers them in
batches.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from data_classes import Scenario, Trajectory
from meeting_agent.agent.answer_tally import AnswerTally, Notes, warn
from meeting_agent.agent.blocks import UnfinishedRollouts, block_count, play_missing_blocks
from meeting_agent.agent.environment import Environment, Tool
from meeting_agent.agent.loop import MAX_ANSWER_TOKENS, AgentLoop
from meeting_agent.agent.rollouts import CONCURRENT_AGENTS, RolloutCollector
from meeting_agent.agent.server_checks import check_failures, check_first_block, check_server
from meeting_agent.agent.summary import summarize
from meeting_agent.agent.tool_calls import no_prediction, tool_schemas
from meeting_agent.agent.trajectory_file import companion
from meeting_agent.common.files import (
    ADAPTER_WEIGHTS,
    InputError,
    digest,
    digests,
    write_json,
    write_json_array,
)
from meeting_agent.common.outputs import Output, check_outputs, complete_inputs
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
from meeting_agent.evaluation.agent_scores import agent_statistics
from meeting_agent.inference.bases import base_of_adapter, check_adapter, check_base
from meeting_agent.inference.predictor import Predictor
from meeting_agent.world.outcome import physics_setting
from meeting_agent.world.prompts import system_prompt_configurations
from meeting_agent.world.reward import CALL_PRICE, calculate_reward
from meeting_agent.world.tools import TOOLS

__all__ = [
    "TOOLS",
    "AgentToolLoop",
    "AgentTraceCollector",
    "calculate_reward",
    "generate_agent_traces_for_training",
    "system_prompt_configurations",
]

POLICY = "sft"  # the policy that acts is the phase 1 model


@dataclass
class TraceConfig:
    """Settings of phase 2."""

    sft_model_path: str = input_path("models/sft_prediction_model_gemma_270m", "the adapter that phase 1 wrote")
    traces_path: str = output_path("trajectories/agent_traces.json", "file for the trajectories")
    num_scenarios: int = setting(720, "number of meetings that agents are asked about", 1, 10_000_000)
    samples_per_scenario: int = setting(4, "number of rollouts per scenario", 1, 64)
    temperature: float = setting(0.7, "sampling temperature of the agents", 0.0, 5.0)
    max_answer_tokens: int = setting(
        MAX_ANSWER_TOKENS, "maximum number of tokens in one turn of an agent; reasoning models need more", 16, 8192
    )
    concurrent_agents: int = setting(
        CONCURRENT_AGENTS, "number of agents that run together; a killed run keeps every finished group", 1, 1024
    )
    seed: int = setting(42, "seed of the meetings, the personas and the sampling", 0, 2**32 - 1)
    physics_seed: int = physics_setting()
    outcome: str = setting("drawn", "what a reward compares with: drawn (what happened) or expected (the likelier)")
    call_price: float = setting(CALL_PRICE, "reward that every call beyond the second costs", 0.0, 0.2)
    fp32: bool = setting(False, "answer in full precision, even on hardware that supports bfloat16")
    api_url: str = setting("", "OpenAI-compatible server to run the agents on instead of the phase 1 model")
    model: str = setting("", "name of the model on that server")
    max_failed_share: float = setting(0.1, "share of a block's trajectories that the server may fail in", 0.0, 1.0)
    attendees: str = input_path("", "CSV of your own attendees instead of the simulator's; needs --meetings")
    meetings: str = input_path("", "CSV of their past meetings; phase 3 keeps some of them for the evaluation")
    overwrite: bool = overwrite_setting()


def main() -> None:
    config = parse_settings(TraceConfig, __doc__.splitlines()[0])
    generate_agent_traces_for_training(config)


def generate_agent_traces_for_training(config: TraceConfig, environment: Environment | None = None) -> dict:
    """Collects all rollouts, writes them to `traces_path`, and writes, prints and returns their summary.

    The default environment is the conference. Under `accelerate launch` each process runs its share of the blocks, and
    the first process joins them. Finished trajectories go to disk at once, so memory does not grow with their number.
    Raises InputError for unusable settings and for a server that fails too often.
    """
    task: Environment = environment or Conference.as_set(config.attendees, config.meetings, recorded(config))
    config = checked_config(config)
    first = next(task.scenarios("traces", config.seed, config.num_scenarios))[0]
    if config.api_url:
        check_server(task, first, config)
    started = time.monotonic()
    processes = this_process()
    # Loaded before anything is written, because the adapter may be broken.
    predictor = Predictor(config.sft_model_path, fp32=config.fp32)
    if not config.api_url:
        try_first_turns(task, first, predictor)
    made_from = {"adapter": digest(Path(config.sft_model_path) / ADAPTER_WEIGHTS)} | digests(**task.inputs)
    unfinished = UnfinishedRollouts(traces_output(config), {"settings": recorded(config)} | made_from, processes)
    notes = Notes()
    ready = play_all(task, config, predictor, unfinished, notes, processes)
    summary = agent_statistics(map(summarize, unfinished.trajectories()), task.call_range)
    summary["settings"] = recorded(config)
    if processes.is_main_process:
        tally = AnswerTally(unfinished.trajectories(), notes)
        if tally.tool_failures:
            summary["tool_failures"] = dict(tally.tool_failures)
        summary["start_up_seconds"] = (ready or time.monotonic()) - started
        write_traces(config, unfinished, summary, made_from, started)
        print_statistics(summary, task.call_range)
        for line in tally.warnings(config.max_answer_tokens, bool(config.api_url)):
            warn(line)
        print(f"{summary['n']} trajectories in {config.traces_path}, {summary['seconds']:.0f} s")
    processes.wait_for_everyone()
    unfinished.delete()
    return summary


def play_all(
    task: Environment,
    config: TraceConfig,
    predictor: Predictor,
    unfinished: UnfinishedRollouts,
    notes: Notes,
    processes,
) -> float | None:
    """Runs the blocks that are not on disk yet.

    Returns the time (`time.monotonic`) at which the first agents were ready, or None if no block was missing.
    """
    samples, at_once = config.samples_per_scenario, config.concurrent_agents
    ready: list[float] = []

    def play(scenarios: list[Scenario], wanted: list[int]) -> Iterator[list[Trajectory]]:
        collector = RolloutCollector(
            task, predictor, scenarios, config.temperature, config.seed, config.max_answer_tokens, notes
        )
        agents = collector.agents_on(predictor.engine, config.api_url, config.model)
        ready.append(time.monotonic())
        for block in collector.collect(agents, samples, POLICY, at_once, wanted):
            check_failures(block, config, notes.words)
            if not notes.checked:
                check_first_block(block, config, notes, may_speak=total > 1 and processes.is_main_process)
            yield block

    total = sum(block_count(count, samples, at_once) for count in task.sizes("traces", config.num_scenarios))
    parts = (
        (block_count(len(scenarios), samples, at_once), partial(play, scenarios))
        for scenarios in task.scenarios("traces", config.seed, config.num_scenarios)
    )
    play_missing_blocks(parts, total, unfinished, processes)
    return ready[0] if ready else None


def write_traces(
    config: TraceConfig, unfinished: UnfinishedRollouts, summary: dict, made_from: dict, started: float
) -> None:
    """Writes the trajectories and their summary. Adds `seconds` and the inputs' SHA-256 digests to the summary."""
    output = traces_output(config)
    with output.writing() as folder:
        traces, summary_path = (folder / name for name in output.names)
        write_json_array(traces, (rollout.to_json() for rollout in unfinished.trajectories()))
        summary["seconds"] = time.monotonic() - started
        summary["sha256"] = made_from | {"traces": digest(traces)}
        write_json(summary_path, summary)


def try_first_turns(task: Environment, scenario: Scenario, predictor: Predictor) -> None:
    """Makes one prediction and runs an agent's first two turns, so that errors show before anything is written."""
    from meeting_agent.training.dry_run import try_agent, try_predictions

    try_predictions(predictor.engine, [scenario.prediction_prompt])
    tools = tool_schemas(task.tools([], no_prediction))
    try_agent(predictor.engine, scenario.system_prompt, scenario.user_prompt, tools)


def checked_config(config: TraceConfig) -> TraceConfig:
    """The settings, with the server's address in the form that the OpenAI client expects.

    Raises InputError for settings that do not fit together and for paths that cannot be used.
    """
    complete_inputs(config.sft_model_path)
    check_adapter(config.sft_model_path)
    if bool(config.api_url) != bool(config.model):
        raise InputError("--api_url and --model go together: give both or neither")
    check_base(Path(config.sft_model_path))
    inputs = {f"--{name}": getattr(config, name) for name in ("sft_model_path", "attendees", "meetings")}
    base = {"the base model": base_of_adapter(Path(config.sft_model_path))}
    check_outputs([traces_output(config)], inputs | base)
    if not config.api_url:
        return config
    from meeting_agent.servers.client import plain_api_url

    return replace(config, api_url=plain_api_url(config.api_url))


def traces_output(config: TraceConfig) -> Output:
    path = Path(config.traces_path)
    names = [companion(path, "summary").name]
    return Output("--traces_path", path, "trajectories", beside=names, overwrite=config.overwrite)


# ----------------------------------------------------------------------------- as the course calls them


class AgentToolLoop(AgentLoop):
    """An agent of the conference. `persona` selects the system prompt. The default tools know no attendees."""

    def __init__(self, persona: str, model: str, provider: str, *settings, tools: Sequence[Tool] = TOOLS, **more):
        super().__init__(persona, system_prompt_configurations[persona], tools, model, provider, *settings, **more)


class AgentTraceCollector(RolloutCollector):
    """Collects rollouts of the conference's scenarios."""

    def __init__(self, predictor: Predictor, scenarios: list[Scenario], temperature: float, seed: int, *settings):
        super().__init__(Conference(), predictor, scenarios, temperature, seed, *settings)


def print_statistics(summary: dict, call_range: tuple[int, int]) -> None:
    fewest, most = call_range
    print(f"accuracy {summary['accuracy']:.3f}, reward {summary['reward']:.3f}", end=", ")
    print(f"completed {summary['completed_rate']:.1%}", end=", ")
    print(f"{fewest} to {most} calls {summary['calls_in_range_rate']:.1%}", end=", ")
    print(f"{summary['calls_mean']:.2f} calls on average, claims grounded {summary['grounded_claim_rate']:.1%}")


def command() -> None:
    """`meeting-traces`: errors that the user can mend are one line."""
    run_script(main)


if __name__ == "__main__":
    command()
