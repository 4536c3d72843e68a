"""The folder of a LoRA adapter in PEFT's format, with the tokenizer."""

from __future__ import annotations

from pathlib import Path

from meeting_agent.inference.bases import portable_name


def write_adapter(folder: Path, model, tokenizer, base: str) -> None:
    """Writes the trained adapter of `model`, which works on `base`, and the tokenizer into `folder`."""
    config = model.peft_config["default"]
    config.base_model_name_or_path = portable_name(base)
    # PEFT keeps a set, whose order changes from run to run. Equal adapters should be equal files.
    config.target_modules = sorted(config.target_modules)
    model.save_pretrained(folder, selected_adapters=["default"])
    tokenizer.save_pretrained(folder)
