"""Loads base models, tokenizers and adapters from disk or hub, and checks a base's tokens and positions."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, cast

import torch
from safetensors import SafetensorError

from meeting_agent.common.files import InputError
from meeting_agent.common.processes import is_first_process
from meeting_agent.inference.bases import ask_hub, base_place, check_adapter, why_not_loaded
from meeting_agent.inference.chat_format import prepare, turn_end


def load_tokenizer(path: str):
    """The tokenizer at `path` (a folder or a hub name), with a chat format for agents.

    Raises InputError if it cannot be loaded.
    """
    from transformers import AutoTokenizer

    place = base_place(path)
    ask_hub(place)
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise InputError(f"tokenizer of {path!r} cannot be loaded: {why_not_loaded(path, error)}") from None
    prepare(tokenizer)
    return tokenizer


def load_model(path: str, dtype: torch.dtype = torch.float32, **options):
    """The causal LM at `path` (a folder or a hub name), on the GPU if there is one.

    Raises InputError if it cannot be loaded or is a LoRA adapter.
    """
    from transformers import AutoModelForCausalLM

    place = base_place(path)
    ask_hub(place)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            place, dtype=dtype, trust_remote_code=False, use_safetensors=True, **options
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"base model {path!r} cannot be loaded: {why_not_loaded(path, error)}") from None
    model = cast(Any, model)
    if getattr(model, "peft_config", None):
        raise InputError(f"base model {path!r} is a LoRA adapter: give the model that it was merged into")
    for layer in model.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):  # bitsandbytes packs such layers, and then they cannot train
            layer.support_avx512bf16_for_cpu = False
    return model.to("cuda") if torch.cuda.is_available() and not options and not is_quantized(model) else model


def with_adapter(model, adapter: str, trainable: bool = False):
    """`model` with the LoRA adapter in the folder `adapter`.

    Raises InputError if the adapter is missing, broken or does not fit the model.
    """
    from peft import PeftModel

    check_adapter(adapter)
    try:
        return PeftModel.from_pretrained(model, adapter, is_trainable=trainable)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{adapter} is broken ({str(error).splitlines()[0]}): run starter_sft.py again") from None
    except RuntimeError as error:  # weights of other shapes
        wrong = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise InputError(f"{adapter} does not fit its base model ({wrong}): run starter_sft.py again") from None


def is_quantized(model) -> bool:
    """Whether the weights are quantized. Such weights can neither be cast nor hold a merged adapter exactly."""
    return bool(getattr(model, "is_quantized", False))


# ----------------------------------------------------------------------------- tokens and positions of a base


def end_ids(model, tokenizer) -> set[int]:
    """The token ids that end the model's turn: those of the model and that of the chat template."""
    ends = model.generation_config.eos_token_id
    turn = tokenizer.convert_tokens_to_ids(turn_end(tokenizer))
    return {tokenizer.eos_token_id, turn, *(ends if isinstance(ends, list) else [ends])} - {None}


def attends_to_all(model) -> bool:
    """Whether every layer attends to all earlier tokens, without a sliding window or a recurrent state.

    The layer types of the model's own cache decide.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    try:
        layers = DynamicCache(config=model.config).layers
    except (AttributeError, KeyError, TypeError, ValueError):  # a family with a cache of its own
        return False
    return all(type(layer) is DynamicLayer for layer in layers)


def embedded_tokens(model) -> int:
    """The number of token ids with an embedding."""
    return model.get_input_embeddings().weight.shape[0]


def position_limit(model) -> int | None:
    """The maximum number of tokens if the model has learned position embeddings; None if positions are computed."""
    tokens = model.get_input_embeddings()
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else model  # leaves out an image encoder
    learned = [
        module.num_embeddings
        for name, module in decoder.named_modules()
        if isinstance(module, torch.nn.Embedding)
        and module is not tokens
        and any(part in name.rpartition(".")[2] for part in ("wpe", "position", "pos_"))
    ]
    known = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return min([*learned, *([known] if known else [])]) if learned else None


def use_known_pad(model, tokenizer) -> None:
    """Replaces a padding token that has no embedding. Any token can serve, because padding is masked."""
    if not 0 <= tokenizer.pad_token_id < embedded_tokens(model):
        other = next((i for i in (tokenizer.eos_token_id, tokenizer.bos_token_id, 0) if i is not None), 0)
        warn_of_pad(tokenizer.pad_token)
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(other)


@functools.cache  # a base is loaded several times in a phase
def warn_of_pad(token: str) -> None:
    if is_first_process():
        print(f"warning: the base has no embedding for the padding token {token}: uses another to pad", flush=True)


def check_tokens(rows: Iterable[list[int]], model, tokenizer) -> None:
    """Raises InputError for a token id without an embedding: words were added to the tokenizer but not to the model."""
    known = embedded_tokens(model)
    if len(tokenizer) <= known:
        return
    unknown = next((index for ids in rows for index in ids if index >= known), None)
    if unknown is not None:
        raise InputError(
            f"the text holds {tokenizer.convert_ids_to_tokens(unknown)!r}, for which this base has no embedding (its "
            f"tokenizer has {len(tokenizer)} tokens, it has {known}): call resize_token_embeddings({len(tokenizer)}) "
            "and save the base again, or remove the token from its tokenizer"
        )


def too_long(tokens: int, positions: int) -> str:
    """The error message for a text that does not fit into a base."""
    return f"a text of {tokens} tokens does not fit into the {positions} positions of this base: use one with more"
