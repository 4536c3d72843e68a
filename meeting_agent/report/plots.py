"""The report's plots, drawn from metrics, the scenario table and the trajectories."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator

from data_classes import Trajectory
from meeting_agent.report.wording import name_of

LINES = {  # the other ceilings lie between these
    "majority": "majority class",
    "text_only": "ceiling, text alone",
    "all_tools": "ceiling, text and all tools",
}
SHORT = {  # where a full name takes too much room
    "tfidf_logistic": "TF-IDF",
    "boosting_visible": "boosting",
    "ridge_visible": "ridge",
    "zero_label_readings": "zero-label",
    "advantage_argmax": "table of advantages",
    "rule_best_fixed": "fixed rule",
    "logistic_all_tools": "logistic, tools",
    "boosting_all_tools": "boosting, tools",
}
FRONT_LABEL_HEIGHT = 0.006  # of a label on the front, in units of accuracy
LABEL_HEIGHT = 0.022  # of a label on the ladder, in units of accuracy
BINS, SMALLEST_BIN = 10, 8
COLORS = {"base": "#9aa0a6", "sft": "#4c78a8", "agent": "#f2a541", "dpo": "#3a9d5d"}


def draw_plots(results: Path, metrics: dict, traces: Iterable[Trajectory]) -> None:
    """Writes six PNG files into `results`."""
    plt.rcParams.update({"figure.dpi": 110, "axes.spines.top": False, "axes.spines.right": False, "font.size": 10})
    save(results / "loss_curves.png", loss_curves(metrics["training"]))
    save(results / "accuracy_ladder.png", accuracy_ladder(metrics))
    save(results / "calibration.png", calibration(results / "evaluation_scenarios.csv"))
    save(results / "tool_use.png", tool_use(metrics["phases"], metrics["task"]["tool_labels"]))
    save(results / "rewards.png", rewards(traces))
    save(results / "front.png", front(metrics))


def save(path: Path, figure) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


def loss_curves(training: dict):
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 3.6))
    sft, dpo = training["sft"], training["dpo"]
    left.plot(*zip(*sft["loss_curve"], strict=True), color=COLORS["sft"], label="training loss")
    left.set(title="Phase 1: SFT loss", xlabel="step")
    errors = left.twinx()
    errors.plot(*zip(*sft["selection_error_curve"], strict=True), "o--", color="#b04a4a", label="selection error")
    errors.set_ylabel("squared error, selection rows", color="#b04a4a")
    left.axvline(sft["best_step"], color="#888888", linewidth=1, linestyle=":")
    left.text(sft["best_step"], left.get_ylim()[1], " kept", va="top", color="#666666")
    middle.plot(*zip(*dpo["loss_curve"], strict=True), color=COLORS["dpo"])
    middle.set(title="Phase 3: DPO loss + cross-entropy of chosen side", xlabel="step")
    right.plot(*zip(*dpo["margin_curve"], strict=True), color=COLORS["dpo"])
    right.axhline(0, color="#888888", linewidth=1, linestyle=":")
    right.set(title="Phase 3: reward margin", xlabel="step")
    return figure


def accuracy_ladder(metrics: dict):
    figure, axis = plt.subplots(figsize=(9, 4.2))
    for x, name in enumerate(COLORS):
        scores = metrics["phases"][name]
        low, high = scores["accuracy_ci95"]
        value = scores["accuracy"]
        axis.bar(x, value, color=COLORS[name], width=0.6)
        axis.errorbar(x, value, [[value - low], [high - value]], color="#333333", capsize=4)
        axis.text(x, 0.41, f"{value:.1%}", ha="center", color="white", fontweight="bold")
    for key, value in metrics["ceilings"].items():
        if key in LINES:
            axis.axhline(value, color="#555555", linewidth=1, linestyle="--")
            axis.text(3.45, value, f"{LINES[key]} {value:.1%}", va="bottom", fontsize=9)
    top = 1.0
    for key, scores in sorted(metrics["baselines"].items(), key=lambda item: -item[1]["accuracy"]):
        value, label = scores["accuracy"], SHORT.get(key) or name_of(key)
        axis.axhline(value, color="#bbbbbb", linewidth=1, linestyle=":")
        top = min(value, top - LABEL_HEIGHT)  # no label covers the one above it
        axis.text(-0.95, top, f"{label} {value:.1%}", va="top", fontsize=9, color="#777777")
    axis.set_xticks(range(len(COLORS)), [name_of(name) for name in COLORS])
    axis.set(ylim=(0.4, 1.0), xlim=(-1, 5), ylabel="accuracy, held-out scenarios", title="Every phase, same scenarios")
    return figure


def calibration(scenarios: Path):
    with scenarios.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    figure, axis = plt.subplots(figsize=(5, 4.6))
    axis.plot([0, 1], [0, 1], color="#888888", linewidth=1, linestyle=":")
    for name in COLORS:
        points = calibration_points([(float(r[name]), r["happened"] == "YES") for r in rows if r[name]])
        if points:
            axis.plot(*zip(*points, strict=True), "o-", color=COLORS[name], label=name_of(name), markersize=4)
    axis.set(xlabel="stated probability", ylabel="share that succeeded", title="Calibration", xlim=(0, 1), ylim=(0, 1))
    axis.legend(frameon=False, fontsize=9)
    return figure


def calibration_points(said: list[tuple[float, bool]]) -> list[tuple[float, float]]:
    """(mean stated probability, share that succeeded) of every bin, by the bins of the expected calibration error.

    scikit-learn's `calibration_curve` would put 0.10, 0.20, … into the bin below, and agents state just such numbers.
    It also keeps bins of one or two scenarios, which show nothing but chance.
    """
    bins: dict[int, list[tuple[float, bool]]] = {}
    for p, success in said:
        bins.setdefault(min(BINS - 1, int(p * BINS)), []).append((p, success))
    return [
        (sum(p for p, _ in b) / len(b), sum(s for _, s in b) / len(b))
        for _, b in sorted(bins.items())
        if len(b) >= SMALLEST_BIN
    ]


def tool_use(phases: dict, labels: dict[str, str]):
    called = phases["agent"]["tool_share"] | phases["dpo"]["tool_share"]
    labels = labels | {tool: name_of(tool) for tool in called if tool not in labels}
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6))
    for offset, name in ((-0.2, "agent"), (0.2, "dpo")):
        shares = [phases[name]["tool_share"].get(tool, 0.0) for tool in labels]
        left.bar([i + offset for i in range(len(shares))], shares, 0.38, color=COLORS[name], label=name_of(name))
        calls = {int(k): v for k, v in phases[name]["calls_distribution"].items()}
        right.bar([k + offset for k in calls], list(calls.values()), 0.38, color=COLORS[name])
    left.set_xticks(range(len(labels)), labels.values())
    left.set(title="Which tools agents call", ylabel="share of rollouts", ylim=(0, 1.3))
    left.legend(frameon=False, fontsize=9, loc="upper left", ncols=2)
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set(title="Calls per rollout", xlabel="calls", ylabel="share of rollouts")
    return figure


def front(metrics: dict):
    """Accuracy against calls: the fixed sets, the agents and the oracle, as far as they were measured."""
    figure, axis = plt.subplots(figsize=(7, 4.6))
    short = initials(metrics["task"]["tool_labels"])
    below: dict[float, float] = {}  # calls -> height of the lowest label there
    for one in sorted(metrics.get("fixed_sets", []), key=lambda one: -one["accuracy"]):
        x, y = one["calls_mean"], one["accuracy"]
        axis.plot(x, y, "s", color="#bbbbbb", markersize=5)
        below[x] = min(y, below.get(x, 1.0) - FRONT_LABEL_HEIGHT)  # no label covers the one above it
        name = "+".join(short.get(tool, tool) for tool in one["tools"])
        axis.annotate(name, (x, below[x]), (6, -3), textcoords="offset points", fontsize=7, color="#777777")
    if oracle := metrics.get("oracle"):
        spots = sorted((point["calls_mean"], point["accuracy"]) for point in oracle)
        axis.plot(*zip(*spots, strict=True), "o--", color="#555555", markersize=4, label="value-of-information oracle")
    for name in ("agent", "dpo"):
        scores = metrics["phases"][name]
        low, high = scores["accuracy_ci95"]
        off = [[scores["accuracy"] - low], [high - scores["accuracy"]]]
        x, y = scores["calls_mean"], scores["accuracy"]
        axis.errorbar(x, y, off, fmt="o", color=COLORS[name], capsize=4, label=name_of(name))
    key = ", ".join(f"{letter} {label}" for letter, label in initials_key(metrics["task"]["tool_labels"]))
    below_axis = "\n".join(filter(None, ["calls per scenario", key]))
    axis.set(xlabel=below_axis, ylabel="accuracy, held-out scenarios", title="What calls buy")
    axis.margins(x=0.2)
    axis.legend(frameon=False, fontsize=9, loc="lower left")
    return figure


def initials(labels: Mapping[str, str]) -> dict[str, str]:
    """Tool -> the first letter of its label, or the whole label if two begin alike."""
    letters = {tool: label[:1].upper() for tool, label in labels.items()}
    return letters if len(set(letters.values())) == len(letters) else dict(labels)


def initials_key(labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """(letter, label) of every tool; empty if `initials` are whole labels."""
    short = initials(labels)
    return sorted((short[tool], label) for tool, label in labels.items() if short[tool] != label)


def rewards(traces: Iterable[Trajectory]):
    figure, axis = plt.subplots(figsize=(7, 3.4))
    axis.hist([t.reward for t in traces], bins=[-1 + 0.05 * i for i in range(42)], color=COLORS["agent"])
    axis.set(title="Rewards in phase 2", xlabel="reward", ylabel="rollouts")
    return figure
