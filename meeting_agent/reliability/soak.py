"""Collects many rollouts and measures memory: no trajectory may be lost, and memory must not grow.

python -m meeting_agent.reliability.soak --scenarios 2000
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from data_classes import Trajectory
from meeting_agent.agent.rollouts import RolloutCollector
from meeting_agent.agent.summary import summarize
from meeting_agent.conference import Conference
from meeting_agent.evaluation.agent_scores import agent_statistics
from meeting_agent.inference.predictor import Predictor
from meeting_agent.reliability.record import RECORD, keep, open_record
from meeting_agent.world.scenarios import make_scenarios

WARM_UP_BLOCKS = 4  # blocks in which the process still fills caches


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="models/sft_prediction_model_gemma_270m")
    parser.add_argument("--scenarios", type=int, default=2000)
    parser.add_argument("--concurrent_agents", type=int, default=64)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--output", type=Path, default=RECORD)
    arguments = parser.parse_args()
    record = open_record(arguments.output)
    keep(
        "soak",
        soak(arguments.model, arguments.scenarios, arguments.concurrent_agents, arguments.seed),
        record,
    )


if __name__ == "__main__":
    main()
