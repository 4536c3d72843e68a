"""The tables of report and README, in Markdown."""

from __future__ import annotations

from meeting_agent.evaluation.criteria import BRIEF, criteria, met
from meeting_agent.report.glossary import term
from meeting_agent.report.wording import (
    comparison_name,
    fixed,
    name_of,
    p_text,
    percent,
    points,
    score,
    table,
    with_interval,
)

SCHEDULES = {
    "random": "random pairs",
    "same_interests": "most shared interests",
    "sft_only": "SFT model alone",
    "agent": "agent after DPO",
    "oracle": "oracle",
}
USUAL_WAYS = {
    "sft_vs_course_trl": "SFT to an equal loss: TRL's `SFTTrainer` as courses set it up",
    "train_flops_vs_gemm": "SFT's arithmetic: a 2048³ matrix product",
    "dpo_vs_trl_default": "DPO: TRL's `DPOTrainer` with its defaults",
    "rollouts_vs_npcpy_lora": "rollouts: npcpy's own `lora` provider",
    "rollouts_vs_sequential": "rollouts: one at a time with `generate`",
    "predictor_vs_greedy": "predictions: the JSON written token by token",
    "two_processes_vs_one": "rollouts in two processes: in one process, each on one core",
}
GROWING = {"rollouts": "rollouts, one sample each", "evaluation": "evaluation, before and after DPO"}
# These see what tools say; the base, the SFT model and all other baselines see the text alone.
TOOL_BASELINES = ("rule_best_fixed", "advantage_argmax", "logistic_all_tools", "boosting_all_tools")
CONTROLS_OF_LADDER = ("chosen_side_sft", "shuffled_rewards", "plain_lora_brief_rates")
VIEWS = dict.fromkeys(("agent", "dpo", *TOOL_BASELINES, *CONTROLS_OF_LADDER), "all_tools")
LEARNED_FROM = {
    "base": "no label",
    "sft": "labels",
    "agent": "labels",
    "dpo": "labels and rewards",
    "tfidf_logistic": "labels",
    "embedding_logistic": "labels",
    "boosting_visible": "labels",
    "ridge_visible": "labels",
    "zero_label_readings": "no label",
    "rule_best_fixed": "nothing",
    "advantage_argmax": "rewards of phase 2",
    "logistic_all_tools": "what happened in phase 2",
    "boosting_all_tools": "what happened in phase 2",
    "chosen_side_sft": "labels and rewards",
    "shuffled_rewards": "labels and rewards",
    "plain_lora_brief_rates": "labels and rewards",
}
ON_WHAT_HAPPENED = {"brier": "Brier score", "ece": "ECE", "log_score": "log score"}
BEST_RULES = 5  # rows of the table of fixed rules
INTERVAL = term("95% interval", "Confidence interval")


def ladder_table(m: dict) -> str:
    """Accuracy, calls and teacher of every phase and baseline, with the ceiling of what it sees where that is known."""
    ceilings, attainable, bounds = m["ceilings"], m["attainable"], m.get("attainable_ci95", {})
    controls = m.get("ablations", {})
    models = m["phases"] | m["baselines"] | {name: controls[name] for name in CONTROLS_OF_LADDER if name in controls}
    found = {name: [name_of(name), with_interval(scores)] for name, scores in models.items()}
    head = ["model", f"accuracy ({INTERVAL})"]
    if "text_only" in ceilings:
        head += [term("ceiling"), f"share of the {term('attainable gain')}"]
        for name, cells in found.items():
            ceiling = ceilings.get(VIEWS.get(name, "text_only"))
            cells.append("" if ceiling is None else percent(ceiling))
            cells.append(with_bounds(attainable[name], bounds.get(name)) if name in attainable else "")
    for name, cells in found.items():
        cells += [fixed(models[name]["calls_mean"], 2) if "calls_mean" in models[name] else ""]
        cells += [LEARNED_FROM.get(name, "")]
    rows = list(found.values())
    if "majority" in ceilings and "text_only" not in ceilings:
        rows.insert(0, [name_of("majority"), percent(ceilings["majority"]), "", ""])
    return table([*head, "calls", "learned from"], rows)


def fixed_rules_table(rules: list[dict], labels: dict[str, str]) -> str:
    """The best rules, and the one that calls all tools."""
    ranked = sorted(rules, key=lambda rule: -rule["accuracy"])
    everything = max(rules, key=lambda rule: rule["calls"])
    shown = ranked[:BEST_RULES] + [everything] * (everything not in ranked[:BEST_RULES])
    rows = [
        [", ".join(labels.get(tool, f"`{tool}`") for tool in r["tools"]), str(r["calls"]), with_interval(r)]
        for r in shown
    ]
    return table(["tools that the rule calls", "calls", f"accuracy ({INTERVAL})"], rows)


def error_table(errors: list[dict]) -> str:
    """Errors of the SFT model by groups of scenarios. Empty for a task without such groups."""
    if not errors:
        return ""
    return table(
        ["by", "group", "scenarios", "accuracy", term("MAE")],
        [[e["by"], e["group"], str(e["n"]), percent(e["accuracy"]), fixed(e["mae"], 3)] for e in errors],
    )


def tool_table(tool_share: dict[str, float]) -> str:
    if not tool_share:
        return ""
    return table(["tool", "rollouts that call it"], [[f"`{name}`", percent(s)] for name, s in tool_share.items()])


