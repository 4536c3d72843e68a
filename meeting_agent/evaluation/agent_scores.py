"""What the phases are measured with: scores of agents, of pairs, and of training runs."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterable, Sequence

from data_classes import PreferencePair, TrainingMetrics
from meeting_agent.agent.claims import UNGROUNDED
from meeting_agent.agent.summary import RolloutSummary
from meeting_agent.evaluation.statistics import score_probabilities
from meeting_agent.world.reward import FEWEST_CALLS, MOST_CALLS

# ----------------------------------------------------------------------------- agents


def agent_statistics(traces: Iterable[RolloutSummary]) -> dict:
    """Scores of trajectories: those of `score_probabilities`, and how the agents went about it.

    A trajectory without a readable recommendation counts as wrong. Rates are shares of all trajectories, except
    `grounded_claim_rate`, a share of all claims.
    """
    played = list(traces)
    n = len(played)
    calls = [len(t.tools) for t in played]
    stated = sum(t.claims for t in played)
    tools = sorted(Counter(name for t in played for name in set(t.tools)).items())
    return score_probabilities(
        [t.probability for t in played], [t.success or 0.0 for t in played], [t.recommendation for t in played]
    ) | {
        "reward": sum(t.reward for t in played) / n,
        "completed_rate": sum(t.completed for t in played) / n,
        "calls_mean": sum(calls) / n,
        "calls_in_range_rate": sum(FEWEST_CALLS <= c <= MOST_CALLS for c in calls) / n,
        "calls_distribution": {str(k): v / n for k, v in sorted(Counter(calls).items())},
        "tools": dict(tools),
        "tool_share": {name: count / n for name, count in tools},
        "patterns": len({t.tools for t in played}),
        "repeated_calls_mean": sum(len(t.tools) - len(set(t.tools)) for t in played) / n,
        "claims_mean": stated / n,
        "grounded_claim_rate": sum(t.grounded for t in played) / stated if stated else 0.0,
        "tokens_mean": sum(t.tokens for t in played) / n,
    }


def is_grounded(played: list[RolloutSummary]) -> list[bool]:
    """Whether every number that a closing answer cites stands in a tool's answer."""
    return [t.grounded == t.claims for t in played]


def was_right(played: list[RolloutSummary]) -> list[bool]:
    return [t.recommendation == t.outcome for t in played]


def is_right(probabilities: Sequence[float | None], success: list[float]) -> list[bool]:
    return [p is not None and (p > 0.5) == (s > 0.5) for p, s in zip(probabilities, success, strict=True)]


def attainable_share(accuracy: float, ceilings: dict[str, float], view: str) -> float:
    """(accuracy - majority) / (ceiling - majority): 0 is guessing, 1 the best anybody could do with that view."""
    return (accuracy - ceilings["majority"]) / (ceilings[view] - ceilings["majority"])


# ----------------------------------------------------------------------------- pairs and training


def pair_statistics(pairs: Sequence[PreferencePair]) -> dict:
    """What the pairs of two played trajectories are like, and how many (`made_up`) have a made-up rejected side."""
    made_up = sum(p.rejected_id.endswith(UNGROUNDED) for p in pairs)
    pairs = [p for p in pairs if not p.rejected_id.endswith(UNGROUNDED)]
    gaps = [p.chosen_reward - p.rejected_reward for p in pairs]

    def mean_calls(sides: list[list[dict]]) -> float:
        return sum(sum(bool(m.get("tool_calls")) for m in side) for side in sides) / len(sides)

    return {
        "n": len(pairs),
        "made_up": made_up,
        "scenarios": len({p.scenario_id for p in pairs}),
        "trajectories": len({p.chosen_id for p in pairs} | {p.rejected_id for p in pairs}),
        "mean_gap": sum(gaps) / len(gaps),
        "chosen_calls": mean_calls([p.chosen for p in pairs]),
        "rejected_calls": mean_calls([p.rejected for p in pairs]),
    }


def sft_curves(log: dict) -> dict:
    """Loss by step, and the error on the selection rows by epoch."""
    curve = [(e["step"], e["loss"]) for e in log["history"] if "loss" in e]
    selection = [(e["step"], e["eval_loss"]) for e in log["history"] if "eval_loss" in e]
    return first_and_last(curve, "loss") | {
        "steps": curve[-1][0],
        "best_step": log["best_step"],
        "loss_curve": curve,
        "selection_error_curve": selection,
    }


def dpo_curves(metrics: TrainingMetrics) -> dict:
    loss, margin = metrics.curve("loss"), metrics.curve("rewards/margins")
    return (
        first_and_last(loss, "loss")
        | first_and_last(margin, "margin")
        | {
            "loss_at_step_0": loss[0][1],
            "steps": loss[-1][0],
            "loss_curve": loss,
            "margin_curve": margin,
            "reward_accuracy_curve": metrics.curve("rewards/accuracies"),
        }
    )


def first_and_last(curve: list[tuple[float, float]], name: str) -> dict[str, float]:
    """Means over the first and the last tenth of a curve: single steps are noise."""
    tenth = max(1, len(curve) // 10)
    return {
        f"{name}_first": sum(v for _, v in curve[:tenth]) / tenth,
        f"{name}_last": sum(v for _, v in curve[-tenth:]) / tenth,
    }


# ----------------------------------------------------------------------------- where it ran


def versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "transformers", "peft", "trl", "npcpy", "litellm")}


def machine() -> str:
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.machine()} CPU, {os.cpu_count()} cores"
