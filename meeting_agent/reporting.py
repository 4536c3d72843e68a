"""Where a training run reports to besides the terminal: whatever Transformers' `report_to` offers."""

from __future__ import annotations

import os
from pathlib import Path

from meeting_agent.files import InputError


def check_reporter(name: str, output: Path) -> None:
    """Raises InputError unless `name` is "none" or a reporter whose package is installed.

    TensorBoard's files go to `build/runs/` unless TENSORBOARD_LOGGING_DIR says otherwise: beside the checkpoints, where
    Transformers puts them, they would be deleted with these.
    """
    if name == "none":
        return
    from transformers.integrations import get_reporting_integration_callbacks

    try:
        for callback in get_reporting_integration_callbacks(name):
            callback()
    except (ValueError, RuntimeError, ImportError) as error:
        raise InputError(f"--report_to is {name!r}: {str(error).splitlines()[0]}") from None
    os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(Path("build/runs") / output.name))
