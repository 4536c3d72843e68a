"""The head of a model card: what the Hugging Face Hub reads of it, measured results among that."""

from __future__ import annotations

# The names by which the Hub knows what we measure, each with the key of `score_probabilities`.
METRICS = {"accuracy": "accuracy", "brier_score": "brier", "pearsonr": "correlation", "mae": "mae"}


def front_matter(base: str, name: str, dataset: str, scores: dict) -> str:
    """YAML between two lines of dashes; without `scores` it names no results."""
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
    data = ModelCardData(base_model=base, library_name="peft", model_name=name, eval_results=results or None)
    return f"---\n{data.to_yaml()}\n---"
