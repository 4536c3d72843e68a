"""The evaluation report and the README's results: the numbers of `metrics.json` in the words of `templates/`.

python -m meeting_agent.report.markdown            # writes report and README table from results/metrics.json
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from data_classes import Trajectory
from meeting_agent.common.files import read_json, write_json, write_text
from meeting_agent.common.outputs import Output
from meeting_agent.common.settings import PROJECT
from meeting_agent.evaluation.embedding_baseline import INSTALL
from meeting_agent.report.behaviour import behaviour_sections
from meeting_agent.report.generated_parts import with_generated
from meeting_agent.report.glossary import FROM_README, FROM_REPORT
from meeting_agent.report.other_records import (
    add_other_records,
    controls_section,
    reliability_section,
    replication_text,
    schedule_section,
    speed_section,
)
from meeting_agent.report.prose import render, section
from meeting_agent.report.tables import (
    bars_table,
    before_and_after_table,
    calibration_table,
    ceilings_table,
    error_table,
    fixed_rules_table,
    ladder_table,
    paired_table,
    tool_table,
)
from meeting_agent.report.wording import percent

TABLE_START, TABLE_END = "<!-- results: generated from results/metrics.json -->", "<!-- end of results -->"
OTHER_SECTIONS = {
    "ablations": controls_section,
    "schedule": schedule_section,
    "benchmark": speed_section,
    "reliability": reliability_section,
}


def render_report(metrics: dict, examples: list[dict]) -> str:
    """The whole report in Markdown."""
    sections = [
        sft_section(metrics),
        trajectory_section(metrics, examples),
        dpo_section(metrics),
        comparison_section(metrics),
        *sceptic_sections(metrics),
        *behaviour_sections(metrics),
        lessons_section(metrics),
        *(write(metrics[name]) for name, write in OTHER_SECTIONS.items() if name in metrics),
    ]
    return render(
        "report",
        run=metrics["run"],
        task=metrics["task"]["name"],
        scenarios=metrics["phases"]["sft"]["n"],
        own_meetings=metrics["run"]["settings"]["rlft"].get("meetings"),
        ladder=ladder_table(metrics),
        sections=sections,
    )


def call_range(m: dict) -> str:
    low, high = m["task"]["call_range"]
    return f"{low} to {high}"


def sft_section(m: dict) -> str:
    sft = m["phases"]["sft"]
    return section(
        "sft",
        audit=m["audit"],
        sft=sft,
        ceilings=m["ceilings"],
        attainable=m["attainable"].get("sft"),
        training=m["training"]["sft"],
        validation=m["validation"],
        errors=error_table(sft["errors"]),
    )


def trajectory_section(m: dict, examples: list[dict]) -> str:
    traces = m["traces"]
    return section(
        "trajectories",
        traces=traces,
        call_range=call_range(m),
        calls=", ".join(f"{calls} ({percent(share)})" for calls, share in traces["calls_distribution"].items()),
        tools=tool_table(traces["tool_share"]),
        examples=[example_values(trace) for trace in examples],
    )


def dpo_section(m: dict) -> str:
    before, after = m["phases"]["agent"], m["phases"]["dpo"]
    return section(
        "dpo",
        pairs=m["pairs"],
        training=m["training"]["dpo"],
        sft_weight=f"{m['run']['settings']['rlft']['sft_weight']:g}",
        before_and_after=before_and_after_table(before, after, call_range(m)),
        grounding=m["grounding"],
    )


def comparison_section(m: dict) -> str:
    return section(
        "comparisons",
        paired=paired_table(m["paired"]),
        ceilings=ceilings_table(m["ceilings"], m.get("ceilings_ci95", {})),
        calibration=calibration_table(m.get("calibration", {})),
        rewarded=m["run"]["settings"]["traces"].get("outcome"),
        replications=replication_text(m),
        call_range=call_range(m),
        bars=bars_table(m),
    )


def sceptic_sections(m: dict) -> list[str]:
    """One section, or none if no tool of the task has a naive score."""
    baselines = m["baselines"]
    if "rule_best_fixed" not in baselines:
        return []
    text = section(
        "sceptic",
        rules=len(m["fixed_rules"]),
        table=fixed_rules_table(m["fixed_rules"], m["task"]["tool_labels"]),
        best=rule_text(m),
        logistic=baselines.get("logistic_all_tools"),
        boosting=baselines.get("boosting_all_tools"),
        advantage=baselines.get("advantage_argmax"),
        words=baselines.get("tfidf_logistic"),
        embeddings=baselines.get("embedding_logistic"),
        install=INSTALL,
        readings=baselines.get("zero_label_readings"),
        ridge=baselines.get("ridge_visible"),
        paired=m["paired"],
    )
    return [text]


def rule_text(m: dict) -> str:
    """How the agent after DPO compares with the best rule. Which of them wins depends on the measured interval."""
    rule, against = m["baselines"]["rule_best_fixed"], m["paired"]["dpo_vs_rule_best_fixed"]
    return section("rule", rule=rule, against=against, agent=m["phases"]["dpo"])


def lessons_section(m: dict) -> str:
    return section(
        "lessons",
        **{name: m["phases"][name] for name in ("sft", "agent", "dpo")},
        ceilings=m["ceilings"],
        attainable=m["attainable"].get("sft") if "all_tools" in m["ceilings"] else None,
        gain=m["paired"]["dpo_vs_sft"]["delta"],
        minutes=sum(m["timing"].values()) / 60,
        machine=m["run"]["machine"],
    )


# ----------------------------------------------------------------------------- examples


def choose_examples(traces: Iterable[Trajectory]) -> list[Trajectory]:
    """A right and a wrong trajectory of the same scenario. Where no scenario has both, the first trajectory."""
    first: list[Trajectory] = []
    for _, played in itertools.groupby(traces, key=lambda trajectory: trajectory.scenario_id):
        group = list(played)
        best, worst = max(group, key=lambda t: t.reward), min(group, key=lambda t: t.reward)
        if best.reward > 0.5 > worst.reward > 0:
            return [best, worst]
        first = first or group[:1]
    return first


def example_values(trace: dict) -> dict:
    """What the report shows of a trajectory in its file's form. The conversation becomes a quotation."""
    lines = []
    for message in trace["messages"][1:]:
        content = message["content"].replace("\n", "\n> ")
        calls = "".join(f" `{c['function']['name']}(…)`" for c in message.get("tool_calls") or [])
        lines.append(f"> **{message['role']}** {content}{calls}\n>")
    return {
        "persona": trace["system_prompt_name"],
        "said": Trajectory.from_json(trace).recommendation,
        "happened": Trajectory.from_json(trace).happened,
        "reward": trace["reward"],
        "quote": "\n".join(lines),
    }


