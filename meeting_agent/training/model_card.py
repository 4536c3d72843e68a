"""Model cards of the adapters, with metadata and results in the format of the Hugging Face Hub."""

from __future__ import annotations

# The Hub's name of each metric, and its key in `score_probabilities`.
METRICS = {"accuracy": "accuracy", "brier_score": "brier", "pearsonr": "correlation", "mae": "mae"}


def adapter_card(title: str, phase: int, base: str, about: str, settings: dict, dataset: str, scores: dict) -> str:
    """A card in Markdown: YAML metadata for the Hub, the text `about`, and a table of the settings.

    `scores` were measured on `dataset`. If `scores` is empty the card has no results.
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
