"""Phase 3: preference pairs, DPO, and the evaluation of every phase on scenarios that none has seen.

    python starter_agentic_rlft.py
    python starter_agentic_rlft.py --max_steps 100 --beta 0.3 --num_eval_scenarios 1000

Pairs come from the same prompt: what the agent did well against what it did badly there. DPO (Rafailov et al., 2023)
over whole trajectories follows ETO (Song et al., ACL 2024). The SFT adapter goes on training, its frozen copy is the
reference, and only tokens that the agent wrote count: tool answers are masked.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from data_classes import ConferenceSimulator, MeetingPredictor, TrainingMetrics, conference_seed
from meeting_agent.files import InputError, read_json, write_json, write_text
from meeting_agent.rewards import calculate_reward
from meeting_agent.settings import check_range, parse_settings, run_script, setting

__all__ = [
    "calculate_reward",
    "create_preference_dataset_from_traces",
    "evaluate_model_performance",
    "train_model_with_dpo",
]


@dataclass
class RLFTConfig:
    """Settings of phase 3."""

    sft_model_path: str = setting("models/sft_prediction_model_gemma_270m", "the adapter that phase 1 wrote")
    traces_path: str = setting("trajectories/agent_traces.json", "the trajectories that phase 2 wrote")
    pairs_path: str = setting("trajectories/preference_pairs.json", "where the preference pairs go")
    adapter_path: str = setting("models/dpo_aligned_adapter", "where the aligned adapter goes")
    results_dir: str = setting("results", "where metrics, report and plots go")
    seed: int = setting(42, "decides the choice and the order of pairs")
    beta: float = setting(0.1, "DPO's beta: how much straying from the SFT policy costs")
    learning_rate: float = setting(5e-6, "rate of the adapter's A matrices")
    loraplus_ratio: float = setting(64.0, "LoRA+: how much faster the B matrices learn; 1 is plain LoRA")
    max_steps: int = setting(60, "optimizer steps")
    batch_size: int = setting(8, "pairs per step")
    min_reward_gap: float = setting(0.5, "smallest difference in reward within a pair")
    most_uses: int = setting(2, "pairs that one trajectory may occur in")
    num_eval_scenarios: int = setting(600, "held-out scenarios of the evaluation")
    eval_seed: int = setting(4242, "decides who meets in the evaluation")
    eval_temperature: float = setting(0.0, "sampling temperature of the evaluated agents; 0 is greedy")


def main() -> None:
    config = parse_settings(RLFTConfig, __doc__.splitlines()[0])
    check_config(config)
    traces = read_traces(Path(config.traces_path))
    pairs = create_preference_dataset_from_traces(traces, config)
    metrics = train_model_with_dpo(pairs, config)
    evaluate_model_performance(config, traces, pairs, metrics)


def check_config(config: RLFTConfig) -> None:
    check_range("beta", config.beta, 1e-3, 10.0)
    check_range("learning_rate", config.learning_rate, 1e-8, 1e-2)
    check_range("max_steps", config.max_steps, 1, 100_000)
    check_range("num_eval_scenarios", config.num_eval_scenarios, 1, 2400)
    if not (Path(config.sft_model_path) / "adapter_config.json").exists():
        raise InputError(f"{config.sft_model_path} holds no adapter: run starter_sft.py first")


def read_traces(path: Path) -> list[dict]:
    """The trajectories of phase 2; raises InputError that names the first one that lacks a field."""
    traces = read_json(path, "starter_agentic_traces.py")
    if not isinstance(traces, list) or not traces:
        raise InputError(f"{path} holds no trajectories: run starter_agentic_traces.py first")
    needed = ("id", "scenario_id", "initial_user_prompt", "messages", "tools_used", "reward", "true_outcome")
    for number, trace in enumerate(traces):
        missing = next((k for k in needed if not isinstance(trace, dict) or k not in trace), None)
        if missing:
            raise InputError(f"{path}, trajectory {number}: {missing} is missing; run starter_agentic_traces.py again")
    return traces


# ----------------------------------------------------------------------------- preference pairs


def create_preference_dataset_from_traces(traces: list[dict], config: RLFTConfig) -> list[dict]:
    """Pairs in TRL's conversational preference format with tools; also written to `pairs_path`."""
    from meeting_agent.preferences import same_prompt_pairs
    from meeting_agent.tools import tool_schemas

    tools = tool_schemas()
    pairs = [
        {
            "scenario_id": chosen["scenario_id"],
            "chosen_id": chosen["id"],
            "rejected_id": rejected["id"],
            "prompt": chosen["messages"][:2],
            "chosen": chosen["messages"][2:],
            "rejected": rejected["messages"][2:],
            "tools": tools,
            "chosen_reward": chosen["reward"],
            "rejected_reward": rejected["reward"],
        }
        for chosen, rejected in same_prompt_pairs(traces, config.min_reward_gap, config.most_uses, config.seed)
    ]
    if not pairs:
        raise InputError(
            f"{config.traces_path}: no scenario has a better and a worse trajectory for both answers; "
            "play more scenarios or samples in starter_agentic_traces.py"
        )
    write_json(Path(config.pairs_path), pairs)
    scenarios = len({p["scenario_id"] for p in pairs})
    print(f"{len(pairs)} preference pairs from {scenarios} scenarios in {config.pairs_path}", flush=True)
    return pairs


# ----------------------------------------------------------------------------- DPO


