"""Which of several processes this is: `accelerate launch` and `torchrun` start them, the phases share the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelerate import PartialState


def this_process() -> PartialState:
    """Accelerate's state, of one process where nothing launched more; on CPUs processes talk over gloo."""
    import torch
    from accelerate import PartialState

    return PartialState(cpu=not torch.cuda.is_available())
