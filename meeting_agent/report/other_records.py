"""Sections of the report on what was measured outside the three phases, each in a JSON file of its own."""

from __future__ import annotations

from pathlib import Path

from meeting_agent.common.files import read_json
from meeting_agent.evaluation.ablations import CONTROLS, of_this_run
from meeting_agent.evaluation.replications import method
from meeting_agent.report.prose import section
from meeting_agent.report.tables import controls_table, growth_table, replication_table, schedule_table, speed_table

# All of these records were measured on the simulator's conference.
TASK = "meeting"
RECORDS = ("replications", "schedule", "reliability", "memory", "benchmark", "ablations")


def add_other_records(metrics: dict, results: Path) -> None:
    """Adds those of `RECORDS` that exist in `results` to a report on the simulator's conference.

    They say nothing of another task, nor of a user's own meetings. Controls of another run are left out.
    """
    if metrics["task"]["name"] != TASK or metrics["run"]["settings"]["rlft"].get("meetings"):
        return
    for name in RECORDS:
        metrics.pop(name, None)
        if (results / f"{name}.json").exists():
            metrics[name] = read_json(results / f"{name}.json", "the command that wrote it")
    if fitting := of_this_run(metrics.pop("ablations", {}), metrics):
        metrics["ablations"] = fitting


def replication_text(m: dict) -> str:
    """The results with other seeds, and over all runs how many answers lost or gained grounded claims by DPO."""
    from meeting_agent.evaluation.statistics import mcnemar_p

    runs = m.get("replications")
    if not runs:
        return section("replications", runs=None)
    mended, spoiled = (sum(r["grounding"][k] for r in [m, *runs]) for k in ("won", "lost"))
    return section(
        "replications",
        runs=runs,
        table=replication_table(runs),
        gain=gain_text([m["paired"]["dpo_vs_agent"]["delta"], *(r["dpo_vs_agent"] for r in runs)]),
        missed=[r for r in runs if r["missed"]],
        worse=[r["seed"] for r in runs if r["dpo_vs_agent"] < 0],
        outdated=any(r.get("rlft") != method(m["run"]["settings"]["rlft"]) for r in runs),
        mended=mended,
        spoiled=spoiled,
        p_value=mcnemar_p(mended, spoiled),
    )


def gain_text(gains: list[float]) -> str:
    """The mean gain of DPO over at least two runs. The interval of one run does not include the luck of its seed."""
    from scipy.stats import ttest_1samp

    low, high = ttest_1samp(gains, 0.0).confidence_interval(0.95)
    return section("gain", mean=sum(gains) / len(gains), low=low, high=high)


def controls_section(controls: dict[str, dict]) -> str:
    """The reference run with one thing changed at a time. Controls that no longer exist are left out."""
    known = {name: controls[name] for name in CONTROLS if name in controls}
    return section("controls", table=controls_table(known), deltas={n: c["delta_vs_dpo"] for n, c in known.items()})


def schedule_section(schedule: dict) -> str:
    """How good schedules are on simulated conferences, where the truth is known."""
    return section("schedule", schedule=schedule, table=schedule_table(schedule))


def speed_section(benchmark: dict) -> str:
    """Speed against the usual ways, and how cost grows with the number of scenarios."""
    compared, grown = benchmark["comparisons"], benchmark["growth"]
    return section(
        "speed",
        machine=benchmark.get("machine"),
        repeats=compared[0]["repeats"] if compared else 0,
        comparisons=speed_table(compared) if compared else "",
        growth=growth_text(grown) if grown else "",
    )


def growth_text(rows: list[dict]) -> str:
    return section("growth", table=growth_table(rows))


def reliability_section(reliability: dict) -> str:
    """The results of those harnesses that were run."""
    return section("reliability", **reliability)
