"""Phase 3: learn from outcomes, make preference pairs, DPO, and the evaluation of every phase on held-out scenarios.

    python starter_agentic_rlft.py
    python starter_agentic_rlft.py --attendees people.csv --meetings past.csv  # your own, as in phase 2

First the number that closes a rollout learns from what happened, on all rollouts, right and wrong. Then each rollout
has a value: the reward that the trained policy itself expects at its end, because one observed outcome is mostly luck.
A pair holds two rollouts of one prompt with different values. DPO (Rafailov et al., 2023) over whole trajectories
follows ETO (Song et al., ACL 2024). It trains the adapter further; the adapter after outcome training is the reference.
We add cross-entropy on the chosen rollout (Iterative RPO, Pang et al., 2024), because DPO alone lowers the likelihood
of both rollouts until some answers break. Each step also learns from a few outcomes, so the number stays calibrated.

We mask tool results, the verdict, and everything in the rejected rollout except its faults. Some rejected rollouts are
copies of a good rollout, or of a corpus dialogue, with one made-up claim. Without them DPO teaches to invent claims.

Effective learning rates by LoRA+ (rate of A, rate of B = ratio times rate): 5e-5 and 8e-4 on outcomes, 5e-6 and 1.28e-3
in DPO. The adapter keeps phase 1's scale: alpha / sqrt(r) = 8 with rsLoRA, alpha / r = 2 without.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from data_classes import PreferencePair, TrainingMetrics, Trajectory
from meeting_agent.agent.environment import Environment
from meeting_agent.agent.loop import MAX_ANSWER_TOKENS
from meeting_agent.agent.trajectory_file import TraceFile, check_origin, companion
from meeting_agent.common.files import (
    ADAPTER_WEIGHTS,
    InputError,
    digests,
    fingerprint,
    read_json,
    write_json,
    write_json_array,
    write_text,
)
from meeting_agent.common.hardware import check_precision
from meeting_agent.common.outputs import Output, check_outputs, complete_inputs
from meeting_agent.common.processes import this_process
from meeting_agent.common.settings import (
    input_path,
    output_path,
    overwrite_setting,
    parse_settings,
    recorded,
    run_script,
    setting,
)
from meeting_agent.conference import Conference
from meeting_agent.inference.bases import base_of_adapter, check_adapter, check_base
from meeting_agent.inference.predictor import Predictor
from meeting_agent.training.adapter_folder import write_adapter
from meeting_agent.training.outcomes import Outcomes
from meeting_agent.training.trackers import check_reporter
from meeting_agent.training.values import check_ranking
from meeting_agent.world.reward import calculate_reward

__all__ = [
    "calculate_reward",
    "create_preference_dataset_from_traces",
    "evaluate_model_performance",
    "train_model_with_dpo",
]

NO_PAIRS = (
    ": no scenario has a better and a worse trajectory, for both YES and NO; play more scenarios or samples in "
    "starter_agentic_traces.py, or lower --min_reward_gap"
)


@dataclass
class RLFTConfig:
    """Settings of phase 3."""

    sft_model_path: str = input_path("models/sft_prediction_model_gemma_270m", "the adapter that phase 1 wrote")
    traces_path: str = input_path("trajectories/agent_traces.json", "the trajectories that phase 2 wrote")
    pairs_path: str = output_path("trajectories/preference_pairs.json", "file for the preference pairs")
    adapter_path: str = output_path("models/dpo_aligned_adapter", "folder for the aligned adapter")
    results_dir: str = output_path("results", "folder for metrics, report, plots and page")
    seed: int = setting(42, "seed of the choice and the order of pairs", 0, 2**32 - 1)
    outcome_epochs: int = setting(
        1, "epochs over all rollouts in which the number learns from outcomes; 0: none", 0, 100
    )
    outcome_weight: float = setting(
        20.0, "weight of the number's squared error against outcomes, before DPO and in it; 0 leaves it out", 0.0, 1e4
    )
    outcome_learning_rate: float = setting(5e-5, "learning rate of the A matrices on outcomes", 1e-8, 1e-1)
    outcome_loraplus_ratio: float = setting(
        16.0, "LoRA+ on outcomes: learning rate of the B matrices divided by that of the A matrices", 1.0, 1000.0
    )
    ranking: str = setting("expected", "values that rank rollouts: expected rewards, observed, or shuffled (a control)")
    beta: float = setting(0.1, "DPO's beta: a higher value keeps the policy closer to its reference", 1e-3, 10.0)
    preference_weight: float = setting(1.0, "weight of DPO's loss; 0 only imitates the chosen rollouts", 0.0, 1e3)
    sft_weight: float = setting(0.5, "weight of the chosen rollout's cross-entropy; 0 is plain DPO", 0.0, 1e3)
    learning_rate: float = setting(5e-6, "learning rate of the adapter's A matrices", 1e-8, 1e-2)
    loraplus_ratio: float = setting(
        256.0, "LoRA+: learning rate of the B matrices divided by that of the A matrices; 1 is plain LoRA", 1.0, 1000.0
    )
    max_steps: int = setting(60, "number of optimizer steps", 1, 100000)
    per_device_train_batch_size: int = setting(
        8, "pairs per batch, shared by the processes of one machine; use 1 to save memory", 1, 1024
    )
    gradient_accumulation_steps: int = setting(1, "batches per optimizer step; use 8 if a batch is 1 pair", 1, 1024)
    gradient_checkpointing: bool = setting(False, "recompute activations instead of keeping them: saves memory")
    bf16: bool = setting(False, "train in bfloat16; this is the default on a GPU that supports it")
    fp16: bool = setting(False, "train in float16, for older GPUs")
    fp32: bool = setting(False, "train and answer in full precision")
    use_4bit: bool = setting(False, "QLoRA: load the base in 4 bits while training")
    min_reward_gap: float = setting(0.05, "minimum gap between the values of a pair's rollouts", 1e-6, 2.0)
    grounding_share: float = setting(
        0.15, "share of rollout pairs whose rejected side is a copy of the chosen one with a made-up claim", 0.0, 0.9
    )
    dialogue_share: float = setting(
        0.5, "pairs of a corpus dialogue and its copy with a made-up claim, per pair of two rollouts", 0.0, 10.0
    )
    max_pairs: int = setting(1400, "maximum number of pairs of two rollouts", 2, 1_000_000)
    num_eval_scenarios: int = setting(1200, "number of held-out scenarios of the evaluation", 1, 100_000)
    eval_seed: int = setting(9511, "seed of the evaluation's meetings", 0, 2**32 - 1)
    data_seed: int = setting(42, "seed that the training data was made with (for the boosting baseline)", 0, 2**32 - 1)
    eval_temperature: float = setting(0.0, "sampling temperature of the evaluated agents; 0 is greedy", 0.0, 5.0)
    report_to: str = setting("none", "tracker that also gets the losses: tensorboard, wandb or another of Transformers")
    attendees: str = input_path("", "CSV of your own attendees to evaluate on; needs --meetings, both as in phase 2")
    meetings: str = input_path("", "CSV of their past meetings; the evaluation uses those that phase 2 left out")
    overwrite: bool = overwrite_setting()


def main(environment: Environment | None = None) -> None:
    config = parse_settings(RLFTConfig, __doc__.splitlines()[0])
    check_config(config)
    traces = TraceFile(Path(config.traces_path))
    task: Environment = environment or conference(config)
    check_base(Path(config.sft_model_path))
    check_origin(traces.path, Path(config.sft_model_path), task.inputs)
    try_what_follows(traces, config, task)
    outcomes = train_on_outcomes(traces, config, task)
    pairs = create_preference_dataset_from_traces(traces, config, task, outcomes)
    metrics = train_model_with_dpo(pairs, config, outcomes)
    evaluate_model_performance(config, traces, pairs, metrics, task, outcomes)
    if this_process().is_main_process:
        adapter_output(config).remove_unfinished(run_folder(config).name)


def conference(config: RLFTConfig) -> Conference:
    """The conference whose scenarios phase 2 played: the evaluation must have the same physics and the same reward."""
    return Conference.as_set(config.attendees, config.meetings, trace_summary(config)["settings"])


def check_config(config: RLFTConfig) -> None:
    complete_inputs(config.sft_model_path, config.traces_path)
    check_adapter(config.sft_model_path)
    check_reporter(config.report_to, Path(config.adapter_path))
    check_precision(config.bf16, config.fp16, config.fp32)
    check_ranking(config.ranking)
    inputs = {f"--{name}": getattr(config, name) for name in ("sft_model_path", "traces_path", "attendees", "meetings")}
    inputs["the summary of --traces_path"] = str(companion(Path(config.traces_path), "summary"))
    inputs["the base model"] = base_of_adapter(Path(config.sft_model_path))
    outputs = [pairs_output(config), evaluation_output(config), adapter_output(config), results_output(config)]
    check_outputs(outputs, inputs)


def try_what_follows(traces: Iterable[Trajectory], config: RLFTConfig, task: Environment) -> None:
    """Raises InputError, before any training, if no pairs can be made or if the evaluation cannot run."""
    from meeting_agent.evaluation.dry_run import try_evaluation
    from meeting_agent.training.pairs import may_pair

    if not may_pair(traces):
        raise InputError(config.traces_path + NO_PAIRS)
    try_evaluation(config, task)


def pairs_output(config: RLFTConfig) -> Output:
    return Output("--pairs_path", config.pairs_path, "preference pairs", overwrite=config.overwrite)


def evaluation_output(config: RLFTConfig) -> Output:
    """The file of the evaluation's trajectories. Its name derives from the pairs' file, so no two runs share it."""
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


def run_folder(config: RLFTConfig) -> Path:
    """The folder of the checkpoints of a run with these settings, traces and phase 1 adapter."""
    made_from = Path(config.traces_path), Path(config.sft_model_path) / ADAPTER_WEIGHTS
    return adapter_output(config).unfinished_run(fingerprint(recorded(config), *made_from))


# ----------------------------------------------------------------------------- outcomes


def train_on_outcomes(
    traces: Iterable[Trajectory], config: RLFTConfig, environment: Environment | None = None
) -> Outcomes:
    """Trains the phase 1 adapter on what happened after each rollout. The pairs and DPO start from the result.

    Under `accelerate launch` all processes share every batch.
    """
    from meeting_agent.training.outcomes import learn_from_outcomes

    return learn_from_outcomes(config, environment or conference(config), traces, run_folder(config) / "outcomes")


# ----------------------------------------------------------------------------- preference pairs


def create_preference_dataset_from_traces(
    traces: Iterable[Trajectory],
    config: RLFTConfig,
    environment: Environment | None = None,
    outcomes: Outcomes | None = None,
) -> list[PreferencePair]:
    """Makes pairs in TRL's conversational preference format with tools, and writes them to `pairs_path`.

    The adapter of `outcomes` reads the values of the rollouts; without `outcomes` it is trained first. Iterates over
    `traces` several times with one trajectory in memory at a time. Raises InputError if no pair is found.
    """
    from meeting_agent.training.pairs import preference_pairs
    from meeting_agent.training.values import rollout_values

    task: Environment = environment or conference(config)
    outcomes = outcomes or train_on_outcomes(traces, config, task)
    values = rollout_values(config, task, traces, outcomes.adapter, run_folder(config))
    pairs = preference_pairs(task, traces, values, config)
    if not pairs:
        raise InputError(config.traces_path + NO_PAIRS)
    if this_process().is_main_process:
        with pairs_output(config).writing() as folder:
            write_json(folder / Path(config.pairs_path).name, [pair.to_json() for pair in pairs])
        scenarios = len({pair.scenario_id for pair in pairs})
        print(f"{len(pairs)} preference pairs from {scenarios} scenarios in {config.pairs_path}", flush=True)
    this_process().wait_for_everyone()
    return pairs


# ----------------------------------------------------------------------------- DPO


def train_model_with_dpo(
    pairs: list[PreferencePair], config: RLFTConfig, outcomes: Outcomes | None = None
) -> TrainingMetrics:
    """Trains the adapter of `outcomes` further on the pairs, and writes adapter, card and logs to `adapter_path`.

    Without `outcomes` phase 1's adapter learns from the pairs alone. Under `accelerate launch` all processes share
    every batch, and the first process writes the files. The log holds SHA-256 digests of the inputs.
    """
    from meeting_agent.training.dpo import train

    checkpoints = run_folder(config) / fingerprint({}, Path(config.pairs_path))
    model, tokenizer, metrics = train(config, pairs, checkpoints, outcomes)
    if not this_process().is_main_process:
        return metrics
    log = asdict(metrics) | {"settings": recorded(config)}
    log["sha256"] = digests(sft=Path(config.sft_model_path) / ADAPTER_WEIGHTS, pairs=Path(config.pairs_path))
    with adapter_output(config).writing() as folder:
        write_adapter(folder, model, tokenizer, base_of_adapter(Path(config.sft_model_path)))
        write_json(folder / "training_log.json", log)
        write_text(folder / "README.md", model_card(config, metrics, {}))
    print(f"Adapter saved in {config.adapter_path} after {metrics.seconds:.0f} s of training.", flush=True)
    return metrics


def model_card(config: RLFTConfig, metrics: TrainingMetrics, evaluation: dict) -> str:
    """The card of the aligned adapter; `evaluation` is empty until the adapter has been evaluated."""
    from meeting_agent.training.model_card import adapter_card

    base = base_of_adapter(Path(config.sft_model_path))
    about = f"""LoRA adapter over `{base}`: the phase 1 adapter, trained on with the outcomes of agent trajectories for
{config.outcome_epochs} epochs, and then with DPO for {config.max_steps} steps ({metrics.seconds:.0f} s)."""
    dataset = f"held-out meetings of {config.meetings or 'a simulated conference'}"
    return adapter_card("Aligned meeting agent", 3, base, about, recorded(config), dataset, evaluation)


# ----------------------------------------------------------------------------- evaluation


def evaluate_model_performance(
    config: RLFTConfig,
    traces: Iterable[Trajectory],
    pairs: list[PreferencePair],
    dpo: TrainingMetrics,
    environment: Environment | None = None,
    outcomes: Outcomes | None = None,
) -> dict:
    """Scores base, SFT model and the agents before and after DPO on the same held-out scenarios.

    Writes metrics, report, plots and page, and returns the metrics. Under `accelerate launch` each process runs its
    share of the scenarios; only the first process writes, the others return an empty dict.
    """
    from meeting_agent.evaluation.baselines import fitted_baselines, zero_label_readings
    from meeting_agent.evaluation.behaviour import agent_behaviour
    from meeting_agent.evaluation.held_out import held_out_answers, warn_if_unreadable
    from meeting_agent.evaluation.playing import play_evaluation
    from meeting_agent.evaluation.tool_baselines import tool_baselines
    from meeting_agent.inference.engine import Engine
    from meeting_agent.report.results import run_metrics, write_results

    started = time.monotonic()
    task: Environment = environment or conference(config)
    groups = list(task.scenarios("evaluation", config.eval_seed, config.num_eval_scenarios))
    scenarios = [scenario for group in groups for scenario in group]
    predictor = Predictor(config.sft_model_path, fp32=config.fp32)
    answer_tokens = trace_summary(config)["settings"].get("max_answer_tokens", MAX_ANSWER_TOKENS)
    unfinished = play_evaluation(config, task, predictor, groups, evaluation_output(config), answer_tokens)
    if not this_process().is_main_process:
        return {}
    log = read_json(Path(config.sft_model_path) / "training_log.json", "starter_sft.py")
    base = Engine(base_of_adapter(Path(config.sft_model_path)), fp32=config.fp32)
    baselines = fitted_baselines(task, log, scenarios, config.seed, config.data_seed)
    baselines |= zero_label_readings(task, base, scenarios)
    held_out = held_out_answers(scenarios, predictor, base, unfinished.trajectories(), baselines)
    warn_if_unreadable(held_out, config.meetings or "the held-out scenarios")
    phase_2, known = trace_summary(config), held_out.predictions
    held_out.tools = tool_baselines(task, predictor.engine, groups, known, traces, phase_2["settings"], config.seed)
    held_out.behaviour = agent_behaviour(task, predictor, config, groups, held_out, unfinished.trajectories, phase_2)
    metrics = run_metrics(recorded(config), task, held_out, phase_2, pairs, dpo, outcomes.metrics if outcomes else None)
    metrics["timing"]["evaluation_seconds"] = time.monotonic() - started
    rollouts = evaluation_output(config)
    with rollouts.writing() as folder:
        write_json_array(folder / rollouts.path.name, (rollout.to_json() for rollout in unfinished.trajectories()))
    write_results(results_output(config), metrics, held_out, traces, TraceFile(rollouts.path))
    unfinished.delete()
    with adapter_output(config).writing(whole=False) as folder:
        write_text(folder / "README.md", model_card(config, dpo, metrics["phases"]["dpo"]))
    return metrics


def command() -> None:
    """`meeting-rlft`: errors that the user can mend are one line."""
    run_script(main)


if __name__ == "__main__":
    command()
