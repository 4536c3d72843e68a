"""How phase 2's time grows with the number of scenarios; `reliability/soak.py` watches memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from meeting_agent.files import InputError, read_json

SIZES, QUICK_SIZES = (100, 1_000, 10_000), (32, 64)


def growth(sft_model_path: str, sizes: tuple[int, ...]) -> list[dict]:
    """Phase 2 in one process with each number of scenarios, one sample each.

    Returns the scenarios and the seconds of start-up and in all; raises InputError if the phase fails.
    """
    rows = []
    for count in sizes:
        with tempfile.TemporaryDirectory() as folder:
            traces = Path(folder) / "traces.json"
            done = subprocess.run(
                [
                    *(sys.executable, "starter_agentic_traces.py", f"--sft_model_path={sft_model_path}"),
                    *(f"--traces_path={traces}", f"--num_scenarios={count}", "--samples_per_scenario=1"),
                ],
                stdout=subprocess.DEVNULL,
                check=False,
            )
            if done.returncode:
                raise InputError(f"phase 2 with {count} scenarios ended with status {done.returncode}: see above")
            summary = read_json(traces.with_suffix(".summary.json"), "starter_agentic_traces.py")
        rows.append({"scenarios": summary["n"]} | {key: summary[key] for key in ("start_up_seconds", "seconds")})
    return rows


def seconds_each(row: dict) -> float:
    """What one scenario takes, start-up left out."""
    return (row["seconds"] - row["start_up_seconds"]) / row["scenarios"]