# ----------------------------------------------------------------------------- README


def readme_results(m: dict) -> str:
    """The text between the README's markers."""
    records = {name: m[name] for name in ("schedule", "memory") if name in m}
    results = section(
        "readme_results",
        ladder=ladder_table(m),
        minutes={phase: seconds / 60 for phase, seconds in m["timing"].items()},
        machine=m["run"]["machine"],
        rule=rule_text(m) if "rule_best_fixed" in m["baselines"] else "",
        replications=replication_text(m),
        **records,
    )
    return "\n\n".join([TABLE_START, results.replace(FROM_REPORT, FROM_README), TABLE_END])


def fill_readme(readme: str, metrics: dict) -> str:
    """The README with new results. Raises InputError if the markers are missing."""
    return with_generated(readme, TABLE_START, TABLE_END, readme_results(metrics))


def main() -> None:
    results, readme = PROJECT / "results", PROJECT / "README.md"
    metrics = read_json(results / "metrics.json", "starter_agentic_rlft.py")
    add_other_records(metrics, results)
    examples = read_json(results / "examples.json", "starter_agentic_rlft.py")
    output = Output("results", results, "results", is_folder=True)
    output.check()
    filled = fill_readme(readme.read_text(encoding="utf-8"), metrics)
    with output.writing(whole=False) as folder:
        write_json(folder / "metrics.json", metrics)
        write_text(folder / "evaluation_report.md", render_report(metrics, examples))
    write_text(readme, filled)


if __name__ == "__main__":
    from meeting_agent.common.settings import run_script

    run_script(main)
