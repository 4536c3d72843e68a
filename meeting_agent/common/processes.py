"""The process's place among several: `accelerate launch` or `torchrun` starts them, and the phases share the work."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelerate import PartialState


def this_process() -> PartialState:
    """Accelerate's state. A single process if no launcher started more. On CPUs, processes communicate with gloo."""
    import torch
    from accelerate import PartialState

    return PartialState(cpu=not torch.cuda.is_available())


def is_first_process() -> bool:
    """Whether this process writes and prints. Reads the launcher's variable, so torch need not be loaded."""
    return os.environ.get("RANK", "0") == "0"
