"""What this machine computes with, and what the flags about that and about memory mean to the libraries."""

from __future__ import annotations

import os
from typing import Any

from meeting_agent.common.files import InputError

# oneDNN and PyTorch each keep the last 1,024 kernels, one for every shape, in bfloat16. A conversation's shapes hardly
# come again: 1,000 rollouts held 120 MiB more for that and took no less time.
for kernels in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
    os.environ.setdefault(kernels, "32")


def check_precision(bf16: bool, fp16: bool, fp32: bool) -> None:
    """Raises InputError for flags that exclude each other or that this machine cannot follow."""
    if bf16 + fp16 + fp32 > 1:
        raise InputError("--bf16, --fp16 and --fp32 exclude each other: give one")
    import torch

    if fp16 and not torch.cuda.is_available():
        raise InputError("--fp16 needs a GPU: on this machine take --bf16, or none of them")
    if bf16 and not computes_bfloat16():
        print("warning: this machine has no instructions for bfloat16: --bf16 will take many times as long", flush=True)


def computes_bfloat16() -> bool:
    """Whether this machine has instructions for bfloat16, which then takes less time than full precision."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    cpu = torch.cpu.get_capabilities()
    return bool(cpu.get("avx512_bf16") or cpu.get("amx_bf16"))


def answering_dtype(fp32: bool):
    """The `torch.dtype` that models answer in."""
    import torch

    return torch.bfloat16 if computes_bfloat16() and not fp32 else torch.float32


def trains_in_bfloat16(bf16: bool, fp16: bool, fp32: bool, pays_on_cpu: bool) -> bool:
    """Without a flag, whether the machine computes bfloat16 and is a GPU or the training gains by it on a CPU too."""
    import torch

    pays = pays_on_cpu or torch.cuda.is_available()
    return bf16 or (pays and answering_dtype(fp16 or fp32) == torch.bfloat16)


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
