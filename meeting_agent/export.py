"""An adapter merged into its base: one folder that any server of Hugging Face models takes.

python -m meeting_agent.export --adapter models/dpo_aligned_adapter --output build/merged
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from meeting_agent.files import check_writable, replacing_folder
from meeting_agent.settings import parse_settings, run_script, setting


@dataclass
class ExportConfig:
    """Settings of the export."""

    adapter: str = setting("models/dpo_aligned_adapter", "the adapter that phase 1 or 3 wrote")
    output: str = setting("build/merged", "where the merged model goes")


def main() -> None:
    config = parse_settings(ExportConfig, "Merges an adapter into its base model, for servers.")
    check_writable(Path(config.output))

    from meeting_agent.engine import base_of_adapter, end_ids, load_model, load_tokenizer, with_adapter

    base = base_of_adapter(Path(config.adapter))
    model = with_adapter(load_model(base), config.adapter).merge_and_unload()
    tokenizer = load_tokenizer(base)
    ends = sorted(end_ids(model, tokenizer))  # a server stops where the engine does
    model.generation_config.eos_token_id = ends if len(ends) > 1 else ends[0]
    with replacing_folder(Path(config.output)) as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    print(f"{config.adapter} merged into {base}: {config.output}")


if __name__ == "__main__":
    run_script(main)
