"""Merges an adapter into its base model, as one folder that any server of Hugging Face models can load.

python -m meeting_agent.inference.export --adapter models/dpo_aligned_adapter --output build/merged
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from meeting_agent.common.outputs import Output, check_outputs, complete_inputs
from meeting_agent.common.settings import input_path, output_path, overwrite_setting, parse_settings, run_script
from meeting_agent.inference.bases import base_of_adapter


@dataclass
class ExportConfig:
    """Settings of the export."""

    adapter: str = input_path("models/dpo_aligned_adapter", "the adapter that phase 1 or 3 wrote")
    output: str = output_path("build/merged", "folder for the merged model")
    overwrite: bool = overwrite_setting()


def main() -> None:
    config = parse_settings(ExportConfig, "Merges an adapter into its base model, for servers.")
    complete_inputs(config.adapter)
    base = base_of_adapter(Path(config.adapter))
    output = Output("--output", config.output, "a merged model", is_folder=True, overwrite=config.overwrite)
    check_outputs([output], {"--adapter": config.adapter, "the base model": base})

    from meeting_agent.inference.loading import end_ids, load_model, load_tokenizer, with_adapter

    model = with_adapter(load_model(base), config.adapter).merge_and_unload()
    tokenizer = load_tokenizer(base)
    ends = sorted(end_ids(model, tokenizer))  # a server must stop at the same tokens as the engine
    model.generation_config.eos_token_id = ends if len(ends) > 1 else ends[0]
    with output.writing() as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    print(f"{config.adapter} merged into {base}: {config.output}")


if __name__ == "__main__":
    run_script(main)
