"""How time and memory of rollouts (phase 2) and of the evaluation (phase 3) grow with the number of scenarios."""

from __future__ import annotations

import tempfile
from pathlib import Path

from meeting_agent.agent.trajectory_file import companion
from meeting_agent.common.files import read_json
from meeting_agent.common.machine import peak_mebibytes

SIZES, QUICK_SIZES = (100, 1_000, 10_000), (32, 64)
# As little training as there can be before the evaluation, so that it takes neither its time nor its memory.
BARELY_TRAINED = ("--max_steps=1", "--per_device_train_batch_size=1", "--max_pairs=8", "--dialogue_share=0")


def growth(sft_model_path: str, traces_path: str, sizes: tuple[int, ...]) -> list[dict]:
    """Phase 2 with one sample a scenario, then phase 3's evaluation, in one process with each number of scenarios.

    traces_path: trajectories of that adapter, for phase 3 to take its few pairs from.
    Returns for each the phase, the scenarios, the seconds of start-up, in all and for each scenario after the start-up,
    and the peak memory in MiB. What one scenario takes counts as the evaluation's start-up: loading models, fitting
    baselines.
    Raises InputError if a phase fails.
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
