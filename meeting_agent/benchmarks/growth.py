"""Measures how time and memory of phase 2 and of phase 3's evaluation grow with the number of scenarios."""

from __future__ import annotations

import tempfile
from pathlib import Path

from meeting_agent.agent.trajectory_file import companion
from meeting_agent.common.files import read_json
from meeting_agent.common.machine import peak_mebibytes

SIZES, QUICK_SIZES = (100, 1_000, 10_000), (32, 64)
# The least possible training before the evaluation, so that training does not affect its time and memory.
BARELY_TRAINED = ("--max_steps=1", "--per_device_train_batch_size=1", "--max_pairs=8", "--dialogue_share=0")


def growth(sft_model_path: str, traces_path: str, sizes: tuple[int, ...]) -> list[dict]:
    """Runs phase 2 (one rollout per scenario) and phase 3's evaluation in one process for each number of scenarios.

    `traces_path` holds trajectories of the adapter, from which phase 3 makes its few pairs.
    Returns rows with `phase`, `scenarios`, `start_up_seconds`, `seconds` (total), `seconds_each` (per scenario, after
    the start-up) and `peak_mib` (peak memory in MiB). The evaluation's start-up is its time for a single scenario; it
    is mostly loading models and fitting baselines. Raises InputError if a phase fails.
    """
    rows = [rollouts(sft_model_path, size) for size in sizes]
    start_up = evaluation(sft_model_path, traces_path, 1)["seconds"]
    rows += [evaluation(sft_model_path, traces_path, size) | {"start_up_seconds": start_up} for size in sizes]
    return [row | {"seconds_each": (row["seconds"] - row["start_up_seconds"]) / row["scenarios"]} for row in rows]


def rollouts(sft_model_path: str, scenarios: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        traces = Path(folder) / "traces.json"
        peak = peak_mebibytes(
            *("starter_agentic_traces.py", f"--sft_model_path={sft_model_path}", f"--traces_path={traces}"),
            *(f"--num_scenarios={scenarios}", "--samples_per_scenario=1"),
            quiet=True,
        )
        summary = read_json(companion(traces, "summary"), "starter_agentic_traces.py")
    figures = {key: summary[key] for key in ("start_up_seconds", "seconds")}
    return {"phase": "rollouts", "scenarios": scenarios, "peak_mib": peak} | figures


def evaluation(sft_model_path: str, traces_path: str, scenarios: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        peak = peak_mebibytes(
            *("starter_agentic_rlft.py", f"--sft_model_path={sft_model_path}", f"--traces_path={traces_path}"),
            *(f"--pairs_path={folder}/pairs.json", f"--adapter_path={folder}/dpo", f"--results_dir={folder}/results"),
            *(f"--num_eval_scenarios={scenarios}", *BARELY_TRAINED),
            quiet=True,
        )
        timing = read_json(Path(folder) / "results" / "metrics.json", "starter_agentic_rlft.py")["timing"]
    return {
        "phase": "evaluation",
        "scenarios": scenarios,
        "peak_mib": peak,
        "seconds": timing["evaluation_seconds"],
    }
