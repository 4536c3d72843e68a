"""Measures the peak memory of each phase with a base of Gemma 3 270M's shape and the flags for small machines.

    python -m meeting_agent.benchmarks.memory

The weights are random, because memory depends only on their number. Each phase is the real script in its own process
with a few rows, scenarios and pairs: memory grows with the batch size, not with the size of the data. Phase 3 gets
committed trajectories, because a model with random weights calls no tools.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from data_classes import Trajectory
from meeting_agent.agent.trajectory_file import TraceFile, companion
from meeting_agent.common.files import ADAPTER_WEIGHTS, digest, json_text, read_json, write_json
from meeting_agent.common.machine import machine, peak_mebibytes
from meeting_agent.common.outputs import Output
from meeting_agent.common.settings import output_path, parse_settings, run_script, setting

SMALL_MACHINE = ("--per_device_train_batch_size=1", "--gradient_checkpointing")
VOCABULARY = 1000  # of the tokenizer made here; gives about four characters per token, like a large vocabulary


@dataclass
class MemoryConfig:
    """Settings of the measurement."""

    output: str = output_path("results/memory.json", "file for the results")
    num_hidden_layers: int = setting(18, "layers of the base; use fewer for a quick run", 1, 1000)
    vocab_size: int = setting(262_144, "size of the vocabulary; use a smaller one for a quick run", 2000, 10_000_000)


def main() -> None:
    config = parse_settings(MemoryConfig, "Measures the peak memory of each phase with a base of Gemma 3 270M's shape.")
    output = Output("--output", config.output, "results")
    output.check()
    with tempfile.TemporaryDirectory() as folder:
        output.write(json_text(measure(Path(folder), config)))
    print(f"Written to {config.output}")


def measure(folder: Path, config: MemoryConfig) -> dict:
    base, sft = folder / "base", folder / "sft"
    whole = config == MemoryConfig(config.output)
    shape = (
        "Gemma 3 270M's shape" if whole else f"Gemma 3, {config.num_hidden_layers} layers, {config.vocab_size} tokens"
    )
    parameters = write_base(base, config)
    peaks = {
        "sft": peak(
            "starter_sft.py",
            f"--base_model_name={base}",
            f"--output_model_path={sft}",
            *("--max_train_rows=10", "--num_train_epochs=1", "--gradient_accumulation_steps=8", *SMALL_MACHINE),
        ),
        "traces": peak(
            "starter_agentic_traces.py",
            f"--sft_model_path={sft}",
            f"--traces_path={folder / 'played.json'}",
            *("--num_scenarios=2", "--samples_per_scenario=2"),
        ),
    }
    write_traces(folder / "traces.json", sft, committed_rollouts(1))
    peaks["rlft"] = peak(
        "starter_agentic_rlft.py",
        f"--sft_model_path={sft}",
        f"--traces_path={folder / 'traces.json'}",
        f"--pairs_path={folder / 'pairs.json'}",
        f"--adapter_path={folder / 'dpo'}",
        f"--results_dir={folder / 'results'}",
        # Two scenarios may hold no pair by expected values, and both answers must be chosen.
        *("--ranking=observed", "--outcome_epochs=1"),
        *("--max_steps=1", "--grounding_share=0", "--gradient_accumulation_steps=2", "--num_eval_scenarios=4"),
        *SMALL_MACHINE,
    )
    return {
        "peak_gib": peaks,
        "base": f"{shape}, {parameters / 1e6:.0f} million random parameters",
        "flags": " ".join(SMALL_MACHINE),
        "machine": machine(),
    }


def peak(script: str, *flags: str) -> float:
    """The peak resident memory in GiB of one phase's process. Raises InputError if it fails."""
    gib = round(peak_mebibytes(script, *flags) / 1024, 2)
    print(f"{script}: {gib} GiB at most\n", flush=True)
    return gib


def write_base(folder: Path, settings: MemoryConfig) -> int:
    """Writes a base model with Gemma 3 270M's configuration and random weights. Returns the number of parameters."""
    import torch
    from transformers import AutoModelForCausalLM, Gemma3TextConfig

    tokenizer = train_tokenizer()
    config = Gemma3TextConfig(
        vocab_size=settings.vocab_size,
        hidden_size=640,
        intermediate_size=2048,
        num_hidden_layers=settings.num_hidden_layers,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=256,
        query_pre_attn_scalar=256,
        sliding_window=512,
        max_position_embeddings=32_768,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return sum(p.numel() for p in model.parameters())


def train_tokenizer():
    """A tokenizer with about as many tokens per row as Gemma's own."""
    from meeting_agent.base.tokenizer import train_on_words, with_chat_format
    from meeting_agent.world.training_rows import read_training_rows

    texts = [row.input_text for row in read_training_rows("data/sft_training_data.csv")]
    pieces = train_on_words(texts, VOCABULARY)
    tokens = sum(len(pieces.encode(text).ids) for text in texts)
    per_token, per_row = sum(map(len, texts)) / tokens, tokens / len(texts)
    print(f"{per_token:.1f} characters per token, {per_row:.0f} tokens per row", flush=True)
    return with_chat_format(pieces)


def committed_rollouts(each: int) -> list[dict]:
    """Rollouts of the committed run: `each` right ones for YES and for NO, and wrong ones of the same prompts."""
    pairs = read_json(Path("trajectories/preference_pairs.json"), "starter_agentic_rlft.py")
    by_id = {trajectory.id: trajectory for trajectory in TraceFile(Path("trajectories/agent_traces.json"))}
    of_rollouts = [(by_id[p["chosen_id"]], by_id[p["rejected_id"]]) for p in pairs if p["rejected_id"] in by_id]
    found: dict[str, Trajectory] = {}
    for answer in ("YES", "NO"):
        differ = [(c, r) for c, r in of_rollouts if c.recommendation == answer != r.recommendation]
        right = [(c, r) for c, r in differ if c.reward > r.reward]
        found |= {trajectory.id: trajectory for pair in right[:each] for trajectory in pair}
    return [trajectory.to_json() for trajectory in found.values()]


def write_traces(path: Path, sft: Path, traces: list[dict]) -> None:
    """Writes the trajectories with a summary, as if phase 2 had made them with the adapter in `sft`."""
    summary = read_json(Path("trajectories/agent_traces.summary.json"), "starter_agentic_traces.py")
    write_json(path, traces)
    summary["sha256"] = {"adapter": digest(sft / ADAPTER_WEIGHTS), "traces": digest(path)}
    write_json(companion(path, "summary"), summary)


if __name__ == "__main__":
    run_script(main)
