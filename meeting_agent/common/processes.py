"""Which of several processes this is: `accelerate launch` and `torchrun` start them, the phases share the work."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelerate import PartialState


def this_process() -> PartialState:
    """Accelerate's state, of one process where nothing launched more; on CPUs processes talk over gloo."""
    import torch
    from accelerate import PartialState

    return PartialState(cpu=not torch.cuda.is_available())


def is_first_process() -> bool:
    """Whether this is the process that writes and prints, told from what the launcher set, before torch is loaded."""
    return os.environ.get("RANK", "0") == "0"
