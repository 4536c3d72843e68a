"""Fast LoRA training in bfloat16 on a CPU, where matrix products are cheap and all other operations are slow.

Each adapter is added to its layer's weight before the product, instead of a second product per token. Attention is
computed with matrix products, because the gradient of PyTorch's flash attention is slow in bfloat16.
"""

from __future__ import annotations

from types import MethodType
from typing import Any, cast

import torch
from peft.tuners.lora import Linear
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION = "products"
MAX_TOKENS = 768  # our attention keeps every score for the gradient; longer rows use flash attention, which keeps none


def use_few_passes(model) -> None:
    """Makes a PEFT model with LoRA use these forward passes under autocast. Its weights and files do not change."""
    for module in model.modules():
        if isinstance(module, Linear) and type(module.base_layer) is torch.nn.Linear:
            cast(Any, module).forward = MethodType(_merged_forward, module)
    if model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(ATTENTION)


def _merged_forward(self: Any, x: torch.Tensor) -> torch.Tensor:
    """A LoRA layer's output for `x` (..., inputs), from one product with the merged weight.

    Dropout drops the same inputs of the adapter for all tokens of a batch, because the merged weight is shared.
    """
    if self.disable_adapters or len(self.active_adapters) != 1:
        return Linear.forward(self, x)
    (name,) = self.active_adapters
    a, b = self.lora_A[name].weight, self.lora_B[name].weight
    p = getattr(self.lora_dropout[name], "p", 0.0)
    if self.training and p:
        a = a * ((torch.rand(a.shape[1], device=a.device) >= p) / (1 - p))
    with torch.autocast(x.device.type, enabled=False):
        weight = torch.addmm(self.base_layer.weight, b, a, alpha=self.scaling[name])
    return torch.nn.functional.linear(x, weight, self.base_layer.bias)


def attention_by_products(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **options):
    """Attention with the interface of Transformers: (rows, heads, tokens, size) in, (rows, tokens, heads, size) out.

    Query heads that share a key head (grouped-query attention, Ainslie et al., 2023) are computed in one product.
    """
    rows, heads, tokens, size = query.shape
    kind = query.device.type
    masked_by_numbers = attention_mask is not None and attention_mask.dtype != torch.bool
    if key.shape[2] > MAX_TOKENS or dropout or masked_by_numbers or not torch.is_autocast_enabled(kind):
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **options)
    scaled = query * (size**-0.5 if scaling is None else scaling)
    scores = scaled.reshape(rows, key.shape[1], -1, size) @ key.transpose(2, 3)
    if attention_mask is None:
        attention_mask = torch.ones(tokens, key.shape[2], dtype=torch.bool, device=query.device).tril()
    seen = scores.view(rows, heads, tokens, -1).masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
    with torch.autocast(kind, enabled=False):  # autocast would run the softmax in full precision
        shares = seen.softmax(-1).view_as(scores)
    return (shares @ value).view(rows, heads, tokens, -1).transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION, attention_by_products)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
