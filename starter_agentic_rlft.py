"""Phase 3: preference pairs, DPO, and the evaluation of every phase on scenarios that none has seen.

    python starter_agentic_rlft.py
    python starter_agentic_rlft.py --max_steps 100 --beta 0.3 --num_eval_scenarios 1000
    python starter_agentic_rlft.py --attendees people.csv --meetings past.csv  # your own, as in phase 2

Pairs come from the same prompt: what the agent did well against what it did badly there. One outcome is mostly luck, so
the better side's tools must also have earned more over all trajectories, or be the same and used with fewer faults, and
lengths are controlled (Park et al., 2024). DPO (Rafailov et al., 2023) over whole trajectories follows ETO (Song et
al., ACL 2024). The SFT adapter goes on training, its frozen copy is the reference, and only tokens that the agent wrote
count: tool answers are masked. Cross-entropy of the chosen side joins DPO (Iterative RPO, Pang et al., 2024): alone,
DPO pushes both sides' likelihood down until some answers break. Some rejected sides are made up: the chosen one, a good
try or a dialogue of the base's corpus, with a claim that no tool made, which DPO would otherwise come to like. What a
preference says nothing about is masked too: the verdict, and all of a rejected side but its faults.
"""

from __future__ import annotations

import csv
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from data_classes import TrainingMetrics
from meeting_agent.agent.trajectory_file import TraceFile, companion
from meeting_agent.common.files import (
    ADAPTER_WEIGHTS,
    InputError,
    digest,
    digests,
    fingerprint,
    read_json,
    write_json,
    write_json_array,
    write_text,
)
from meeting_agent.common.hardware import check_precision, quantization, trains_in_bfloat16
from meeting_agent.common.outputs import Output, check_outputs, complete_inputs, remove_tree
from meeting_agent.common.settings import (
    input_path,
    output_path,
    overwrite_setting,
    parse_settings,
    recorded,
    run_script,
    setting,
)
from meeting_agent.inference.bases import base_of_adapter, check_base, portable_name
from meeting_agent.training.trackers import check_reporter, guard_reporters
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.past_meetings import read_own_meetings
from meeting_agent.world.predictor import MeetingPredictor
from meeting_agent.world.prompts import system_prompt_configurations
from meeting_agent.world.reward import calculate_reward
from starter_agentic_traces import (
    CONCURRENT_AGENTS,
    MAX_ANSWER_TOKENS,
    MOST_MEETINGS,
    AgentTraceCollector,
    Scenario,
    UnfinishedTraces,
    block_count,
    conferences,
    play_missing_blocks,
    put_into_words,
)

PAIRS = "pairs"  # folder of the training rows among the checkpoints

__all__ = [
    "calculate_reward",
    "create_preference_dataset_from_traces",
    "evaluate_model_performance",
    "train_model_with_dpo",
]


