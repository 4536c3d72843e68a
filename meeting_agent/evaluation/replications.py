"""Repeats the whole pipeline with other seeds, each run in its own scratch folder. The report shows the table.

python -m meeting_agent.evaluation.replications --seeds 5,6 --physics_seed 1 --output build/physics-1.json
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meeting_agent.common.files import InputError, json_text, read_json, write_json
from meeting_agent.common.outputs import Output
from meeting_agent.common.settings import input_path, output_path, parse_settings, run_script, setting
from meeting_agent.evaluation.criteria import missed
from meeting_agent.evaluation.phase_runs import outputs_in, phase_command, run_all, threads_each

EVAL_SEED_OFFSET = 5300


@dataclass
class ReplicationConfig:
    """Settings of the replications."""

    seeds: str = setting("1,2,3,4,5,6", "comma-separated seeds; data, training and evaluation all change")
    physics_seed: int = setting(0, "physics of all these runs; 0 is the reference run's", 0, 2**32 - 1)
    recipe: str = input_path("recipes/embedded", "folder with the settings of the three phases")
    scratch: str = output_path("build/replications", "folder for the runs; a finished run is not repeated")
    jobs: int = setting(2, "number of parallel runs, which share the cores; a small model uses few cores", 1, 64)
    output: str = output_path("results/replications.json", "file for the table")


def phase_commands(recipe: Path, folder: Path, seed: int, physics_seed: int) -> list[list[str]]:
    """The commands of one run: the data generator and the three scripts with `recipe`. They write into `folder`.

    Phase 3 learns the physics from phase 2's summary.
    """
    data, outputs = folder / "data.csv", outputs_in(folder)
    adapter, traces = {"sft_model_path": outputs["sft"]["output_model_path"]}, outputs["traces"]
    generator = ["-m", "meeting_agent.world.training_data", "--seed", seed, "--physics_seed", physics_seed]
    settings: dict[str, dict[str, Any]] = {
        "sft": {"sft_data_path": data},
        "traces": adapter | {"physics_seed": physics_seed},
        "rlft": adapter | traces | {"data_seed": seed, "eval_seed": EVAL_SEED_OFFSET + seed},
    }
    return [[sys.executable, *map(str, generator), "--output", str(data)]] + [
        phase_command(phase, {"config": recipe / f"{phase}.yaml", "seed": seed} | own | outputs[phase])
        for phase, own in settings.items()
    ]


def main() -> None:
    config = parse_settings(ReplicationConfig, "Repeats the whole pipeline with other seeds.")
    try:
        seeds = [int(s) for s in config.seeds.split(",")]
    except ValueError:
        raise InputError(f"--seeds is {config.seeds!r}: give numbers like 1,2,3,4") from None
    output = Output("--output", config.output, "results")
    output.check()
    threads = threads_each(config.jobs)
    with ThreadPoolExecutor(config.jobs) as pool:
        rows = list(pool.map(lambda seed: replication(config, seed, threads), seeds))
    output.write(json_text(rows))


def replication(config: ReplicationConfig, seed: int, threads: int) -> dict:
    """The table row of one seed. Runs the pipeline unless the row is already on disk; its output goes to `run.log`.

    Raises InputError if a phase fails.
    """
    folder = Path(config.scratch) / Path(config.recipe).name / f"physics-{config.physics_seed}" / f"seed-{seed}"
    finished = folder / "row.json"
    if not finished.exists():
        commands = phase_commands(Path(config.recipe), folder, seed, config.physics_seed)
        seconds = run_all(commands, folder, threads, f"seed {seed}")
        write_json(finished, result_row(seed, folder) | {"physics_seed": config.physics_seed})
        print(f"seed {seed} done in {seconds:.0f} s", flush=True)
    return read_json(finished, "python -m meeting_agent.evaluation.replications")


def method(settings: dict) -> dict:
    """The settings of phase 3 without seeds and paths."""
    return {k: v for k, v in settings.items() if not k.endswith(("seed", "path", "dir"))}


def result_row(seed: int, folder: Path) -> dict:
    metrics = read_json(folder / "results" / "metrics.json", "starter_agentic_rlft.py")
    phases = {
        name: {key: metrics["phases"][name][key] for key in ("accuracy", "accuracy_ci95")}
        for name in ("base", "sft", "agent", "dpo")
    }
    paired = metrics["paired"]["dpo_vs_agent"]
    return {"seed": seed, **phases, "dpo_vs_agent_p": paired["p_value"], "dpo_vs_agent": paired["delta"]} | {
        "attainable": metrics["attainable"],
        "grounding": metrics["grounding"],
        "missed": missed(metrics),
        "rlft": method(metrics["run"]["settings"]["rlft"]),
    }


if __name__ == "__main__":
    run_script(main)
