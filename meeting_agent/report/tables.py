"""The tables of report and README: every number that they show, in Markdown."""

from __future__ import annotations

from meeting_agent.evaluation.criteria import BRIEF, criteria, met
from meeting_agent.report.wording import fixed, p_text, percent, points, score, table, with_interval

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
SCHEDULES = {
    "random": "random pairs",
    "same_interests": "most shared interests",
    "sft_only": "SFT model alone",
    "agent": "aligned agent",
    "oracle": "oracle",
}
USUAL_WAYS = {
    "sft_vs_course_trl": "SFT to an equal loss: TRL's `SFTTrainer` as courses set it up",
    "train_flops_vs_gemm": "SFT's arithmetic: a 2048³ matrix product",
    "dpo_vs_trl_default": "DPO: TRL's `DPOTrainer` with its defaults",
    "rollouts_vs_npcpy_lora": "agents: npcpy's own `lora` provider",
    "rollouts_vs_sequential": "agents: one at a time with `generate`",
    "predictor_vs_greedy": "predictions: the JSON written token by token",
    "two_processes_vs_one": "agents in two processes: in one, each on one core",
}
GROWING = {"rollouts": "rollouts, one sample each", "evaluation": "evaluation, before and after DPO"}


def ceilings_known(m: dict) -> bool:
    """They need the simulator's truth: of one's own attendees only the majority class is known."""
    return "text_only" in m["ceilings"]


def ladder_table(m: dict) -> str:
    """Accuracy of every phase and baseline with its interval, and what each could reach at most."""
    reach = {"base": "text_only", "sft": "text_only", "agent": "all_tools", "dpo": "all_tools"}
    found = m["phases"] | m["baselines"]
    if not ceilings_known(m):
        known = [["majority class", percent(m["ceilings"]["majority"])]]
        known += [[NAMES[name], with_interval(scores)] for name, scores in found.items()]
        return table(["who", "accuracy (95% interval)"], known)
    rows = []
    for name, scores in found.items():
        ceiling = m["ceilings"][reach.get(name, "text_only")]
        share = percent(m["attainable"][name]) if name in m["attainable"] else ""
        rows.append([NAMES[name], with_interval(scores), percent(ceiling), share])
    return table(["who", "accuracy (95% interval)", "ceiling of its view", "share of the attainable gain"], rows)


def error_table(errors: list[dict]) -> str:
    return table(
        ["by", "group", "scenarios", "accuracy", "mean absolute error"],
        [[e["by"], e["group"], str(e["n"]), percent(e["accuracy"]), fixed(e["mae"], 3)] for e in errors],
    )


def before_and_after_table(before: dict, after: dict, call_range: str) -> str:
    """What agents do on the held-out scenarios, before DPO and after it."""
    both = (before, after)
    rows = [
        ["accuracy", *(percent(s["accuracy"]) for s in both)],
        ["mean reward", *(fixed(s["reward"], 3) for s in both)],
        ["calls per scenario", *(fixed(s["calls_mean"], 2) for s in both)],
        ["repeated calls per scenario", *(fixed(s["repeated_calls_mean"], 3) for s in both)],
        [f"{call_range} calls", *(percent(s["calls_in_range_rate"]) for s in both)],
        ["completed", *(percent(s["completed_rate"]) for s in both)],
        ["claims per answer", *(fixed(s["claims_mean"], 2) for s in both)],
        ["claims grounded", *(percent(s["grounded_claim_rate"], 2) for s in both)],
        ["correlation", *(score(s, "correlation", 2) for s in both)],
        ["Brier score", *(score(s, "brier", 3) for s in both)],
        ["tokens written", *(fixed(s["tokens_mean"], 0) for s in both)],
    ]
    tools = sorted(before["tool_share"].keys() | after["tool_share"].keys())
    rows += [[f"consults `{name}`", *(percent(s["tool_share"].get(name, 0)) for s in both)] for name in tools]
    return table(["on the held-out scenarios", "before DPO", "after DPO"], rows)


def paired_table(paired: dict[str, dict]) -> str:
    rows = []
    for name, c in paired.items():
        low, high = (points(bound) for bound in c["ci95"])
        rows.append([COMPARED[name], f"{points(c['delta'])} points ({low} to {high})", p_text(c["p_value"])])
    return table(["comparison on the same scenarios", "gain (95% interval)", "McNemar"], rows)


def ceilings_table(ceilings: dict[str, float]) -> str:
    return table(["ceiling", "accuracy"], [[CEILINGS[name], percent(value)] for name, value in ceilings.items()])


def bars_table(m: dict) -> str:
    """Every acceptance criterion with what was measured."""
    found = sorted(criteria(m), key=lambda c: c[0] not in BRIEF)
    return table(
        ["bar", "measured", "asked", "met"],
        [[w, f"{v:.4g}", f"{c} {bound:g}", "yes" if met(v, c, bound) else "**no**"] for w, v, c, bound in found],
    )


def replication_table(runs: list[dict]) -> str:
    rows = [
        [
            str(r["seed"]),
            *(with_interval(r[k]) for k in ("sft", "agent", "dpo")),
            f"{points(r['dpo_vs_agent'])} points, {p_text(r['dpo_vs_agent_p'])}",
        ]
        for r in runs
    ]
    return table(["seed", "SFT", "agent before DPO", "agent after DPO", "DPO gain"], rows)


def schedule_table(schedule: dict) -> str:
    rows = []
    for name, words in SCHEDULES.items():
        gain = schedule["share_of_oracle_gain"].get(name)
        share = f"{percent(gain['share'])} ({percent(gain['ci95'][0])} to {percent(gain['ci95'][1])})" if gain else ""
        rows.append([words, percent(schedule["expected_success"][name]), share])
    return table(["schedule", "meetings that succeed", "share of the oracle's gain (95% interval)"], rows)


def speed_table(comparisons: list[dict]) -> str:
    """Ours beside the usual ways; bars that were missed too."""
    rows = []
    for c in comparisons:
        figures = f"{c['ratio']:.2f} ({c['ratio_low']:.2f} to {c['ratio_high']:.2f})"
        goal = "met" if c["ratio"] >= c["bar"] else "missed"
        rates = [f"{c['ours']:.4g}", f"{c['peer']:.4g} {c['unit']}"]
        rows.append([USUAL_WAYS[c["name"]], *rates, figures, f"{c['bar']:g}, {goal}"])
    return table(["what: the usual way", "ours", "usual", "ratio", "goal"], rows)


def growth_table(rows: list[dict]) -> str:
    """Time and memory of rollouts and of the evaluation with more and more scenarios."""
    cells = [
        [
            GROWING[row["phase"]],
            fixed(row["scenarios"], 0),
            f"{row['start_up_seconds']:.0f} s",
            f"{1000 * row['seconds_each']:.0f} ms",
            f"{fixed(row['peak_mib'], 0)} MiB",
        ]
        for row in rows
    ]
    return table(["in one process", "scenarios", "start-up", "then each", "peak memory"], cells)