@dataclass
class RLFTConfig:
    """Settings of phase 3."""

    sft_model_path: str = input_path("models/sft_prediction_model_gemma_270m", "the adapter that phase 1 wrote")
    traces_path: str = input_path("trajectories/agent_traces.json", "the trajectories that phase 2 wrote")
    pairs_path: str = output_path("trajectories/preference_pairs.json", "where the preference pairs go")
    adapter_path: str = output_path("models/dpo_aligned_adapter", "where the aligned adapter goes")
    results_dir: str = output_path("results", "where metrics, report, plots and page go")
    seed: int = setting(42, "decides the choice and the order of pairs", 0, 2**32 - 1)
    beta: float = setting(0.1, "DPO's beta: how much straying from the SFT policy costs", 1e-3, 10.0)
    sft_weight: float = setting(0.5, "weight of the chosen side's cross-entropy beside DPO; 0 is plain DPO", 0.0, 1e3)
    learning_rate: float = setting(5e-6, "rate of the adapter's A matrices", 1e-8, 1e-2)
    loraplus_ratio: float = setting(256.0, "LoRA+: how much faster the B matrices learn; 1 is plain LoRA", 1.0, 1000.0)
    max_steps: int = setting(60, "optimizer steps", 1, 100000)
    per_device_train_batch_size: int = setting(
        8, "pairs at once; processes of one machine share them, for less memory take 1", 1, 1024
    )
    gradient_accumulation_steps: int = setting(1, "such batches per step; with 1 pair at once take 8", 1, 1024)
    gradient_checkpointing: bool = setting(False, "compute activations twice instead of keeping them: less memory")
    bf16: bool = setting(False, "train in bfloat16; without a flag a GPU that has it does")
    fp16: bool = setting(False, "train in float16, for older GPUs")
    fp32: bool = setting(False, "train and answer in full precision")
    use_4bit: bool = setting(False, "QLoRA: load the base in 4 bits while training")
    min_reward_gap: float = setting(
        0.05, "smallest difference in reward of two tries; 0.5 leaves out mere faults", 1e-6, 2.0
    )
    min_advantage_gap: float = setting(
        0.03, "least that the chosen try's tools have earned more over all tries; -4 pairs whatever they did", -4.0, 4.0
    )
    min_chosen_reward: float = setting(1.0, "least reward of a chosen side; 1 is right without a fault", -1.0, 1.0)
    call_gap: float = setting(
        0.8, "calls that chosen tries make more than rejected ones, on average: more of it, more calls", -5.0, 5.0
    )
    grounding_share: float = setting(
        0.15, "trajectories against themselves with a made-up claim, as a share of all trajectories' pairs", 0.0, 0.9
    )
    copying_share: float = setting(
        0.5, "dialogues of the base's corpus against themselves with a made-up claim, for each played pair", 0.0, 10.0
    )
    most_uses: int = setting(4, "played pairs that one trajectory may occur in", 1, 1000)
    most_pairs: int = setting(1400, "played pairs at most", 2, 1_000_000)
    num_eval_scenarios: int = setting(1200, "held-out scenarios of the evaluation", 1, 100_000)
    eval_seed: int = setting(9511, "decides who meets in the evaluation", 0, 2**32 - 1)
    data_seed: int = setting(42, "seed that the training data was made with (for the boosting baseline)", 0, 2**32 - 1)
    eval_temperature: float = setting(0.0, "sampling temperature of the evaluated agents; 0 is greedy", 0.0, 5.0)
    report_to: str = setting("none", "where losses are reported too: tensorboard, wandb, or what Transformers offers")
    attendees: str = input_path("", "CSV of your own attendees to evaluate on; needs --meetings, both as in phase 2")
    meetings: str = input_path("", "CSV of their past meetings; those that phase 2 did not play are evaluated")
    overwrite: bool = overwrite_setting()


def main() -> None:
    from meeting_agent.common.processes import this_process

    config = parse_settings(RLFTConfig, __doc__.splitlines()[0])
    check_config(config)
    traces = TraceFile(Path(config.traces_path))
    check_origin(config)
    try_evaluation(config)
    pairs = create_preference_dataset_from_traces(traces, config)
    metrics = train_model_with_dpo(pairs, config)
    evaluate_model_performance(config, traces, pairs, metrics)
    if this_process().is_main_process:
        adapter_output(config).remove_unfinished(checkpoint_folder(config).name)


def check_config(config: RLFTConfig) -> None:
    complete_inputs(config.sft_model_path, config.traces_path)
    if not (Path(config.sft_model_path) / ADAPTER_WEIGHTS).exists():
        raise InputError(f"{config.sft_model_path} holds no adapter: run starter_sft.py first")
    read_own_meetings(config.attendees, config.meetings)
    check_reporter(config.report_to, Path(config.adapter_path))
    check_precision(config.bf16, config.fp16, config.fp32)
    inputs = {f"--{name}": getattr(config, name) for name in ("sft_model_path", "traces_path", "attendees", "meetings")}
    inputs["the summary of --traces_path"] = str(companion(Path(config.traces_path), "summary"))
    inputs["the base model"] = base_of_adapter(Path(config.sft_model_path))
    check_outputs(
        [pairs_output(config), evaluation_output(config), adapter_output(config), results_output(config)], inputs
    )


def pairs_output(config: RLFTConfig) -> Output:
    return Output("--pairs_path", config.pairs_path, "preference pairs", overwrite=config.overwrite)


