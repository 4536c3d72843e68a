"""Runs the reference run again with one thing changed at a time: the controls that a sceptic would ask for.

    python -m meeting_agent.evaluation.ablations
    python -m meeting_agent.evaluation.ablations --controls chosen_side_sft,shuffled_rewards

Everything but the settings in `CONTROLS` is as in the reference run, which its metrics describe: adapter, trajectories,
seeds and held-out scenarios. So answers are compared scenario by scenario. A killed run goes on after the controls that
it finished. Figures of another reference run are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meeting_agent.agent.summary import summarize
from meeting_agent.agent.trajectory_file import TraceFile
from meeting_agent.common.files import ADAPTER_WEIGHTS, InputError, digests, json_text, read_json
from meeting_agent.common.outputs import Output
from meeting_agent.common.settings import input_path, output_path, parse_settings, run_script, setting
from meeting_agent.evaluation.agent_scores import was_right
from meeting_agent.evaluation.phase_runs import SCRIPTS, evaluation_of, outputs_in, phase_command, run_all, threads_each
from meeting_agent.evaluation.statistics import paired_comparison

Changes = Mapping[str, Mapping[str, Any]]  # phase -> the settings that a control changes

# A control runs the phases from the first that it names, and takes the outputs of earlier ones from the reference run.
CONTROLS: dict[str, Changes] = {
    "chosen_side_sft": {"rlft": {"preference_weight": 0.0}},
    "shuffled_rewards": {"rlft": {"ranking": "shuffled"}},
    "observed_rewards": {"rlft": {"ranking": "observed"}},
    "outcomes_only": {"rlft": {"preference_weight": 0.0, "sft_weight": 0.0}},
    "no_outcomes": {"rlft": {"outcome_epochs": 0, "outcome_weight": 0.0}},
    "no_cross_entropy": {"rlft": {"sft_weight": 0.0}},
    "no_made_up_claims": {"rlft": {"grounding_share": 0.0, "dialogue_share": 0.0}},
    # The upper ends of the brief's ranges, without what makes a small model move at such rates.
    "plain_lora_brief_rates": {
        "sft": {"learning_rate": 5e-5, "loraplus_ratio": 1.0, "use_rslora": False},
        "rlft": {"learning_rate": 5e-6, "loraplus_ratio": 1.0},
    },
}
SCORES = ("accuracy", "accuracy_ci95", "calls_mean")


@dataclass
class AblationConfig:
    """Settings of the controls."""

    controls: str = setting(",".join(CONTROLS), "comma-separated controls to run")
    metrics: str = input_path("results/metrics.json", "metrics of the reference run, which name its settings and files")
    scratch: str = output_path("build/ablations", "folder for the runs")
    jobs: int = setting(2, "number of parallel runs, which share the cores; a small model uses few cores", 1, 64)
    output: str = output_path("results/ablations.json", "file for the table")


def main() -> None:
    config = parse_settings(AblationConfig, "Runs the reference run again with one thing changed at a time.")
    wanted = config.controls.split(",")
    if unknown := sorted(set(wanted) - CONTROLS.keys()):
        raise InputError(f"--controls: there is no {unknown[0]!r}; choose from {', '.join(CONTROLS)}")
    output = Output("--output", config.output, "results")
    output.check({"--metrics": config.metrics})
    metrics = read_json(Path(config.metrics), "starter_agentic_rlft.py")
    check_reference(metrics, config.metrics)
    finished = read_json(output.path, "this command") if output.path.exists() else {}
    entries = {name: entry for name, entry in of_this_run(finished, metrics).items() if is_current(name, entry)}
    failures = []
    with ThreadPoolExecutor(config.jobs) as pool:
        threads = threads_each(config.jobs)
        runs = {
            pool.submit(run_control, name, metrics, Path(config.scratch), threads): name
            for name in wanted
            if name not in entries
        }
        for run in as_completed(runs):
            if isinstance(error := run.exception(), InputError):
                failures.append(error)
                continue
            entries[runs[run]] = run.result()
            output.write(json_text({name: entries[name] for name in CONTROLS if name in entries}))
            print(f"{runs[run]} done in {entries[runs[run]]['seconds']:.0f} s", flush=True)
    if failures:
        raise failures[0]


# ----------------------------------------------------------------------------- the reference run


def reference_of(metrics: Mapping) -> dict:
    """What tells a reference run from all others: the bytes of what it trained, and its held-out scenarios."""
    run = metrics["run"]
    return {"sha256": run.get("sha256"), "eval_seed": run["eval_seed"], "scenarios": metrics["phases"]["dpo"]["n"]}


def of_this_run(entries: Mapping[str, dict], metrics: Mapping) -> dict[str, dict]:
    """Those controls that were compared with the run of these metrics."""
    return {name: entry for name, entry in entries.items() if entry["reference"] == reference_of(metrics)}


def is_current(name: str, entry: Mapping) -> bool:
    """Whether a control was run with the settings that it has today."""
    return entry["settings"] == CONTROLS.get(name)


def check_reference(metrics: Mapping, path: str) -> None:
    """Raises InputError unless the files that a run's settings name are those of that run."""
    rlft = metrics["run"]["settings"]["rlft"]
    if metrics["run"].get("sha256") != run_digests(rlft):
        raise InputError(f"{path} is not of the adapters and trajectories that it names: run starter_agentic_rlft.py")


