"""The evaluation report and the README's table: words around the numbers of `metrics.json`, and nothing else.

python -m meeting_agent.report.markdown            # writes report and README table anew from results/metrics.json
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

from data_classes import Trajectory
from meeting_agent.common.files import InputError, read_json, write_json, write_text
from meeting_agent.common.outputs import Output
from meeting_agent.evaluation.criteria import BRIEF, criteria, met
from meeting_agent.report.other_records import (
    add_other_records,
    memory_text,
    reliability_section,
    replication_text,
    schedule_section,
    schedule_text,
    speed_section,
)
from meeting_agent.report.wording import p_text, percent, score, table, with_interval

NAMES = {
    "base": "untouched base, prediction prompt",
    "sft": "SFT, prediction prompt",
    "agent": "agent before DPO",
    "dpo": "agent after DPO",
    "tfidf_logistic": "TF-IDF + logistic regression",
    "boosting_visible": "gradient boosting on the stated attributes",
}
COMPARED = {
    "sft_vs_base": "SFT against the untouched base",
    "sft_vs_tfidf_logistic": "SFT against TF-IDF + logistic regression",
    "sft_vs_boosting_visible": "SFT against gradient boosting on the stated attributes",
    "agent_vs_sft": "agent before DPO against SFT",
    "dpo_vs_agent": "agent after DPO against before",
    "dpo_vs_sft": "agent after DPO against SFT",
}
CEILINGS = {
    "majority": "majority class",
    "text_only": "best possible from the text",
    "text_and_topics": "text and topics tool",
    "text_and_energy": "text and energy tool",
    "text_and_follow_up": "text and follow-up tool",
    "all_tools": "text and all tools",
}
TABLE_START, TABLE_END = "<!-- results: generated from results/metrics.json -->", "<!-- end of results -->"


def ladder_table(metrics: dict) -> str:
    """Accuracy of every phase and baseline with its interval, and what each could reach at most."""
    reach = {"base": "text_only", "sft": "text_only", "agent": "all_tools", "dpo": "all_tools"}
    found = metrics["phases"] | metrics["baselines"]
    if not ceilings_known(metrics):
        known = [["majority class", percent(metrics["ceilings"]["majority"])]]
        known += [[NAMES[name], with_interval(scores)] for name, scores in found.items()]
        return table(["who", "accuracy (95% interval)"], known)
    rows = []
    for name, scores in found.items():
        ceiling = metrics["ceilings"][reach.get(name, "text_only")]
        share = percent(metrics["attainable"][name]) if name in metrics["attainable"] else ""
        rows.append([NAMES[name], with_interval(scores), percent(ceiling), share])
    return table(["who", "accuracy (95% interval)", "ceiling of its view", "share of the attainable gain"], rows)


def render_report(metrics: dict, examples: list[dict]) -> str:
    """The whole report in Markdown."""
    phases, run = metrics["phases"], metrics["run"]
    sections = [
        "# Evaluation report",
        f"Seed {run['seed']}, evaluation seed {run['eval_seed']}, base model `{run['base_model']}`, "
        f"{phases['sft']['n']} {held_out_text(metrics)}, {run['machine']}.",
        ladder_table(metrics),
        "![Accuracy of every phase](accuracy_ladder.png)",
        sft_section(metrics),
        trajectory_section(metrics, examples),
        dpo_section(metrics),
        comparison_section(metrics),
        lessons_section(metrics),
        *([schedule_section(metrics["schedule"])] if "schedule" in metrics else []),
        *([speed_section(metrics["benchmark"])] if "benchmark" in metrics else []),
        *([reliability_section(metrics["reliability"])] if "reliability" in metrics else []),
    ]
    return "\n\n".join(sections) + "\n"


def ceilings_known(m: dict) -> bool:
    """They need the simulator's truth: of one's own attendees only the majority class is known."""
    return "text_only" in m["ceilings"]


def held_out_text(m: dict) -> str:
    own = m["run"]["settings"]["rlft"].get("meetings")
    if own:
        return f"meetings of `{own}`, whose attendees no trajectory holds (what anybody could reach at most is not known of them)"
    return "held-out scenarios from a conference that no training saw"


def sft_section(m: dict) -> str:
    sft, held, training = m["phases"]["sft"], m["validation"], m["training"]["sft"]
    audit = m["audit"]
    errors = table(
        ["by", "group", "scenarios", "accuracy", "mean absolute error"],
        [[e["by"], e["group"], str(e["n"]), percent(e["accuracy"]), f"{e['mae']:.3f}"] for e in sft["errors"]],
    )
    found = (
        f"The audit before training found that TF-IDF + ridge reads the labels with accuracy {percent(audit['accuracy'])} "
        f"and correlation {audit['correlation']:.2f} in cross-validation on {audit['rows']} rows; the majority class is {percent(audit['majority'])}.\n\n"
        if audit
        else ""
    )
    reach = (
        f" No reader of these texts could exceed\n{percent(m['ceilings']['text_only'])}: the model has "
        f"{percent(m['attainable']['sft'])} of the attainable gain."
        if "sft" in m["attainable"]
        else ""
    )
    return f"""## 1. SFT accuracy and analysis

