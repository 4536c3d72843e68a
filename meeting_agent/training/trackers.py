"""Experiment trackers: any that Transformers' `report_to` supports.

A tracker must not stop a run. If it cannot start, an error is raised before the first step. If it fails later, one
warning is printed and training continues without it.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from meeting_agent.common.files import InputError


def check_reporter(name: str, output: Path) -> None:
    """Raises InputError unless `name` is "none" or a tracker that is installed and has a login if it needs one.

    Sets TENSORBOARD_LOGGING_DIR to a folder in `build/runs/` if it is not set. Transformers would write TensorBoard's
    files beside the checkpoints and delete them together.
    """
    if name == "none":
        return
    from transformers.integrations import get_reporting_integration_callbacks

    try:
        for callback in get_reporting_integration_callbacks(name):
            callback()
    except (ValueError, RuntimeError, ImportError) as error:
        raise InputError(f"--report_to is {name!r}: {str(error).splitlines()[0]}") from None
    if name in ("wandb", "all") and not knows_wandb_login():
        raise InputError(
            "--report_to is 'wandb', which has no login here: run `wandb login`, or set WANDB_API_KEY, or "
            "WANDB_MODE=offline"
        )
    os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(Path("build/runs") / output.name))


def knows_wandb_login() -> bool:
    """Whether Weights & Biases can start without asking for a login."""
    if os.environ.get("WANDB_MODE", "online") in ("offline", "disabled", "dryrun") or os.environ.get("WANDB_API_KEY"):
        return True
    try:
        import wandb

        return bool(wandb.login(prompt=False))
    except (ImportError, TypeError):
        return True  # another version of wandb; errors show when it starts


def guard_reporters(trainer: Any) -> None:
    """Keeps trackers from ending a training run.

    A tracker that fails at the start raises InputError. One that fails later prints a warning and is skipped.
    """
    from transformers.integrations import INTEGRATION_TO_CALLBACK

    kinds = tuple(INTEGRATION_TO_CALLBACK.values())
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, kinds):
            for event in [name for name in dir(callback) if name.startswith("on_")]:
                setattr(callback, event, _guarded(callback, event))


def _guarded(reporter: Any, event: str) -> Any:
    method = getattr(reporter, event)
    name = type(reporter).__name__.removesuffix("Callback")

    @functools.wraps(method)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if getattr(reporter, "has_failed", False):
            return None
        try:
            return method(*args, **kwargs)
        except Exception as error:  # a tracker's network, account or disk must not end the run
            says = f"{name} cannot be reported to ({type(error).__name__}: {(str(error).splitlines() or [''])[0]})"
            if event == "on_train_begin":
                raise InputError(f"{says}: see to it, or leave out --report_to") from None
            reporter.has_failed = True
            print(f"warning: {says}: training continues without it", flush=True)
            return None

    return guarded
