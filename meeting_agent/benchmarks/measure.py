"""One comparison: our implementation and a peer, in alternation on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from meeting_agent.common.settings import input_path, output_path, setting

REPEATS, QUICK_REPEATS = 5, 1


@dataclass
class BenchmarkConfig:
    """Settings of the benchmark."""

    sft_model_path: str = input_path("models/sft_prediction_model_gemma_270m", "the adapter that phase 1 wrote")
    recipe: str = input_path("recipes/embedded", "folder with the settings of the phases")
    pairs_path: str = input_path("trajectories/preference_pairs.json", "preference pairs to train on")
    traces_path: str = input_path("trajectories/agent_traces.json", "trajectories of that adapter")
    output: str = output_path("results/benchmark.json", "file for the results; the plot goes beside it")
    quick: bool = setting(False, "fewer and smaller repeats")
    parts: str = setting(
        "training,inference,processes,growth", "comma-separated parts to run; other parts keep their earlier results"
    )


@dataclass(frozen=True)
class Comparison:
    """`ours` and `peer` take the number of the repeat, do some work and return its rate in `unit`.

    `bar` is the smallest ratio that meets the target. `also` holds further results, such as the loss that both reach.
    """

    name: str
    unit: str
    bar: float
    ours: Callable[[int], float]
    peer: Callable[[int], float]
    also: dict[str, float] = field(default_factory=dict)


def rate(amount: float, work: Callable[[], object]) -> float:
    """`amount` per second of `work`."""
    started = time.perf_counter()
    work()
    return amount / (time.perf_counter() - started)


def measured(comparison: Comparison, repeats: int) -> dict:
    """Medians and the range of the ratio over `repeats`. Repeat 0 is a warm-up and does not count."""
    rates = [(comparison.ours(i), comparison.peer(i)) for i in range(repeats + 1)][1:]
    ratios = [ours / peer for ours, peer in rates]
    return {
        "name": comparison.name,
        "unit": comparison.unit,
        "ours": statistics.median(ours for ours, _ in rates),
        "peer": statistics.median(peer for _, peer in rates),
        "ratio": statistics.median(ratios),
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
        "repeats": repeats,
        "bar": comparison.bar,
    } | comparison.also
