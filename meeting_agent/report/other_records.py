"""What was measured apart from the three phases, and the report's words for it."""

from __future__ import annotations

from pathlib import Path

from meeting_agent.common.files import read_json
from meeting_agent.evaluation.replications import method
from meeting_agent.report.wording import p_text, percent, table, with_interval

RECORDS = ("replications", "schedule", "reliability", "memory", "benchmark")


def add_other_records(metrics: dict, results: Path) -> None:
    """Adds what was measured apart from the three phases: `RECORDS`, as far as they are there."""
    if metrics["run"]["settings"]["rlft"].get("meetings"):
        return  # these records are of the simulator's conference
    for name in RECORDS:
        metrics.pop(name, None)
        if (results / f"{name}.json").exists():
            metrics[name] = read_json(results / f"{name}.json", "the command that wrote it")


def replication_text(m: dict) -> str:
    runs = m.get("replications")
    if not runs:
        return (
            "This run was not repeated with other seeds (`python -m meeting_agent.evaluation.replications` does that)."
        )
    rows = [
        [
            str(r["seed"]),
            *(with_interval(r[k]) for k in ("sft", "agent", "dpo")),
            f"{100 * r['dpo_vs_agent']:+.1f} points, {p_text(r['dpo_vs_agent_p'])}",
        ]
        for r in runs
    ]
    worse = [str(r["seed"]) for r in runs if r["dpo_vs_agent"] < 0]
    warning = f" DPO made the agent worse with seed {' and '.join(worse)}." if worse else ""
    found = [f"with seed {r['seed']} {', '.join(r['missed'])}" for r in runs if r["missed"]]
    bars = f"Bars missed: {'; '.join(found)}." if found else "Every run met every bar."
    if any(r.get("rlft") != method(m["run"]["settings"]["rlft"]) for r in runs):
        warning += " **These runs used an earlier version of phase 3 than the one above.**"
    return "The whole pipeline again with other data, training and evaluation seeds:\n\n" + (
        table(["seed", "SFT", "agent before DPO", "agent after DPO", "DPO gain"], rows)
        + f"\n\n{gain_text([m['paired']['dpo_vs_agent']['delta'], *(r['dpo_vs_agent'] for r in runs)])} {bars}{warning} "
        + grounding_text([m, *runs])
    )


def gain_text(gains: list[float]) -> str:
    """What DPO gains on average over runs, of which there are at least two: one run's interval says nothing of luck."""
    from scipy.stats import ttest_1samp

    low, high = ttest_1samp(gains, 0.0).confidence_interval(0.95)
    mean = sum(gains) / len(gains)
    return (
        f"Over these runs and the one above DPO gains {100 * mean:+.1f} points on average (95% interval over seeds "
        f"{100 * low:+.1f} to {100 * high:+.1f}, Student's t)."
    )


def grounding_text(runs: list[dict]) -> str:
    """How often DPO spoiled and mended an agent's claims over all runs."""
    from meeting_agent.evaluation.statistics import mcnemar_p

    mended, spoiled = (sum(r["grounding"][k] for r in runs) for k in ("won", "lost"))
    return (
        f"Over these runs and the one above, {spoiled} answers claim what no tool said only after DPO, {mended} only "
        f"before ({p_text(mcnemar_p(mended, spoiled))})."
    )


def schedule_section(s: dict) -> str:
    """What a schedule is worth where the truth is known."""
    names = {
        "random": "random pairs",
        "same_interests": "most shared interests",
        "sft_only": "SFT model alone",
        "agent": "aligned agent",
        "oracle": "oracle",
    }
    rows = []
    for name, words in names.items():
        gain = s["share_of_oracle_gain"].get(name)
        share = f"{percent(gain['share'])} ({percent(gain['ci95'][0])} to {percent(gain['ci95'][1])})" if gain else ""
        rows.append([words, percent(s["expected_success"][name]), share])
    shares = table(["schedule", "meetings that succeed", "share of the oracle's gain (95% interval)"], rows)
    return f"""## A schedule for a slot

{s["conferences"]} simulated conferences of {s["people"]} attendees, everybody in one meeting, success expected over
chemistry. The oracle knows every attribute of everybody and what each is worth. An agent looked into {s["candidates"]}
partners of each attendee; the slowest schedule took {s["slowest_seconds"]:.0f} s on {s["machine"]}.

{shares}

The schedule itself expected {percent(s["expected_success"]["stated"])} of its meetings to succeed."""


def schedule_text(s: dict) -> str:
    share, alone = s["share_of_oracle_gain"]["agent"], s["share_of_oracle_gain"]["sft_only"]
    return (
        f"A schedule for {s['people']} attendees and one slot reaches {percent(share['share'])} of what an oracle gains over "
        f"random pairs ({percent(share['ci95'][0])} to {percent(share['ci95'][1])}, {s['conferences']} simulated "
        f"conferences; the SFT model alone {percent(alone['share'])}) and takes {s['slowest_seconds']:.0f} s at most."
    )


