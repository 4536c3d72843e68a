"""Names and numbers as README, report and plots write them."""

from __future__ import annotations

NAMES = {
    "base": "base model",
    "sft": "SFT model",
    "agent": "agent before DPO",
    "dpo": "agent after DPO",
    "tfidf_logistic": "TF-IDF + logistic regression",
    "embedding_logistic": "sentence embeddings + logistic regression",
    "boosting_visible": "gradient boosting on the stated attributes",
    "ridge_visible": "ridge regression on the stated attributes",
    "zero_label_readings": "zero-label readings of the base model",
    "rule_best_fixed": "best fixed rule",
    "logistic_all_tools": "logistic regression on all tool results",
    "boosting_all_tools": "gradient boosting on all tool results",
    "advantage_argmax": "tools of the largest advantage, mean of their scores",
    "chosen_side_sft": "fine-tuning on chosen sides",
    "shuffled_rewards": "DPO on shuffled rewards",
    "observed_rewards": "pairs by one outcome",
    "outcomes_only": "closing number alone",
    "no_outcomes": "look-ups alone",
    "no_cross_entropy": "without cross-entropy",
    "no_made_up_claims": "without made-up claims",
    "plain_lora_brief_rates": "plain LoRA at the brief's rates",
    "true_probability": "the true probability itself",
    "majority": "majority class",
    "text_only": "text alone",
    "all_tools": "text and all tools",
    "text_and_follow_up": "text and follow-up",
    "text_topics_and_energy": "text, topics and energy",
    "text_topics_and_follow_up": "text, topics and follow-up",
    "text_energy_and_follow_up": "text, energy and follow-up",
}


def name_of(key: str) -> str:
    """What readers see for a key of the metrics. A task may have baselines and ceilings of its own."""
    return NAMES.get(key) or key.replace("_", " ")


def comparison_name(key: str) -> str:
    """What readers see for a key like `dpo_vs_sft`."""
    return " against ".join(name_of(side) for side in key.split("_vs_"))


def percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f}%"


def points(value: float, digits: int = 1) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * value:+.{digits}f}"


def fixed(value: float, digits: int = 0) -> str:
    """With commas between thousands."""
    return f"{value:,.{digits}f}"


def score(scores: dict, name: str, digits: int) -> str:
    """A score, or "none": agents have some scores only if an answer states a probability."""
    return f"{scores[name]:.{digits}f}" if name in scores else "none"


def with_interval(scores: dict) -> str:
    low, high = scores["accuracy_ci95"]
    return f"{percent(scores['accuracy'])} ({percent(low)} to {percent(high)})"


def compared(comparison: dict, who: str, other: str) -> str:
    """One sentence on a paired comparison. It names a winner only if the interval does not contain zero."""
    low, high = comparison["ci95"]
    interval = f"95% interval {points(low)} to {points(high)}"
    if low <= 0 <= high:
        return f"{who} and {other} cannot be told apart ({points(comparison['delta'])} points, {interval})."
    direction = "more" if low > 0 else "**less**"
    return f"{who} is {abs(100 * comparison['delta']):.1f} points {direction} accurate than {other} ({interval})."


def p_text(p: float) -> str:
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.4f}"


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