def evaluation_output(config: RLFTConfig) -> Output:
    """Trajectories of the evaluation, beside the pairs that it belongs to: no other pairs can share them."""
    pairs = Path(config.pairs_path)
    path, kind = pairs.with_name("evaluation_traces.json"), f"the evaluation of {pairs.name}"
    return Output("the evaluation beside --pairs_path", path, kind, overwrite=config.overwrite)


def adapter_output(config: RLFTConfig) -> Output:
    kind = "an aligned adapter"
    return Output("--adapter_path", config.adapter_path, kind, is_folder=True, overwrite=config.overwrite)


def results_output(config: RLFTConfig) -> Output:
    return Output("--results_dir", config.results_dir, "results", is_folder=True, overwrite=config.overwrite)


def trace_summary(config: RLFTConfig) -> dict:
    return read_json(companion(Path(config.traces_path), "summary"), "starter_agentic_traces.py")


def check_origin(config: RLFTConfig) -> None:
    """Refuses trajectories of another adapter than the one that trains on; says if they were changed since."""
    check_base(Path(config.sft_model_path))
    origin = trace_summary(config).get("sha256", {})
    if origin.get("adapter") != digest(Path(config.sft_model_path) / ADAPTER_WEIGHTS):
        raise InputError(
            f"{config.traces_path} was not played by {config.sft_model_path}: run starter_agentic_traces.py again"
        )
    own = digests(attendees=Path(config.attendees), meetings=Path(config.meetings))
    played = {name: origin[name] for name in own if name in origin}
    if played and played != own:
        raise InputError(
            f"{config.traces_path} was played with other attendees or meetings than --attendees and --meetings name: "
            "give the same, or some of the evaluation may have been trained on"
        )
    if origin.get("traces") != digest(Path(config.traces_path)):
        print(f"warning: {config.traces_path} has been changed since phase 2 wrote it", flush=True)


# ----------------------------------------------------------------------------- preference pairs


def create_preference_dataset_from_traces(traces: Iterable[dict], config: RLFTConfig) -> list[dict]:
    """Pairs in TRL's conversational preference format with tools; also written to `pairs_path`.

    `traces` is gone through several times, one trajectory in memory at a time.
    """
    from meeting_agent.common.processes import this_process
    from meeting_agent.training.pairs import copying_pairs, grounding_pairs, same_prompt_pairs
    from meeting_agent.world.tools import tool_schemas

    share = config.grounding_share
    tries = same_prompt_pairs(
        traces,
        min_gap=config.min_reward_gap,
        min_chosen=config.min_chosen_reward,
        min_advantage_gap=config.min_advantage_gap,
        call_gap=config.call_gap,
        most_uses=config.most_uses,
        most=config.most_pairs,
        seed=config.seed,
    )
    wanted = {one.id for pair in tries for one in pair}
    whole = {trace["id"]: trace for trace in traces if trace["id"] in wanted}
    played = [(whole[chosen.id], whole[rejected.id]) for chosen, rejected in tries]
    count = round(len(played) * share / (1 - share))
    made_up = grounding_pairs(traces, config.min_chosen_reward, count, config.seed)
    made_up += copying_pairs(round(len(played) * config.copying_share), config.seed)
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
        for chosen, rejected in random.Random(config.seed).sample(played + made_up, len(played) + len(made_up))
    ]
    if not played:
        raise InputError(
            f"{config.traces_path}: no scenario has a better and a worse trajectory whose tools tell them apart, "
            "for both YES and NO; play more scenarios or samples in starter_agentic_traces.py, or lower "
            "--min_advantage_gap"
        )
    if this_process().is_main_process:
        with pairs_output(config).writing() as folder:
            write_json(folder / Path(config.pairs_path).name, pairs)
        scenarios = len({p["scenario_id"] for p in pairs})
        print(f"{len(pairs)} preference pairs from {scenarios} scenarios in {config.pairs_path}", flush=True)
    this_process().wait_for_everyone()
    return pairs


# ----------------------------------------------------------------------------- DPO