USUAL_WAYS = {
    "sft_vs_course_trl": "SFT to an equal loss: TRL's `SFTTrainer` as courses set it up",
    "train_flops_vs_gemm": "SFT's arithmetic: a 2048³ matrix product",
    "dpo_vs_trl_default": "DPO: TRL's `DPOTrainer` with its defaults",
    "rollouts_vs_npcpy_lora": "agents: npcpy's own `lora` provider",
    "rollouts_vs_sequential": "agents: one at a time with `generate`",
    "predictor_vs_greedy": "predictions: the JSON written token by token",
    "two_processes_vs_one": "agents in two processes: in one, each on one core",
}


def points_with_interval(drift: dict) -> str:
    low, high = (100 * bound for bound in drift["above_harmless_ci95"])
    return f"{100 * drift['above_harmless']:+.1f} points (95% interval {low:+.1f} to {high:+.1f})"


def speed_section(b: dict) -> str:
    """What was gained over the usual ways, and how cost grows; bars that were missed too."""
    rows, compared = [], b["comparisons"]
    for c in compared:
        figures = f"{c['ratio']:.2f} ({c['ratio_low']:.2f} to {c['ratio_high']:.2f})"
        met = "met" if c["ratio"] >= c["bar"] else "missed"
        rates = [f"{c['ours']:.4g}", f"{c['peer']:.4g} {c['unit']}"]
        rows.append([USUAL_WAYS[c["name"]], *rates, figures, f"{c['bar']:g}, {met}"])
    parts = ["## Speed"]
    if compared:
        parts += [
            f"Ours against the usual way, in alternation on {b['machine']}: medians, least and greatest ratio of "
            f"{compared[0]['repeats']} repeats.",
            table(["what: the usual way", "ours", "usual", "ratio", "goal"], rows),
            "![Ratios](benchmark.png)",
        ]
    return "\n\n".join(parts + ([growth_text(b["growth"])] if b["growth"] else []))


def growth_text(rows: list[dict]) -> str:
    """Time and memory of rollouts and of the evaluation with more and more scenarios."""
    what = {"rollouts": "rollouts, one sample each", "evaluation": "evaluation, before and after DPO"}
    cells = [
        [
            what[row["phase"]],
            f"{row['scenarios']:,}",
            f"{row['start_up_seconds']:.0f} s",
            f"{1000 * row['seconds_each']:.0f} ms",
            f"{row['peak_mib']:,.0f} MiB",
        ]
        for row in rows
    ]
    titles = ["in one process", "scenarios", "start-up", "then each", "peak memory"]
    return f"How cost grows with the number of scenarios:\n\n{table(titles, cells)}"


def memory_text(m: dict) -> str:
    """What a base of Gemma 3 270M's shape takes."""
    peak = m["peak_gib"]
    return (
        f"Peak memory with {m['base']}, `{m['flags']}`, on {m['machine']}: phase 1 "
        f"{peak['sft']:.1f} GiB, phase 2 (four agents) {peak['traces']:.1f}, phase 3 {peak['rlft']:.1f}. GPU memory was "
        "not measured."
    )


def reliability_section(r: dict) -> str:
    """What the harnesses found, as far as they were run."""
    lines = []
    if "chaos" in r:
        good = sum(phase["as_if_never_killed"] for phase in r["chaos"].values())
        starts, killed = (sum(phase[what] for phase in r["chaos"].values()) for what in ("starts", "killed"))
        lines.append(
            f"**Killed runs resume.** {killed} of {starts} runs were killed at random moments and started again; {good} "
            "ended with the same trajectories, pairs and adapters as if never killed, and no file too many."
        )
    if "bad_input" in r:
        b = r["bad_input"]
        lines.append(
            f"**Bad input.** {b['refused_in_one_line']} of {b['cases']} cases over the three scripts ended with status 2 "
            "and one line that says where and what to do, and left nothing behind."
        )
    if "fuzz" in r:
        f = r["fuzz"]
        lines.append(
            f"**Model output is hostile input.** {f['strings']:,} broken strings through {f['readers']} readers: "
            f"{f['exceptions']} exceptions, {f['smuggled_tokens']} special tokens smuggled in; a megabyte took "
            f"{f['slowest_megabyte_seconds']:.3f} s at most."
        )
    if "injection" in r:
        i = r["injection"]
        shares = "; ".join(
            f"{name} DPO {percent(i[key]['changed_by_attacks'])} against {percent(i[key]['changed_by_harmless_text'])}, "
            f"a difference of {points_with_interval(i[key])} (strongest attack "
            f"{100 * i[key]['worst_above_harmless']:+.1f})"
            for name, key in (("before", "sft"), ("after", "dpo"))
        )
        lines.append(
            f"**Orders inside descriptions.** Decisions changed by {i['attacks']} attacks, against harmless text of the "
            f"same length, on {i['scenarios']} scenarios: {shares}."
        )
    if "soak" in r:
        s = r["soak"]
        lines.append(
            f"**Long runs.** {s['trajectories']:,} of {s['scenarios']:,} trajectories by {s['concurrent_agents']} agents "
            f"at a time; memory grew by {percent(s['memory_growth'])} after the warm-up."
        )
    return "## Reliability\n\n" + "\n".join(f"- {line}" for line in lines)
