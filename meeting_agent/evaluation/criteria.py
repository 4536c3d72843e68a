"""Says whether a run met the acceptance criteria; exit status 1 if any was missed.

python -m meeting_agent.evaluation.criteria --metrics results/metrics.json            # every one
python -m meeting_agent.evaluation.criteria --metrics results/metrics.json --brief    # only the brief's own count
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from meeting_agent.common.files import read_json
from meeting_agent.common.settings import input_path, parse_settings, run_script, setting


@dataclass
class CriteriaConfig:
    """Settings of the check."""

    metrics: str = input_path("results/metrics.json", "the metrics that phase 3 wrote")
    brief: bool = setting(False, "let only the brief's own criteria decide the exit status")


def criteria(m: dict) -> list[tuple[str, float, str, float]]:
    """(what, measured, comparison, bound) of every criterion.

    "Not lower" is judged like every difference here, by scenarios in pairs: the upper end of the gain's 95% interval.
    Baselines are compared as far as they could be fitted, and shares of what can be attained only where that is known.
    """
    phases, paired, training = m["phases"], m["paired"], m["training"]
    sft, agent, dpo = phases["sft"], phases["agent"], phases["dpo"]
    words, boosting = paired.get("sft_vs_tfidf_logistic"), paired.get("sft_vs_boosting_visible")
    against_words = (
        [
            ("SFT against TF-IDF, points", words["delta"], ">", 0.0),
            ("SFT against TF-IDF, p", words["p_value"], "<", 0.01),
        ]
        if words
        else []
    )
    against_boosting = [("SFT against boosting, points", boosting["delta"], ">=", -0.02)] if boosting else []
    attained = {
        name: [(f"{label} share of the attainable gain", m["attainable"][name], ">=", bound)]
        for name, label, bound in (("sft", "SFT", 0.80), ("dpo", "DPO", 0.70))
        if name in m["attainable"]
    }
    return [
        ("held-out scenarios", sft["n"], ">=", 500),
        ("SFT accuracy, lower 95% bound", sft["accuracy_ci95"][0], ">", 0.65),
        *attained.get("sft", []),
        *against_words,
        ("SFT valid outputs", sft["valid_rate"], ">=", 1.0),
        ("SFT above the untouched base", sft["accuracy"] - phases["base"]["accuracy"], ">=", 0.08),
        ("agent accuracy, lower 95% bound", agent["accuracy_ci95"][0], ">", 0.60),
        ("agent trajectories with calls in range", agent["calls_in_range_rate"], ">=", 0.95),
        ("agent trajectories completed", agent["completed_rate"], ">=", 0.98),
        ("phase 2 trajectories", m["traces"]["n"], ">=", 50),
        ("phase 2 trajectories with calls in range", m["traces"]["calls_in_range_rate"], ">=", 0.95),
        ("phase 2 trajectories completed", m["traces"]["completed_rate"], ">=", 0.98),
        ("DPO accuracy, lower 95% bound", dpo["accuracy_ci95"][0], ">", 0.70),
        ("DPO gain over the agent, points", paired["dpo_vs_agent"]["delta"], ">", 0.0),
        ("DPO gain over the agent, p", paired["dpo_vs_agent"]["p_value"], "<", 0.01),
        *attained.get("dpo", []),
        ("DPO grounded answers against before, upper 95% bound", m["grounding"]["ci95"][1], ">=", 0.0),
        ("SFT loss, last against first", training["sft"]["loss_last"] - training["sft"]["loss_first"], "<", 0.0),
        ("DPO loss, last against first", training["dpo"]["loss_last"] - training["dpo"]["loss_first"], "<", 0.0),
        ("DPO margin, last against first", training["dpo"]["margin_last"] - training["dpo"]["margin_first"], ">", 0.0),
        *against_boosting,
        *sceptics_criteria(m),
    ]


def sceptics_criteria(m: dict) -> list[tuple[str, float, str, float]]:
    """How the aligned agent must compare with rules, fitted models and the control, as far as there are any."""
    paired, calls = m["paired"], m["phases"]["dpo"]["calls_mean"]
    shuffled = m.get("ablations", {}).get("shuffled_rewards")
    fitted = [name for name in ("logistic_all_tools", "boosting_all_tools") if f"dpo_vs_{name}" in paired]
    found: list[tuple[str, float, str, float]] = []
    for name, label in (("rule_best_fixed", "the best fixed rule"), ("advantage_argmax", "the table of advantages")):
        if against := paired.get(f"dpo_vs_{name}"):
            found.append((f"DPO against {label}, points", against["delta"], ">=", 0.03))
            found.append((f"DPO against {label}, p", against["p_value"], "<", 0.01))
    if fitted:
        gain = min(paired[f"dpo_vs_{name}"]["delta"] for name in fitted)
        share = calls / min(m["baselines"][name]["calls_mean"] for name in fitted)
        found.append(("DPO against the better model on all tools, points", gain, ">=", -0.01))
        found.append(("DPO calls against calling all tools", share, "<=", 0.8))
    if shuffled:
        found.append(("DPO against shuffled rewards, points", -shuffled["delta_vs_dpo"]["delta"], ">=", 0.04))
    return found


# What the brief itself asks; the others are this project's own bars.
BRIEF = (
    "SFT accuracy, lower 95% bound",
    "SFT valid outputs",
    "agent accuracy, lower 95% bound",
    "agent trajectories with calls in range",
    "phase 2 trajectories",
    "phase 2 trajectories with calls in range",
    "DPO accuracy, lower 95% bound",
    "DPO gain over the agent, points",
    "SFT loss, last against first",
    "DPO loss, last against first",
    "DPO margin, last against first",
)


def met(measured: float, comparison: str, bound: float) -> bool:
    return {
        ">": measured > bound,
        ">=": measured >= bound,
        "<": measured < bound,
        "<=": measured <= bound,
    }[comparison]


def missed(metrics: dict) -> list[str]:
    """Names of the criteria that a run did not meet."""
    return [what for what, value, comparison, bound in criteria(metrics) if not met(value, comparison, bound)]


def main() -> None:
    config = parse_settings(CriteriaConfig, __doc__.splitlines()[0])
    metrics = read_json(Path(config.metrics), "starter_agentic_rlft.py")
    failed = missed(metrics)
    for what, measured, comparison, bound in criteria(metrics):
        print(f"{'MISSED' if what in failed else 'ok    '} {what:<53} {measured:>9.4f} {comparison} {bound}")
    sys.exit(any(what in BRIEF or not config.brief for what in failed))


if __name__ == "__main__":
    run_script(main)
