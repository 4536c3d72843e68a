"""How phase 2's time and memory grow with the number of scenarios."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from meeting_agent.files import InputError, read_json

SIZES, QUICK_SIZES = (100, 1_000, 10_000), (32, 64)


def growth(sft_model_path: str, sizes: tuple[int, ...]) -> list[dict]:
    """Phase 2 in one process with each number of scenarios, one sample each.

    Returns the scenarios, the seconds of start-up and in all, and the most memory that the process ever held, in MiB.
    """
    rows = []
    for count in sizes:
        with tempfile.TemporaryDirectory() as folder:
            traces = Path(folder) / "traces.json"
            process = subprocess.Popen(
                [
                    *(sys.executable, "starter_agentic_traces.py", f"--sft_model_path={sft_model_path}"),
                    *(f"--traces_path={traces}", f"--num_scenarios={count}", "--samples_per_scenario=1"),
                ],
                stdout=subprocess.DEVNULL,
            )
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise InputError(f"phase 2 with {count} scenarios ended with status {process.returncode}: see above")
            summary = read_json(traces.with_suffix(".summary.json"), "starter_agentic_traces.py")
        row = {"scenarios": summary["n"], "peak_mib": used.ru_maxrss / 1024}
        rows.append(row | {key: summary[key] for key in ("start_up_seconds", "seconds")})
    return rows


def seconds_each(row: dict) -> float:
    """What one scenario takes, start-up left out."""
    return (row["seconds"] - row["start_up_seconds"]) / row["scenarios"]