def train_model_with_dpo(pairs: list[dict], config: RLFTConfig) -> TrainingMetrics:
    """Goes on training the SFT adapter on the pairs; leaves adapter, tokenizer, card and log in `adapter_path`."""
    import torch
    import trl
    from peft import PeftModel
    from peft.optimizers import create_loraplus_optimizer

    from meeting_agent.engine import base_of_adapter, load_model, load_tokenizer
    from meeting_agent.preferences import AgentPreferenceCollator

    torch.manual_seed(config.seed)
    base = base_of_adapter(Path(config.sft_model_path))
    tokenizer = load_tokenizer(base)
    model = PeftModel.from_pretrained(load_model(base), config.sft_model_path, is_trainable=True)
    args = trl.DPOConfig(
        output_dir=str(Path(config.adapter_path) / "checkpoints"),
        beta=config.beta,
        learning_rate=config.learning_rate,
        max_steps=config.max_steps,
        per_device_train_batch_size=config.batch_size,
        lr_scheduler_type="linear",
        warmup_steps=max(1, config.max_steps // 10),
        max_length=None,
        precompute_ref_log_probs=True,
        gradient_checkpointing=False,
        bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        remove_unused_columns=False,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=config.seed,
    )
    optimizer = create_loraplus_optimizer(
        model, torch.optim.AdamW, lr=config.learning_rate, loraplus_lr_ratio=config.loraplus_ratio
    )
    trainer = trl.DPOTrainer(
        model=model,
        args=args,
        train_dataset=preference_dataset(pairs, tokenizer),
        processing_class=tokenizer,
        data_collator=AgentPreferenceCollator(pad_token_id=tokenizer.pad_token_id),
        optimizers=(optimizer, None),
    )
    started = time.monotonic()
    trainer.train()
    metrics = TrainingMetrics(trainer.state.log_history, config.max_steps, time.monotonic() - started)
    save_adapter(config, base, model, tokenizer, metrics)
    return metrics


def preference_dataset(pairs: list[dict], tokenizer):
    """The pairs as TRL reads them, each side with the mask of the agent's own tokens."""
    import json

    from datasets import Dataset

    from meeting_agent.preferences import agent_token_mask

    return Dataset.from_list(
        [
            {
                "prompt": p["prompt"],
                "chosen": p["chosen"],
                "rejected": p["rejected"],
                "tools": json.dumps(p["tools"]),
                "chosen_agent_mask": agent_token_mask(tokenizer, p["prompt"] + p["chosen"], p["tools"]),
                "rejected_agent_mask": agent_token_mask(tokenizer, p["prompt"] + p["rejected"], p["tools"]),
            }
            for p in pairs
        ]
    )


def save_adapter(config: RLFTConfig, base: str, model, tokenizer, metrics: TrainingMetrics) -> None:
    output = Path(config.adapter_path)
    model.save_pretrained(output, selected_adapters=["default"])
    tokenizer.save_pretrained(output)
    write_json(output / "training_log.json", asdict(metrics) | {"settings": asdict(config)})
    settings = "\n".join(f"| {name} | {value} |" for name, value in asdict(config).items())
    write_text(
        output / "README.md",
        f"""---
base_model: {base}
library_name: peft
---
# Aligned meeting agent (phase 3)

LoRA adapter over `{base}`: the phase 1 adapter, trained on with DPO over agent trajectories for {config.max_steps}
steps ({metrics.seconds:.0f} s).

| setting | value |
|---|---|
{settings}
""",
    )
    print(f"Adapter saved in {output} after {metrics.seconds:.0f} s of training.", flush=True)


# ----------------------------------------------------------------------------- evaluation


def evaluate_model_performance(
    config: RLFTConfig, traces: list[dict], pairs: list[dict], dpo: TrainingMetrics
) -> dict:
    """Scores base, SFT, agent and aligned agent on the same held-out scenarios; writes metrics, report and plots."""
    from meeting_agent.ceilings import ceiling_accuracies
    from meeting_agent.engine import Engine, base_of_adapter
    from meeting_agent.evaluation import agent_statistics, was_right
    from meeting_agent.prediction import greedy_answers, predict_probabilities
    from meeting_agent.statistics import paired_comparison, score_probabilities
    from starter_agentic_traces import AgentTraceCollector, make_scenarios

    started = time.monotonic()
    scenarios = make_scenarios("evaluation", config.eval_seed, config.num_eval_scenarios)
    prompts = [s.prediction_prompt for s in scenarios]
    success = [s.meeting.success_probability for s in scenarios]
    truth = [p > 0.5 for p in success]
    base = base_of_adapter(Path(config.sft_model_path))

    probabilities = {"base": predict_probabilities(Engine(base), prompts)}
    predictor = MeetingPredictor(config.sft_model_path)
    probabilities["sft"] = predict_probabilities(predictor.engine, prompts)
    phases = {name: score_probabilities(p, success) for name, p in probabilities.items()}
    greedy = greedy_answers(predictor.engine, prompts)
    phases["sft"]["greedy"] = score_probabilities(greedy, success)
    right = {name: [(q > 0.5) == t for q, t in zip(p, truth, strict=True)] for name, p in probabilities.items()}

    collector = AgentTraceCollector(predictor, scenarios, config.eval_temperature, config.eval_seed)
    played = {}
    for name, engine in (("agent", predictor.engine), ("dpo", Engine(base, config.adapter_path))):
        with collector.agents_on(engine) as play:
            played[name] = collector.collect(play, 1, policy=name)
        phases[name] = agent_statistics(played[name])
        right[name] = was_right(played[name])
        print(f"{name}: accuracy {phases[name]['accuracy']:.3f}", flush=True)
    raise NotImplementedError
