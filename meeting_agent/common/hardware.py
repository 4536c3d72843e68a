"""Precision and quantization: what this machine supports, and how the flags translate for the libraries."""

from __future__ import annotations

import os
from typing import Any

from meeting_agent.common.files import InputError

# In bfloat16, oneDNN and PyTorch each cache the last 1,024 kernels, one per tensor shape. The shapes of conversations
# rarely repeat: over 1,000 rollouts the caches took 120 MiB and saved no time.
for kernels in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
    os.environ.setdefault(kernels, "32")


def check_precision(bf16: bool, fp16: bool, fp32: bool) -> None:
    """Raises InputError for flags that exclude each other or that this machine does not support."""
    if bf16 + fp16 + fp32 > 1:
        raise InputError("--bf16, --fp16 and --fp32 exclude each other: give one")
    import torch

    if fp16 and not torch.cuda.is_available():
        raise InputError("--fp16 needs a GPU: on this machine use --bf16 or neither")
    if bf16 and not computes_bfloat16():
        print("warning: this machine has no instructions for bfloat16: --bf16 will take many times as long", flush=True)


def computes_bfloat16() -> bool:
    """Whether this machine has instructions for bfloat16, so that bfloat16 is faster than full precision."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    cpu = torch.cpu.get_capabilities()
    return bool(cpu.get("avx512_bf16") or cpu.get("amx_bf16"))


def answering_dtype(fp32: bool):
    """The `torch.dtype` of inference."""
    import torch

    return torch.bfloat16 if computes_bfloat16() and not fp32 else torch.float32


def trains_in_bfloat16(bf16: bool, fp16: bool, fp32: bool, pays_on_cpu: bool) -> bool:
    """Whether to train in bfloat16.

    Without a flag this is true if the machine supports bfloat16 and either is a GPU or `pays_on_cpu` is set, which says
    that this training is faster in bfloat16 on a CPU too.
    """
    import torch

    pays = pays_on_cpu or torch.cuda.is_available()
    return bf16 or (pays and answering_dtype(fp16 or fp32) == torch.bfloat16)


def quantization(use_4bit: bool) -> dict[str, Any]:
    """Keyword arguments that load a base model in 4 bits (QLoRA, Dettmers et al., 2023). Works on a CPU, but slowly."""
    if not use_4bit:
        return {}
    import torch
    from transformers import BitsAndBytesConfig

    # On a CPU, bfloat16 works too but took four times as long for the embedded base.
    dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    return {"quantization_config": config}
