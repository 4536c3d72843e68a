"""What the flags about memory mean to the libraries; phases 1 and 3 share them."""

from __future__ import annotations

from typing import Any

from meeting_agent.files import InputError


def check_precision(bf16: bool, fp16: bool) -> None:
    """Raises InputError for flags that exclude each other or that this machine cannot follow."""
    if bf16 and fp16:
        raise InputError("--bf16 and --fp16 exclude each other: give one")
    import torch

    if fp16 and not torch.cuda.is_available():
        raise InputError("--fp16 needs a GPU: on this machine take --bf16, or neither")


def precision(bf16: bool, fp16: bool) -> dict[str, Any]:
    """Trainer arguments; with neither flag bfloat16 where the GPU has it, else full precision."""
    import torch

    can_bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return {"bf16": bf16 or (can_bf16 and not fp16), "fp16": fp16}


def quantization(use_4bit: bool) -> dict[str, Any]:
    """Options that load a base model in 4 bits (QLoRA, Dettmers et al., 2023), on a GPU or, slower, on a CPU."""
    if not use_4bit:
        return {}
    import torch
    from transformers import BitsAndBytesConfig

    # A CPU can do bfloat16 too, but took four times as long for the embedded base.
    dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    return {"quantization_config": config}
