"""Runs the three phases as programs of their own in scratch folders. Replications and ablations share it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from meeting_agent.common.files import InputError

SCRIPTS = {"sft": "starter_sft.py", "traces": "starter_agentic_traces.py", "rlft": "starter_agentic_rlft.py"}


def outputs_in(folder: Path) -> dict[str, dict[str, Path]]:
    """Phase -> the settings that name its outputs, with a place for each in `folder`."""
    return {
        "sft": {"output_model_path": folder / "sft"},
        "traces": {"traces_path": folder / "agent_traces.json"},
        "rlft": {
            "pairs_path": folder / "preference_pairs.json",
            "adapter_path": folder / "dpo",
            "results_dir": folder / "results",
        },
    }


def evaluation_of(pairs: Path) -> Path:
    """The file in which phase 3 leaves the rollouts of its evaluation, beside its pairs."""
    return pairs.with_name("evaluation_traces.json")


def phase_command(phase: str, settings: Mapping[str, Any]) -> list[str]:
    """The command line that runs a phase ("sft", "traces" or "rlft"). Empty settings are left to their defaults."""
    words: list[Any] = [sys.executable, SCRIPTS[phase]]
    for name, value in settings.items():
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
        elif value != "":
            words += [f"--{name}", value]
    return [str(word) for word in words]


def threads_each(jobs: int) -> int:
    """The number of threads that each of `jobs` runs may use when they share this machine."""
    return max(1, (os.cpu_count() or 1) // jobs)


def run_all(commands: Sequence[Sequence[str]], folder: Path, threads: int, who: str) -> float:
    """Runs commands one after the other and returns the seconds they took. Their output goes to `run.log` in `folder`.

    Raises InputError, which names `who` and the log, if one of them fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    with (folder / "run.log").open("w", encoding="utf-8") as log:
        for command in commands:
            done = subprocess.run(command, check=False, env=environment, stdout=log, stderr=subprocess.STDOUT)
            if done.returncode != 0:
                raise InputError(f"{who}: {' '.join(command[1:3])} failed, see {folder / 'run.log'}")
    return time.monotonic() - started
