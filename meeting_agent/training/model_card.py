"""The cards of the adapters: what the Hugging Face Hub reads of them, measured results among that."""

from __future__ import annotations

# The names by which the Hub knows what we measure, each with the key of `score_probabilities`.
METRICS = {"accuracy": "accuracy", "brier_score": "brier", "pearsonr": "correlation", "mae": "mae"}


def adapter_card(title: str, phase: int, base: str, about: str, settings: dict, dataset: str, scores: dict) -> str:
    """A card in Markdown: YAML for the Hub, `about` the adapter, and its settings as a table.

    `scores` were measured on `dataset`; without any the card names no results.
    """
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type="csv",
            dataset_name=f"{dataset}, n = {scores['n']}",
            metric_type=metric,
            metric_value=round(scores[key], 4),
        )
        for metric, key in METRICS.items()
        if key in scores
    ]
    data = ModelCardData(base_model=base, library_name="peft", model_name=title, eval_results=results or None)
    rows = "\n".join(f"| {name} | {value} |" for name, value in settings.items())
    return f"""---
{data.to_yaml()}
---
# {title} (phase {phase})

{about}

| setting | value |
|---|---|
{rows}
"""
