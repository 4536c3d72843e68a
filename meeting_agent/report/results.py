"""The files in `results/`: the metrics of a run, and the plots, report and page made from them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from data_classes import PreferencePair, TrainingMetrics, Trajectory
from meeting_agent.agent.environment import Environment
from meeting_agent.common.files import read_json, write_json, write_text
from meeting_agent.common.machine import machine, versions
from meeting_agent.common.outputs import Output
from meeting_agent.evaluation.ablations import run_digests
from meeting_agent.evaluation.held_out import HeldOut, held_out_scores, write_scenarios
from meeting_agent.evaluation.opened import opened
from meeting_agent.evaluation.training_scores import dpo_curves, outcome_curves, pair_statistics, sft_curves
from meeting_agent.inference.bases import base_of_adapter
from meeting_agent.report.markdown import choose_examples, render_report
from meeting_agent.report.other_records import add_other_records
from meeting_agent.report.page import write_page
from meeting_agent.report.plots import draw_plots


def run_metrics(
    settings: dict,
    environment: Environment,
    held_out: HeldOut,
    traces_summary: dict,
    pairs: list[PreferencePair],
    dpo: TrainingMetrics,
    outcomes: TrainingMetrics | None = None,
) -> dict:
    """All numbers of a run, in the form of `results/metrics.json`.

    settings: the settings of phase 3. They name phase 1's adapter, beside which its log and validation scores lie.
    traces_summary: the summary that phase 2 wrote beside its trajectories.
    outcomes: the outcome training before DPO, if there was one.
    """
    sft = Path(settings["sft_model_path"])
    log, validation = (read_json(sft / name, "starter_sft.py") for name in ("training_log.json", "validation.json"))
    traces = {key: value for key, value in traces_summary.items() if key != "settings"}
    metrics = {
        "run": {
            "seed": settings["seed"],
            "eval_seed": settings["eval_seed"],
            "opened": opened(settings["eval_seed"]),
            "base_model": base_of_adapter(sft),
            "settings": {"sft": log["settings"], "traces": traces_summary["settings"], "rlft": settings},
            "versions": versions(),
            "machine": machine(),
            "sha256": run_digests(settings),
        },
        "task": {
            "name": environment.name,
            "call_range": list(environment.call_range),
            "tool_labels": dict(environment.tool_labels),
        },
        "audit": log["audit"],
        **held_out_scores(held_out, environment, settings["eval_seed"]),
        "validation": validation,
        "traces": traces,
        "pairs": pair_statistics(pairs),
        "training": {"sft": sft_curves(log), "dpo": dpo_curves(dpo)},
        "timing": {
            "sft_training_seconds": log["seconds"],
            "traces_seconds": traces["seconds"],
            "dpo_training_seconds": dpo.seconds,
        },
    }
    if outcomes:
        metrics["training"]["outcomes"] = outcome_curves(outcomes)
        metrics["timing"]["outcome_training_seconds"] = outcomes.seconds
    add_other_records(metrics, Path(settings["results_dir"]))
    return metrics


def write_results(
    output: Output, metrics: dict, held_out: HeldOut, traces: Iterable[Trajectory], evaluation: Iterable[Trajectory]
) -> None:
    """Writes metrics, the scenario table, plots, examples, report and page, and prints every accuracy.

    traces: the trajectories of phase 2. evaluation: those of the held-out scenarios. Both are read several times.
    """
    examples = [trajectory.to_json() for trajectory in choose_examples(traces)]
    with output.writing(whole=False) as folder:
        write_json(folder / "metrics.json", metrics)
        write_scenarios(folder / "evaluation_scenarios.csv", held_out)
        draw_plots(folder, metrics, traces)
        write_json(folder / "examples.json", examples)
        write_text(folder / "evaluation_report.md", render_report(metrics, examples))
        write_page(folder / "report.html", folder, traces, evaluation)
    print_ladder(metrics)


def print_ladder(metrics: dict) -> None:
    print(f"\nAccuracy on {metrics['phases']['sft']['n']} held-out scenarios:")
    for name, scores in (metrics["phases"] | metrics["baselines"]).items():
        low, high = scores["accuracy_ci95"]
        print(f"  {name:<20} {scores['accuracy']:.3f}  (95% {low:.3f} to {high:.3f})")
    for name, value in metrics["ceilings"].items():
        print(f"  ceiling {name:<20} {value:.3f}")
