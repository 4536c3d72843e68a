"""Signed checkpoints: after a kill or a power cut, training resumes only from a complete checkpoint.

Transformers' `Trainer` writes a checkpoint file by file, and a power cut may leave some files empty or truncated. So
each folder is signed when its bytes are on the disk: `signature.json` holds the SHA-256 of every file.
"""

from __future__ import annotations

import json
from pathlib import Path

from transformers import TrainerCallback

from meeting_agent.common.files import digest, write_json
from meeting_agent.common.manifest import sync_file
from meeting_agent.common.processes import is_first_process, this_process

SIGNATURE = "signature.json"


class SignCheckpoints(TrainerCallback):
    """Signs every checkpoint of a trainer after all processes have written their part."""

    def on_save(self, args, state, control, **kwargs):
        this_process().wait_for_everyone()
        if state.is_world_process_zero:
            sign(Path(args.output_dir) / f"checkpoint-{state.global_step}")


def sign(folder: Path) -> None:
    """Flushes the files of a folder to the disk, then records their SHA-256 in `signature.json`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SIGNATURE)
    for path in files:
        sync_file(path)
    write_json(folder / SIGNATURE, {path.relative_to(folder).as_posix(): digest(path) for path in files})


def is_whole(folder: Path) -> bool:
    """Whether a folder is signed and all signed files are unchanged."""
    try:
        signed = json.loads((folder / SIGNATURE).read_text(encoding="utf-8"))
        return all(digest(folder / name) == sha for name, sha in signed.items())
    except (OSError, ValueError, AttributeError):
        return False


def last_whole_checkpoint(folder: Path) -> str | None:
    """The latest checkpoint that training can resume from, or None.

    It must be complete, and so must the best checkpoint that it refers to. Prints a warning that lists the damaged
    checkpoints it skips.
    """
    passed_over = []
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=step_of, reverse=True):
        if can_go_on(checkpoint):
            break
        passed_over.append(checkpoint.name)
    else:
        checkpoint = None
    if passed_over and is_first_process():
        then = f"goes on from {checkpoint.name}" if checkpoint else "starts anew"
        print(f"warning: {', '.join(passed_over)} in {folder} cut short or damaged: {then}", flush=True)
    return str(checkpoint) if checkpoint else None


def step_of(checkpoint: Path) -> int:
    number = checkpoint.name.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1


def can_go_on(checkpoint: Path) -> bool:
    if not is_whole(checkpoint):
        return False
    state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    best = state.get("best_model_checkpoint")
    return best is None or is_whole(checkpoint.with_name(Path(best).name))
