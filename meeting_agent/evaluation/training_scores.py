"""Numbers of the report about pairs and training runs: counts, losses and margins."""

from __future__ import annotations

from collections.abc import Sequence

from data_classes import PreferencePair, TrainingMetrics
from meeting_agent.agent.claims import UNGROUNDED


def pair_statistics(pairs: Sequence[PreferencePair]) -> dict:
    """Statistics of the pairs of two rollouts, and the number of pairs with a made-up rejected side (`made_up`)."""
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
    """The loss by step, and the squared error on the selection rows by epoch."""
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


def outcome_curves(metrics: TrainingMetrics) -> dict:
    """The squared error of the closing number against outcomes, and the agent's cross-entropy, by step."""
    error, entropy = metrics.curve("squared_error"), metrics.curve("cross_entropy")
    return (
        first_and_last(error, "squared_error")
        | first_and_last(entropy, "cross_entropy")
        | {"steps": error[-1][0], "squared_error_curve": error}
    )


def first_and_last(curve: list[tuple[float, float]], name: str) -> dict[str, float]:
    """Means over the first and the last tenth of a curve, because single steps are noisy."""
    tenth = max(1, len(curve) // 10)
    return {
        f"{name}_first": sum(v for _, v in curve[:tenth]) / tenth,
        f"{name}_last": sum(v for _, v in curve[-tenth:]) / tenth,
    }
