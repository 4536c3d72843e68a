"""How time and memory of rollouts (phase 2) and of the evaluation (phase 3) grow with the number of scenarios."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from meeting_agent.agent.trajectory_file import companion
from meeting_agent.common.files import InputError, read_json

SIZES, QUICK_SIZES = (100, 1_000, 10_000), (32, 64)
# As little training as there can be before the evaluation, so that it takes neither its time nor its memory.
BARELY_TRAINED = ("--max_steps=1", "--per_device_train_batch_size=1", "--max_pairs=8", "--dialogue_share=0")


def growth(sft_model_path: str, traces_path: str, sizes: tuple[int, ...]) -> list[dict]:
    """Phase 2 with one sample a scenario, then phase 3's evaluation, in one process with each number of scenarios.

    traces_path: trajectories of that adapter, for phase 3 to take its few pairs from.
    Returns for each the phase, the scenarios, the seconds of start-up and in all, and the peak memory in MiB. What one
    scenario takes counts as the evaluation's start-up: loading models, fitting baselines.
    Raises InputError if a phase fails.
    """
    rows = [rollouts(sft_model_path, size) for size in sizes]
    start_up = evaluation(sft_model_path, traces_path, 1)["seconds"]
    return rows + [evaluation(sft_model_path, traces_path, size) | {"start_up_seconds": start_up} for size in sizes]


def rollouts(sft_model_path: str, scenarios: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        traces = Path(folder) / "traces.json"
        peak = peak_mebibytes(
            [
                *("starter_agentic_traces.py", f"--sft_model_path={sft_model_path}", f"--traces_path={traces}"),
                *(f"--num_scenarios={scenarios}", "--samples_per_scenario=1"),
            ]
        )
        summary = read_json(companion(traces, "summary"), "starter_agentic_traces.py")
    figures = {key: summary[key] for key in ("start_up_seconds", "seconds")}
    return {"phase": "rollouts", "scenarios": scenarios, "peak_mib": peak} | figures


def evaluation(sft_model_path: str, traces_path: str, scenarios: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        peak = peak_mebibytes(
            [
                *("starter_agentic_rlft.py", f"--sft_model_path={sft_model_path}", f"--traces_path={traces_path}"),
                *(
                    f"--pairs_path={folder}/pairs.json",
                    f"--adapter_path={folder}/dpo",
                    f"--results_dir={folder}/results",
                ),
                *(f"--num_eval_scenarios={scenarios}", *BARELY_TRAINED),
            ]
        )
        timing = read_json(Path(folder) / "results" / "metrics.json", "starter_agentic_rlft.py")["timing"]
    return {
        "phase": "evaluation",
        "scenarios": scenarios,
        "peak_mib": peak,
        "seconds": timing["evaluation_seconds"],
    }


def peak_mebibytes(command: list[str]) -> float:
    """Runs a script to its end and returns the most memory that it held; raises InputError if it fails."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise InputError(f"{' '.join(command)} ended with status {process.returncode}: see above")
    return usage.ru_maxrss / 1024


def seconds_each(row: dict) -> float:
    """What one scenario takes, start-up left out."""
    return (row["seconds"] - row["start_up_seconds"]) / row["scenarios"]