def train_model_with_dpo(pairs: list[dict], config: RLFTConfig) -> TrainingMetrics:
    """Goes on training the SFT adapter on the pairs; leaves adapter, tokenizer, card and log in `adapter_path`.

    Under `accelerate launch` the processes share every batch, and the first one writes.
    """
    import torch
    import trl
    from peft.optimizers import create_loraplus_optimizer

    from meeting_agent.common.processes import this_process
    from meeting_agent.inference.loading import load_model, load_tokenizer, position_limit, use_known_pad, with_adapter
    from meeting_agent.training.checkpoints import SignCheckpoints, last_whole_checkpoint, sign
    from meeting_agent.training.dry_run import try_loss, trying
    from meeting_agent.training.pairs import AgentPreferenceCollator
    from meeting_agent.training.prefix_sharing import SharedPrefixDPOTrainer
    from meeting_agent.training.progress import show_progress

    torch.manual_seed(config.seed)
    base = base_of_adapter(Path(config.sft_model_path))
    tokenizer = load_tokenizer(base)
    model = with_adapter(load_model(base, **quantization(config.use_4bit)), config.sft_model_path, trainable=True)
    use_known_pad(model, tokenizer)
    checkpoints = checkpoint_folder(config)
    args = trl.DPOConfig(
        output_dir=str(checkpoints),
        beta=config.beta,
        loss_type=["sigmoid", "sft"],
        loss_weights=[1.0, config.sft_weight],
        learning_rate=config.learning_rate,
        max_steps=config.max_steps,
        per_device_train_batch_size=max(1, config.per_device_train_batch_size // this_process().num_processes),
        gradient_accumulation_steps=config.gradient_accumulation_steps,
        lr_scheduler_type="linear",
        warmup_steps=max(1, config.max_steps // 10),
        max_length=None,
        precompute_ref_log_probs=True,
        gradient_checkpointing=config.gradient_checkpointing,
        use_cpu=not torch.cuda.is_available(),
        ddp_find_unused_parameters=False,
        bf16=trains_in_bfloat16(config.bf16, config.fp16, config.fp32, pays_on_cpu=False),
        fp16=config.fp16,
        remove_unused_columns=False,
        logging_steps=1,
        save_steps=20,
        save_total_limit=2,
        report_to=config.report_to,
        disable_tqdm=True,
        seed=config.seed,
    )
    optimizer = create_loraplus_optimizer(
        model, torch.optim.AdamW, lr=config.learning_rate, loraplus_lr_ratio=config.loraplus_ratio
    )
    dataset = stored_dataset(pairs, tokenizer, checkpoints / PAIRS, position_limit(model))
    with trying("reading pairs"):
        trainer = SharedPrefixDPOTrainer(
            model=model,
            args=args,
            train_dataset=dataset,
            processing_class=tokenizer,
            data_collator=AgentPreferenceCollator(pad_token_id=tokenizer.pad_token_id),
            optimizers=(optimizer, None),
            callbacks=[SignCheckpoints()],
        )
    guard_reporters(trainer)
    try_loss(trainer, 1)
    if this_process().is_main_process:
        sign(checkpoints / PAIRS)  # the reference's log-probabilities are in it by now
    show_progress(trainer, {"loss": "loss", "rewards/margins": "margin"}, every=10)
    started = time.monotonic()
    trainer.train(resume_from_checkpoint=last_whole_checkpoint(checkpoints))
    metrics = TrainingMetrics(trainer.state.log_history, config.max_steps, time.monotonic() - started)
    if this_process().is_main_process:
        save_adapter(config, base, model, tokenizer, metrics)
    return metrics


def checkpoint_folder(config: RLFTConfig) -> Path:
    """Where a run with these settings, pairs and phase 1 adapter keeps its checkpoints."""
    made_from = Path(config.pairs_path), Path(config.sft_model_path) / ADAPTER_WEIGHTS
    return adapter_output(config).unfinished_run(fingerprint(recorded(config), *made_from))


def preference_dataset(pairs: list[dict], tokenizer, positions: int | None = None):
    """The pairs as TRL reads them, each side with a mask over the agent's own tokens, in turns that the template takes.

    Without those that have more tokens than the base has `positions`; raises InputError where none is left, and, with
    the ids of the trajectories, for a pair that the template refuses.
    """
    import json

    from datasets import Dataset

    from meeting_agent.inference.chat_format import as_shown
    from meeting_agent.inference.loading import too_long
    from meeting_agent.training.pairs import preference_token_masks

    def row(pair: dict) -> dict:
        prompt, tools = pair["prompt"], pair["tools"]
        chosen, rejected = (as_shown(tokenizer, pair[side]) for side in ("chosen", "rejected"))
        try:
            masks = preference_token_masks(tokenizer, prompt, chosen, rejected, tools)
        except InputError as error:
            raise InputError(f"pair of {pair['chosen_id']} and {pair['rejected_id']}: {error}") from None
        sides = {"prompt": prompt, "chosen": chosen, "rejected": rejected, "tools": json.dumps(tools)}
        return sides | dict(zip(("chosen_agent_mask", "rejected_agent_mask"), masks, strict=True))

    rows = [row(pair) for pair in pairs]
    if positions:
        lengths = [max(len(row["chosen_agent_mask"]), len(row["rejected_agent_mask"])) for row in rows]
        kept = [row for row, length in zip(rows, lengths, strict=True) if length <= positions]
        if not kept:
            raise InputError(too_long(min(lengths), positions))
        if len(kept) < len(rows):
            left_out = f"{len(rows) - len(kept)} of {len(rows)} pairs are left out"
            print(f"warning: {left_out}: {too_long(max(lengths), positions)}", flush=True)
        rows = kept
    return Dataset.from_list(rows)


def stored_dataset(pairs: list[dict], tokenizer, folder: Path, positions: int | None = None):
    """`preference_dataset` on disk: TRL keeps the reference's log-probabilities beside it, for every process and for a
    run that goes on after a kill. What such a run left unsigned is made anew."""
    from datasets import load_from_disk

    from meeting_agent.common.processes import this_process
    from meeting_agent.training.checkpoints import is_whole

    if this_process().is_main_process and not is_whole(folder):
        remove_tree(folder)
        preference_dataset(pairs, tokenizer, positions).save_to_disk(folder)
    this_process().wait_for_everyone()
    return load_from_disk(folder)


def save_adapter(config: RLFTConfig, base: str, model, tokenizer, metrics: TrainingMetrics) -> None:
    """Writes adapter, tokenizer, model card and training log, which names the bytes that the adapter was made from."""
    log = asdict(metrics) | {"settings": recorded(config)}
    log["sha256"] = digests(sft=Path(config.sft_model_path) / ADAPTER_WEIGHTS, pairs=Path(config.pairs_path))
    with adapter_output(config).writing() as folder:
        model.peft_config["default"].base_model_name_or_path = portable_name(base)
        model.save_pretrained(folder, selected_adapters=["default"])
        tokenizer.save_pretrained(folder)
        write_json(folder / "training_log.json", log)
        write_text(folder / "README.md", model_card(config, base, metrics, {}))
    print(f"Adapter saved in {config.adapter_path} after {metrics.seconds:.0f} s of training.", flush=True)


def model_card(config: RLFTConfig, base: str, metrics: TrainingMetrics, evaluation: dict) -> str:
    """The card of the aligned adapter; `evaluation` is empty until the adapter has been evaluated."""
    from meeting_agent.training.model_card import front_matter

    settings = "\n".join(f"| {name} | {value} |" for name, value in recorded(config).items())
    dataset = f"held-out meetings of {config.meetings or 'a simulated conference'}"
    return f"""{front_matter(base, "Aligned meeting agent", dataset, evaluation)}
# Aligned meeting agent (phase 3)

LoRA adapter over `{base}`: the phase 1 adapter, trained on with DPO over agent trajectories for {config.max_steps}
steps ({metrics.seconds:.0f} s).

| setting | value |
|---|---|
{settings}
"""


# ----------------------------------------------------------------------------- evaluation


def try_evaluation(config: RLFTConfig) -> None:
    """Tries in seconds what the evaluation will need: the earlier phases' records, baselines, the engine's answers."""
    from meeting_agent.training.dry_run import try_agent, try_predictions
    from meeting_agent.world.tools import tool_schemas

    sft = Path(config.sft_model_path)
    log, _ = (read_json(sft / name, "starter_sft.py") for name in ("training_log.json", "validation.json"))
    some = [conference[0] for conference in scenarios_to_evaluate(config)][:1]
    if baselines := missing_baselines(log):
        print(f"warning: {baselines}", flush=True)
    baseline_probabilities(config, log, some, simulated=not config.attendees)
    engine = MeetingPredictor(config.sft_model_path, fp32=config.fp32).engine
    try_predictions(engine, [s.prediction_prompt for s in some])
    try_agent(engine, system_prompt_configurations[some[0].persona], some[0].user_prompt, tool_schemas())


def evaluate_model_performance(
    config: RLFTConfig, traces: Iterable[dict], pairs: list[dict], dpo: TrainingMetrics
) -> dict:
    """Scores base, SFT, agent and aligned agent on the same held-out scenarios; writes metrics, report, plots and page.

    Under `accelerate launch` each process plays its share of the scenarios; all but the first then return nothing.
    """
    from meeting_agent.common.processes import this_process
    from meeting_agent.evaluation.agent_scores import (
        Played,
        agent_statistics,
        attainable_share,
        dpo_curves,
        is_grounded,
        is_right,
        machine,
        pair_statistics,
        sft_curves,
        summarised,
        versions,
        was_right,
    )
    from meeting_agent.evaluation.statistics import paired_comparison, score_probabilities
    from meeting_agent.inference.engine import Engine
    from meeting_agent.inference.prediction import greedy_answers, predict_probabilities
    from meeting_agent.report.markdown import choose_examples, render_report
    from meeting_agent.report.other_records import add_other_records
    from meeting_agent.report.page import write_page
    from meeting_agent.report.plots import draw_plots
    from meeting_agent.world.ceilings import ceiling_accuracies, majority_share
    from meeting_agent.world.error_patterns import error_patterns

    started = time.monotonic()
    by_conference = scenarios_to_evaluate(config)
    scenarios = [scenario for conference in by_conference for scenario in conference]
    simulated = not config.attendees
    prompts = [s.prediction_prompt for s in scenarios]
    success = [s.meeting.success_probability for s in scenarios]
    base = base_of_adapter(Path(config.sft_model_path))

    predictor = MeetingPredictor(config.sft_model_path, fp32=config.fp32)
    evaluation = play_held_out(config, predictor, base, by_conference)
    if not this_process().is_main_process:
        return {}
    played: dict[str, list[Played]] = {"agent": [], "dpo": []}
    for trace in evaluation.traces():
        played[trace["policy"]].append(summarised(trace))

    sft_says = predict_probabilities(predictor.engine, prompts)
    probabilities: dict[str, Sequence[float | None]] = {
        "base": predict_probabilities(Engine(base, fp32=config.fp32), prompts),
        "sft": sft_says,
        **{name: [t.probability for t in traces] for name, traces in played.items()},
    }
    for name in played:
        warn_if_unreadable(config, probabilities[name])
    phases = {name: score_probabilities(probabilities[name], success) for name in ("base", "sft")}
    phases["sft"]["greedy"] = score_probabilities(greedy_answers(predictor.engine, prompts), success)
    phases["sft"]["errors"] = error_patterns(prompts, [s.meeting.reason for s in scenarios], sft_says, success)
    phases |= {name: agent_statistics(traces) for name, traces in played.items()}

    log = read_json(Path(config.sft_model_path) / "training_log.json", "starter_sft.py")
    baselines = baseline_probabilities(config, log, scenarios, simulated)
    right = {name: is_right(p, success) for name, p in (probabilities | baselines).items()}
    right |= {name: was_right(traces) for name, traces in played.items()}

    summary = trace_summary(config)
    metrics = {
        "run": {
            "seed": config.seed,
            "eval_seed": config.eval_seed,
            "base_model": base,
            "settings": {"sft": log["settings"], "traces": summary.pop("settings"), "rlft": recorded(config)},
            "versions": versions(),
            "machine": machine(),
        },
        "audit": log["audit"],
        "ceilings": ceiling_accuracies([s.meeting for s in scenarios], PersonDescriptor())
        if simulated
        else {"majority": majority_share(success)},
        "baselines": {name: score_probabilities(p, success) for name, p in baselines.items()},
        "phases": phases,
        "paired": {
            f"{after}_vs_{before}": paired_comparison(right[after], right[before], config.eval_seed)
            for after, before in COMPARISONS
            if after in right and before in right
        },
        "grounding": paired_comparison(is_grounded(played["dpo"]), is_grounded(played["agent"]), config.eval_seed),
        "validation": read_json(Path(config.sft_model_path) / "validation.json", "starter_sft.py"),
        "traces": summary,
        "pairs": pair_statistics(pairs),
        "training": {"sft": sft_curves(log), "dpo": dpo_curves(dpo)},
        "timing": {
            "sft_training_seconds": log["seconds"],
            "traces_seconds": summary["seconds"],
            "dpo_training_seconds": dpo.seconds,
            "evaluation_seconds": time.monotonic() - started,
        },
    }
    ceilings = metrics["ceilings"]
    metrics["attainable"] = {
        name: attainable_share(phases[name]["accuracy"], ceilings, view)
        for name, view in (("sft", "text_only"), ("agent", "all_tools"), ("dpo", "all_tools"))
        if simulated and ceilings[view] > ceilings["majority"]  # equal on a handful of scenarios
    }
    add_other_records(metrics, Path(config.results_dir))
    examples = choose_examples(traces)
    output = evaluation_output(config)
    with output.writing() as folder:
        write_json_array(folder / output.path.name, evaluation.traces())
    with results_output(config).writing(whole=False) as folder:
        write_json(folder / "metrics.json", metrics)
        write_scenarios(folder / "evaluation_scenarios.csv", scenarios, probabilities, played)
        draw_plots(folder, metrics, traces)
        write_json(folder / "examples.json", examples)
        write_text(folder / "evaluation_report.md", render_report(metrics, examples))
        write_page(folder / "report.html", folder, traces, evaluation.traces())
    evaluation.delete()
    with adapter_output(config).writing(whole=False) as folder:
        write_text(folder / "README.md", model_card(config, base, dpo, phases["dpo"]))
    print_ladder(metrics)
    return metrics


def scenarios_to_evaluate(config: RLFTConfig) -> list[list[Scenario]]:
    """Meetings of one's own attendees that phase 2 left alone, where there are such, else conferences of their own."""
    if own := read_own_meetings(config.attendees, config.meetings):
        return [put_into_words(own.held_out[: config.num_eval_scenarios], f"own-evaluation-{config.eval_seed}")]
    return list(conferences("evaluation", config.eval_seed, config.num_eval_scenarios))


def play_held_out(
    config: RLFTConfig, predictor: MeetingPredictor, base: str, by_conference: list[list[Scenario]]
) -> UnfinishedTraces:
    """Every held-out scenario once by the agent, then once by the aligned one, as blocks on disk.

    A killed run goes on after its finished blocks; how many scenarios there are takes no memory.
    """
    from meeting_agent.common.processes import this_process
    from meeting_agent.inference.engine import Engine

    made_from = digests(
        sft=Path(config.sft_model_path) / ADAPTER_WEIGHTS,
        dpo=Path(config.adapter_path) / ADAPTER_WEIGHTS,
        attendees=Path(config.attendees),
        meetings=Path(config.meetings),
    )
    asked = {"settings": recorded(config)} | made_from
    unfinished = UnfinishedTraces(evaluation_output(config), asked, this_process())
    most_tokens = trace_summary(config)["settings"].get("max_answer_tokens", MAX_ANSWER_TOKENS)
    engines = {"agent": predictor.engine, "dpo": Engine(base, config.adapter_path, fp32=config.fp32)}

    def play(name: str, scenarios: list[Scenario], wanted: list[int]) -> Iterable[list[dict]]:
        collector = AgentTraceCollector(predictor, scenarios, config.eval_temperature, config.eval_seed, most_tokens)
        return collector.collect(collector.agents_on(engines[name]), 1, name, CONCURRENT_AGENTS, wanted)

    parts = [
        (block_count(len(scenarios), 1, CONCURRENT_AGENTS), partial(play, name, scenarios))
        for name in engines
        for scenarios in by_conference
    ]
    play_missing_blocks(parts, sum(blocks for blocks, _ in parts), unfinished, this_process())
    return unfinished


def warn_if_unreadable(config: RLFTConfig, probabilities: Sequence[float | None]) -> None:
    """A base that meets only words it does not know says nothing that can be read: the report then measures that."""
    if all(p is None for p in probabilities):
        what = config.meetings or "the held-out scenarios"
        print(f"warning: no answer of the agents on {what} can be read: take a base that knows its words", flush=True)


# What is compared with what on the same scenarios, as (after, before).
COMPARISONS = (
    ("sft", "base"),
    ("sft", "tfidf_logistic"),
    ("sft", "boosting_visible"),
    ("agent", "sft"),
    ("dpo", "agent"),
    ("dpo", "sft"),
)


def missing_baselines(log: dict) -> str | None:
    """Why no baselines can be fitted, if so: the rows that phase 1 trained on are gone, or are others by now."""
    data = Path(log["settings"]["sft_data_path"])
    known = log.get("sha256", {}).get("data")
    if not data.is_file():
        return f"{data}, which phase 1 trained on, is gone: the report will have no baselines"
    if known and digest(data) != known:
        return f"{data} has been changed since phase 1 trained on it: the report will have no baselines"
    return None


def baseline_probabilities(
    config: RLFTConfig, log: dict, scenarios: list, simulated: bool
) -> dict[str, Sequence[float | None]]:
    """Baselines fitted on the rows that phase 1 trained on, of which `log` tells; none where those are gone.

    Boosting only where rows and scenarios are simulated.
    """
    if missing_baselines(log):
        return {}
    sft = log["settings"]
    from meeting_agent.evaluation.baselines import boosting_baseline, tfidf_baseline
    from meeting_agent.world.prompts import prediction_prompt
    from meeting_agent.world.training_data import training_meetings
    from starter_sft import read_rows, split_rows

    rows = read_rows(sft["sft_data_path"], sft["max_train_rows"])
    split = split_rows(rows, sft["seed"])
    fitted = split.train + split.selection
    found: dict[str, Sequence[float | None]] = {
        "tfidf_logistic": tfidf_baseline(fitted, [s.prediction_prompt for s in scenarios], config.seed)
    }
    descriptor = PersonDescriptor()
    describe = descriptor.generate_description
    if not simulated or len(rows) > MOST_MEETINGS:
        return found
    behind = {
        prediction_prompt(describe(m.person_a, m.time_slot), describe(m.person_b, m.time_slot), m.time_slot): m
        for m in training_meetings(config.data_seed, len(rows))
    }
    if all(r.input_text in behind for r in fitted):
        meetings = [behind[r.input_text] for r in fitted]
        found["boosting_visible"] = boosting_baseline(meetings, [s.meeting for s in scenarios], descriptor, config.seed)
    return found


def write_scenarios(path: Path, scenarios: list, probabilities: dict, played: dict) -> None:
    """One row a held-out scenario: the truth, and what every phase said."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        answers = [f"{name}_recommendation" for name in played]
        writer.writerow(["scenario_id", "success_probability", *probabilities, *answers])
        for i, scenario in enumerate(scenarios):
            said = ["" if p[i] is None else f"{p[i]:.4f}" for p in probabilities.values()]
            advice = [traces[i].recommendation or "" for traces in played.values()]
            writer.writerow(
                [scenario.meeting.scenario_id, f"{scenario.meeting.success_probability:.4f}", *said, *advice]
            )


def print_ladder(metrics: dict) -> None:
    print(f"\nAccuracy on {metrics['phases']['sft']['n']} held-out scenarios:")
    for name, scores in (metrics["phases"] | metrics["baselines"]).items():
        low, high = scores["accuracy_ci95"]
        print(f"  {name:<18} {scores['accuracy']:.3f}  (95% {low:.3f} to {high:.3f})")
    for name, value in metrics["ceilings"].items():
        print(f"  ceiling {name:<20} {value:.3f}")


if __name__ == "__main__":
    run_script(main)
