"""Collects many rollouts and measures memory: no trajectory may be lost, and memory must not grow.

python -m meeting_agent.reliability.soak --scenarios 2000
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data_classes import Trajectory
from meeting_agent.agent.rollouts import RolloutCollector
from meeting_agent.agent.summary import summarize
from meeting_agent.common.settings import input_path, parse_settings, run_script, setting
from meeting_agent.conference import Conference
from meeting_agent.evaluation.agent_scores import agent_statistics
from meeting_agent.inference.predictor import Predictor
from meeting_agent.reliability.record import keep, open_record, record_setting
from meeting_agent.world.scenarios import make_scenarios

WARM_UP_BLOCKS = 4  # blocks in which the process still fills caches


@dataclass
class SoakConfig:
    """Settings of the harness."""

    sft_model_path: str = input_path("models/sft_prediction_model_gemma_270m", "the adapter that phase 1 wrote")
    scenarios: int = setting(2000, "scenarios to play once each", 1, 10_000_000)
    concurrent_agents: int = setting(64, "agents at work together", 1, 1024)
    seed: int = setting(7, "decides who meets, and the sampling", 0, 2**32 - 1)
    output: str = record_setting()


def resident_mebibytes() -> float:
    """The resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def soak(model: str, count: int, at_once: int, seed: int) -> dict:
    """Collects one rollout of `count` scenarios. Returns counts, memory in MiB and its relative growth."""
    started = time.monotonic()
    conference, predictor = Conference(), Predictor(model)
    collector = RolloutCollector(conference, predictor, make_scenarios("traces", seed, count), 1.0, seed)
    memory: list[float] = []
    names: set[str] = set()
    play = collector.agents_on(predictor.engine)

    def counted() -> Iterator[Trajectory]:
        for block in collector.collect(play, 1, "sft", at_once):
            names.update(trajectory.id for trajectory in block)
            memory.append(resident_mebibytes())
            yield from block

    statistics = agent_statistics(map(summarize, counted()), conference.call_range)
    steady = memory[min(WARM_UP_BLOCKS, len(memory) - 1)]
    return {
        "scenarios": count,
        "concurrent_agents": at_once,
        "trajectories": len(names),
        "completed_rate": statistics["completed_rate"],
        "seconds": round(time.monotonic() - started, 1),
        "memory_steady_mib": round(steady, 1),
        "memory_end_mib": round(memory[-1], 1),
        "memory_growth": round(memory[-1] / steady - 1.0, 4),
    }


def main() -> None:
    config = parse_settings(SoakConfig, __doc__.splitlines()[0])
    record = open_record(config.output)
    figures = soak(config.sft_model_path, config.scenarios, config.concurrent_agents, config.seed)
    keep("soak", figures, record)


if __name__ == "__main__":
    run_script(main)
