"""Checkpoints of a training run that may be killed: named for what made them, used only when whole.

They lie beside the output, in `.NAME.unfinished`, until everything that the phase writes is in its place.
"""

from __future__ import annotations

import json
from pathlib import Path

from meeting_agent.files import fingerprint


def checkpoint_folder(output: Path, settings: dict, *inputs: Path) -> Path:
    """Where a run with these settings and input files keeps its checkpoints: no other run goes on with them."""
    return unfinished_folder(output) / fingerprint(settings, *inputs)


def unfinished_folder(output: Path) -> Path:
    return output.with_name(f".{output.name}.unfinished")


def last_whole_checkpoint(folder: Path) -> str | None:
    """The latest checkpoint that Transformers' `Trainer` finished writing: it writes `trainer_state.json` last."""
    steps = {}
    for path in folder.glob("checkpoint-*"):
        try:
            steps[json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))["global_step"]] = str(path)
        except (OSError, ValueError, KeyError):
            continue
    return steps[max(steps)] if steps else None