{found}On the held-out scenarios the SFT model reaches {with_interval(sft)}, correlation {sft["correlation"]:.2f} with the
true probability, MAE {sft["mae"]:.3f}, Brier score {sft["brier"]:.3f}, expected calibration error {sft["ece"]:.3f};
{percent(sft["valid_rate"])} of its outputs are valid.{reach}
Greedy text instead of the expectation over digits (RAIL) gives {percent(sft["greedy"]["accuracy"])} with
{percent(sft["greedy"]["valid_rate"])} valid.

Training loss fell from {training["loss_first"]:.3f} to {training["loss_last"]:.3f} in {training["steps"]} steps; step
{training["best_step"]} read the selection rows best and was kept.

![Loss curves](loss_curves.png)

![Calibration](calibration.png)

On the {held["n"]} test rows of the training file it reaches {with_interval(held)}. Where it errs, on the held-out
scenarios:

{errors}"""


def trajectory_section(m: dict, examples: list[dict]) -> str:
    t = m["traces"]
    calls = ", ".join(f"{k}: {percent(v)}" for k, v in t["calls_distribution"].items())
    shares = ", ".join(f"`{k}` {percent(v)}" for k, v in t["tool_share"].items())
    return f"""## 2. Agent trajectories

{t["n"]} trajectories for DPO: accuracy {with_interval(t)}, mean reward {t["reward"]:.3f},
{percent(t["completed_rate"])} completed, {percent(t["calls_in_range_rate"])} with 2 to 5 calls (calls: {calls}),
{t["patterns"]} different sequences of tools. Consulted: {shares}. Of the numbers that answers cite,
{percent(t["grounded_claim_rate"])} stand in a tool's answer.

![Rewards](rewards.png)

{chr(10).join(render_example(e) for e in examples)}"""


def dpo_section(m: dict) -> str:
    before, after, training, pairs = m["phases"]["agent"], m["phases"]["dpo"], m["training"]["dpo"], m["pairs"]
    weight = m["run"]["settings"]["rlft"]["sft_weight"]
    rows = [
        ["accuracy", percent(before["accuracy"]), percent(after["accuracy"])],
        ["mean reward", f"{before['reward']:.3f}", f"{after['reward']:.3f}"],
        ["calls per scenario", f"{before['calls_mean']:.2f}", f"{after['calls_mean']:.2f}"],
        ["repeated calls per scenario", f"{before['repeated_calls_mean']:.3f}", f"{after['repeated_calls_mean']:.3f}"],
        ["2 to 5 calls", percent(before["calls_in_range_rate"]), percent(after["calls_in_range_rate"])],
        ["completed", percent(before["completed_rate"]), percent(after["completed_rate"])],
        ["claims per answer", f"{before['claims_mean']:.2f}", f"{after['claims_mean']:.2f}"],
        ["claims grounded", f"{before['grounded_claim_rate']:.2%}", f"{after['grounded_claim_rate']:.2%}"],
        ["correlation", score(before, "correlation", 2), score(after, "correlation", 2)],
        ["Brier score", score(before, "brier", 3), score(after, "brier", 3)],
        ["tokens written", f"{before['tokens_mean']:.0f}", f"{after['tokens_mean']:.0f}"],
    ]
    grounding = m["grounding"]
    tools = sorted(before["tool_share"].keys() | after["tool_share"].keys())
    rows += [
        [f"consults `{name}`", percent(before["tool_share"].get(name, 0)), percent(after["tool_share"].get(name, 0))]
        for name in tools
    ]
    return f"""## 3. DPO improvements