def run_digests(rlft: Mapping) -> dict[str, str]:
    """SHA-256 of phase 1's adapter, the trajectories and the aligned adapter, which the settings of phase 3 name."""
    return digests(
        sft=Path(rlft["sft_model_path"]) / ADAPTER_WEIGHTS,
        traces=Path(rlft["traces_path"]),
        dpo=Path(rlft["adapter_path"]) / ADAPTER_WEIGHTS,
    )


# ----------------------------------------------------------------------------- a control


def run_control(name: str, metrics: Mapping, scratch: Path, threads: int) -> dict:
    """Runs a control and returns its entry. `delta_vs_dpo` is its accuracy minus that of the aligned agent.

    Raises InputError if a phase fails.
    """
    folder, changes, run = scratch / name, CONTROLS[name], metrics["run"]
    seconds = run_all(control_commands(run["settings"], folder, changes), folder, threads, name)
    scores = read_json(folder / "results" / "metrics.json", "starter_agentic_rlft.py")["phases"]["dpo"]
    found = right_answers(evaluation_of(folder / "preference_pairs.json"))
    known = right_answers(evaluation_of(Path(run["settings"]["rlft"]["pairs_path"])))
    if found.keys() != known.keys():
        raise InputError(f"{name} played other scenarios than the reference run: run starter_agentic_rlft.py again")
    return {score: scores[score] for score in SCORES} | {
        "settings": changes,
        "delta_vs_dpo": paired_comparison(list(found.values()), [known[scenario] for scenario in found]),
        "seconds": seconds,
        "reference": reference_of(metrics),
    }


def control_commands(settings: Mapping[str, Mapping], folder: Path, changes: Changes) -> list[list[str]]:
    """The commands of a control, which write into `folder`. `settings` are those of the reference run by phase."""
    outputs = outputs_in(folder)
    handed_on = {"sft": {"sft_model_path": outputs["sft"]["output_model_path"]}, "traces": outputs["traces"]}
    phases = list(SCRIPTS)
    commands: list[list[str]] = []
    made: dict[str, Path] = {}
    for phase in phases[min(map(phases.index, changes)) :]:
        commands.append(phase_command(phase, {**settings[phase], **made, **outputs[phase], **changes.get(phase, {})}))
        made |= handed_on.get(phase, {})
    return commands


def right_answers(path: Path) -> dict[str, bool]:
    """Scenario -> whether the aligned agent's answer was right, from the rollouts of an evaluation."""
    played = (rollout for rollout in TraceFile(path, "starter_agentic_rlft.py") if rollout.policy == "dpo")
    return {rollout.scenario_id: was_right([summarize(rollout)])[0] for rollout in played}


if __name__ == "__main__":
    run_script(main)