def before_and_after_table(before: dict, after: dict, call_range: str) -> str:
    """Scores of the agents on the held-out scenarios, before and after DPO."""
    both = (before, after)
    rows = [
        ["accuracy", *(percent(s["accuracy"]) for s in both)],
        ["accuracy on what happened", *(score(s, "accuracy_drawn", 3) for s in both)],
        ["mean reward", *(fixed(s["reward"], 3) for s in both)],
        ["calls per scenario", *(fixed(s["calls_mean"], 2) for s in both)],
        ["repeated calls per scenario", *(fixed(s["repeated_calls_mean"], 3) for s in both)],
        [f"made {call_range} calls", *(percent(s["calls_in_range_rate"]) for s in both)],
        ["ended with an answer", *(percent(s["completed_rate"]) for s in both)],
        ["claims per answer", *(fixed(s["claims_mean"], 2) for s in both)],
        [term("grounded claims", "Grounded claim"), *(percent(s["grounded_claim_rate"], 2) for s in both)],
        [term("correlation"), *(score(s, "correlation", 2) for s in both)],
        *([term(words), *(score(s, name, 3) for s in both)] for name, words in ON_WHAT_HAPPENED.items()),
        ["tokens written", *(fixed(s["tokens_mean"], 0) for s in both)],
    ]
    tools = sorted(before["tool_share"].keys() | after["tool_share"].keys())
    rows += [[f"call `{name}`", *(percent(s["tool_share"].get(name, 0)) for s in both)] for name in tools]
    return table(["on the held-out scenarios", "before DPO", "after DPO"], rows)


def calibration_table(models: dict[str, dict]) -> str:
    """Both accuracies and the scores of probabilities against what happened; empty where nothing was measured."""
    if not models:
        return ""
    head = ["model", "accuracy", "accuracy on what happened", *map(term, ON_WHAT_HAPPENED.values())]
    rows = [
        [name_of(name), percent(m["accuracy"]), percent(m["accuracy_drawn"])]
        + [score(m, key, 3) for key in ON_WHAT_HAPPENED]
        for name, m in models.items()
    ]
    return table(head, rows)


def paired_table(paired: dict[str, dict]) -> str:
    rows = []
    for name, c in paired.items():
        low, high = (points(bound) for bound in c["ci95"])
        rows.append([comparison_name(name), f"{points(c['delta'])} points ({low} to {high})", p_text(c["p_value"])])
    return table(["comparison", f"gain in accuracy ({INTERVAL})", term("McNemar test")], rows)


def ceilings_table(ceilings: dict[str, float], intervals: dict[str, list[float]]) -> str:
    """Empty where only the majority class is known, as with a user's own meetings."""
    if not ceilings.keys() - {"majority"}:
        return ""
    rows = [[name_of(name), with_bounds(value, intervals.get(name))] for name, value in ceilings.items()]
    return table([term("ceiling"), f"accuracy ({INTERVAL})" if intervals else "accuracy"], rows)


def with_bounds(share: float, interval: list[float] | None) -> str:
    """A share, with its interval where one was measured."""
    return f"{percent(share)} ({percent(interval[0])} to {percent(interval[1])})" if interval else percent(share)


def bars_table(m: dict) -> str:
    """Every acceptance criterion with the measured value. Those of the brief come first."""
    found = sorted(criteria(m), key=lambda c: c[0] not in BRIEF)
    return table(
        ["criterion", "measured", "required", "met"],
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
    return table(["seed", *(name_of(phase) for phase in ("sft", "agent", "dpo")), "gain of DPO"], rows)


def controls_table(controls: dict[str, dict]) -> str:
    """What the agent after phase 3 reaches with one thing changed."""
    rows = []
    for name, c in controls.items():
        against = c["delta_vs_dpo"]
        low, high = (points(bound) for bound in against["ci95"])
        delta = f"{points(against['delta'])} points ({low} to {high}), {p_text(against['p_value'])}"
        rows.append([name_of(name), f"`{changed(c['settings'])}`", with_interval(c), fixed(c["calls_mean"], 2), delta])
    head = ["control", "changed settings", f"accuracy ({INTERVAL})", "calls", "against the agent after DPO"]
    return table(head, rows)


def changed(settings: dict[str, dict]) -> str:
    """The changed settings by phase. A phase is named only where a control changes more than one."""
    of_phase = {phase: ", ".join(f"{k}={v}" for k, v in values.items()) for phase, values in settings.items()}
    return "; ".join(f"{phase}: {said}" if len(of_phase) > 1 else said for phase, said in of_phase.items())


def schedule_table(schedule: dict) -> str:
    rows = []
    for name, words in SCHEDULES.items():
        gain = schedule["share_of_oracle_gain"].get(name)
        share = f"{percent(gain['share'])} ({percent(gain['ci95'][0])} to {percent(gain['ci95'][1])})" if gain else ""
        rows.append([words, percent(schedule["expected_success"][name]), share])
    return table(["schedule", "meetings that succeed", f"share of the oracle's gain ({INTERVAL})"], rows)


def speed_table(comparisons: list[dict]) -> str:
    """Our speed against the usual ways, missed goals included."""
    rows = []
    for c in comparisons:
        figures = f"{c['ratio']:.2f} ({c['ratio_low']:.2f} to {c['ratio_high']:.2f})"
        goal = "met" if c["ratio"] >= c["bar"] else "missed"
        rates = [f"{c['ours']:.4g}", f"{c['peer']:.4g} {c['unit']}"]
        rows.append([USUAL_WAYS.get(c["name"], name_of(c["name"])), *rates, figures, f"{c['bar']:g}, {goal}"])
    return table(["what: the usual way", "ours", "usual way", "ratio", "goal"], rows)


def growth_table(rows: list[dict]) -> str:
    """Time and memory of rollouts and evaluation by number of scenarios."""
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
