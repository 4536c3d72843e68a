"""What was measured apart from the three phases, and its sections of the report."""

from __future__ import annotations

from pathlib import Path

from meeting_agent.common.files import read_json
from meeting_agent.evaluation.replications import method
from meeting_agent.report.prose import section
from meeting_agent.report.tables import growth_table, replication_table, schedule_table, speed_table

# Its scenarios are meetings of the simulator's conference, on which all of these were measured.
TASK = "meeting"
RECORDS = ("replications", "schedule", "reliability", "memory", "benchmark")


def add_other_records(metrics: dict, results: Path) -> None:
    """Adds what was measured apart from the three phases: `RECORDS`, as far as they are there.

    A report on another task, or on meetings of one's own, has none of them.
    """
    if metrics["task"]["name"] != TASK or metrics["run"]["settings"]["rlft"].get("meetings"):
        return
    for name in RECORDS:
        metrics.pop(name, None)
        if (results / f"{name}.json").exists():
            metrics[name] = read_json(results / f"{name}.json", "the command that wrote it")


def replication_text(m: dict) -> str:
    """What other seeds gave; over all runs, how often DPO spoiled and mended an agent's claims."""
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
    """What DPO gains on average over runs, of which there are at least two: one run's interval says nothing of luck."""
    from scipy.stats import ttest_1samp

    low, high = ttest_1samp(gains, 0.0).confidence_interval(0.95)
    return section("gain", mean=sum(gains) / len(gains), low=low, high=high)


def schedule_section(schedule: dict) -> str:
    """What a schedule is worth where the truth is known."""
    return section("schedule", schedule=schedule, table=schedule_table(schedule))


def speed_section(benchmark: dict) -> str:
    """What was gained over the usual ways, and how cost grows."""
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
    """What the harnesses found, as far as they were run."""
    return section("reliability", **reliability)