{pairs["n"]} pairs from {pairs["scenarios"]} scenarios and {pairs["trajectories"]} trajectories, mean reward gap
{pairs["mean_gap"]:.2f}; chosen sides made {pairs["chosen_calls"]:.2f} calls, rejected ones {pairs["rejected_calls"]:.2f}.
{pairs["made_up"]} more pairs set a good trajectory, or a dialogue of the base's corpus, against itself with one claim that
no tool made.
In {training["steps"]} steps the loss, DPO's and {weight:g} times the chosen side's cross-entropy, fell from {training["loss_first"]:.3f} to {training["loss_last"]:.3f} (first and
last tenth) and the reward margin rose from {training["margin_first"]:.3f} to {training["margin_last"]:.3f}.

{table(["on the held-out scenarios", "before DPO", "after DPO"], rows)}

Answers whose every cited number stands in a tool's answer: {100 * grounding["delta"]:+.2f} points after DPO
({100 * grounding["ci95"][0]:+.2f} to {100 * grounding["ci95"][1]:+.2f}; {grounding["won"]} won, {grounding["lost"]} lost on the same scenarios).

![Tool use before and after](tool_use.png)"""


def comparison_section(m: dict) -> str:
    paired = table(
        ["comparison on the same scenarios", "gain (95% interval)", "McNemar"],
        [
            [
                COMPARED[name],
                f"{100 * c['delta']:+.1f} points ({100 * c['ci95'][0]:+.1f} to {100 * c['ci95'][1]:+.1f})",
                p_text(c["p_value"]),
            ]
            for name, c in m["paired"].items()
        ],
    )
    ceilings = (
        "What anybody could reach at most, by Monte Carlo over what is hidden:\n\n"
        + table(["ceiling", "accuracy"], [[CEILINGS[k], percent(v)] for k, v in m["ceilings"].items()])
        + "\n\n"
        if ceilings_known(m)
        else ""
    )
    return f"""## 4. All phases compared

{paired}

{ceilings}{replication_text(m)}

This project's bars, those of the brief first:

{bars_table(m)}"""


def bars_table(m: dict) -> str:
    """Every acceptance criterion with what was measured."""
    found = sorted(criteria(m), key=lambda c: c[0] not in BRIEF)
    return table(
        ["bar", "measured", "asked", "met"],
        [[w, f"{v:.4g}", f"{c} {bound:g}", "yes" if met(v, c, bound) else "**no**"] for w, v, c, bound in found],
    )


def lessons_section(m: dict) -> str:
    phases, c, paired = m["phases"], m["ceilings"], m["paired"]
    minutes = sum(v for k, v in m["timing"].items()) / 60
    sft, agent, dpo = phases["sft"], phases["agent"], phases["dpo"]
    ceiling_lines = (
        [
            f"**Know the ceiling first.** Text alone allows {percent(c['text_only'])}, all tools {percent(c['all_tools'])}. "
            f"Without these two numbers {percent(sft['accuracy'])} would look like a mediocre model; it is "
            f"{percent(m['attainable']['sft'])} of what can be had.",
            f"**What stays hard.** {percent(c['all_tools'] - dpo['accuracy'])} of scenarios lie between the aligned agent "
            f"and the ceiling, and {percent(1 - c['all_tools'])} cannot be decided by anybody: chemistry shows "
            f"only in the meeting, and tools measure with noise.",
        ]
        if "sft" in m["attainable"]
        else []
    )
    gain = paired["dpo_vs_sft"]["delta"]
    gain_line = (
        "**Looking things up beats guessing better.** The aligned agent beats its own SFT predictor by "
        f"{100 * gain:.1f} points, because it consults what the text leaves out."
    )
    lines = [
        *ceiling_lines[:1],
        *([gain_line] if gain > 0 else []),
        f"**DPO teaches where to look.** Calls per scenario went from {agent['calls_mean']:.2f} to "
        f"{dpo['calls_mean']:.2f}, accuracy from {percent(agent['accuracy'])} to {percent(dpo['accuracy'])}.",
        f"**Read numbers from the distribution.** Plain greedy decoding of the same SFT model reaches "
        f"{percent(sft['greedy']['accuracy'])}, the expectation over its digits {percent(sft['accuracy'])}.",
        *ceiling_lines[1:],
        f"**Watch what else is learned.** From before DPO to after, the share of claims that are grounded went from "
        f"{agent['grounded_claim_rate']:.2%} to {dpo['grounded_claim_rate']:.2%}, expected calibration error "
        f"from {score(agent, 'ece', 3)} to {score(dpo, 'ece', 3)}, readable answers from {percent(agent['valid_rate'])} to "
        f"{percent(dpo['valid_rate'])}, repeated calls per scenario from {agent['repeated_calls_mean']:.3f} to "
        f"{dpo['repeated_calls_mean']:.3f}.",
        f"**It is cheap.** Training, trajectories and evaluation took {minutes:.1f} minutes on {m['run']['machine']}.",
    ]
    return "## 5. Lessons and challenges\n\n" + "\n".join(f"- {line}" for line in lines)


# ----------------------------------------------------------------------------- examples


def choose_examples(traces: Iterable[Trajectory]) -> list[Trajectory]:
    """A right and a wrong trajectory of the same scenario, where there is one; else the first trajectory."""
    first: list[Trajectory] = []
    for _, played in itertools.groupby(traces, key=lambda trajectory: trajectory.scenario_id):
        group = list(played)
        best, worst = max(group, key=lambda t: t.reward), min(group, key=lambda t: t.reward)
        if best.reward > 0.5 > worst.reward > 0:
            return [best, worst]
        first = first or group[:1]
    return first


def render_example(trace: dict) -> str:
    """A trajectory, as its file holds it, in Markdown."""
    said = Trajectory.from_json(trace).recommendation
    lines = []
    for message in trace["messages"][1:]:
        content = message["content"].replace("\n", "\n> ")
        calls = "".join(f" `{c['function']['name']}(…)`" for c in message.get("tool_calls") or [])
        lines.append(f"> **{message['role']}** {content}{calls}\n>")
    head = (
        f"### Example: {trace['system_prompt_name']} advisor says {said}, "
        f"truth {trace['true_outcome']}, reward {trace['reward']:.2f}"
    )
    return head + "\n\n" + "\n".join(lines) + "\n"


# ----------------------------------------------------------------------------- README


def readme_results(m: dict) -> str:
    """What stands between the README's markers."""
    minutes = {k: v / 60 for k, v in m["timing"].items()}
    timing = (
        f"Training, trajectories and evaluation of one run: {sum(minutes.values()):.1f} minutes on {m['run']['machine']}, "
        f"without starting up, the audit and the reference policy's probabilities (SFT "
        f"{minutes['sft_training_seconds']:.1f}, trajectories {minutes['traces_seconds']:.1f}, DPO "
        f"{minutes['dpo_training_seconds']:.1f}, evaluation {minutes['evaluation_seconds']:.1f})."
    )
    parts = [ladder_table(m), timing, replication_text(m)]
    parts += [schedule_text(m["schedule"])] if "schedule" in m else []
    parts += [memory_text(m["memory"])] if "memory" in m else []
    return "\n\n".join([TABLE_START, *parts, TABLE_END])


def fill_readme(readme: str, metrics: dict) -> str:
    """The README with its results replaced; raises InputError if its markers are gone."""
    head, start, rest = readme.partition(TABLE_START)
    _, end, tail = rest.partition(TABLE_END)
    if not start or not end:
        raise InputError("README.md: the results markers are missing")
    return head + readme_results(metrics) + tail


def main() -> None:
    results = Path("results")
    metrics = read_json(results / "metrics.json", "starter_agentic_rlft.py")
    add_other_records(metrics, results)
    examples = read_json(results / "examples.json", "starter_agentic_rlft.py")
    output = Output("results", results, "results", is_folder=True)
    output.check()
    with output.writing(whole=False) as folder:
        write_json(folder / "metrics.json", metrics)
        write_text(folder / "evaluation_report.md", render_report(metrics, examples))
    readme = Path("README.md")
    write_text(readme, fill_readme(readme.read_text(encoding="utf-8"), metrics))


if __name__ == "__main__":
    from meeting_agent.common.settings import run_script

    run_script(main)
