"""Describes the machine and the library versions, and measures the peak memory of a command."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import version

from meeting_agent.common.files import InputError

LIBRARIES = ("torch", "transformers", "peft", "trl", "npcpy", "litellm")


def machine() -> str:
    """The GPU's name, or the kind of processor and the number of its cores."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.machine()} CPU, {os.cpu_count()} cores"


def versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}


def peak_mebibytes(*command: str, quiet: bool = False) -> float:
    """Runs a Python script and returns its peak memory in MiB.

    Raises InputError if the script fails.
    """
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL if quiet else None)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise InputError(f"{' '.join(command)} ended with status {process.returncode}: see above")
    return usage.ru_maxrss / 1024
