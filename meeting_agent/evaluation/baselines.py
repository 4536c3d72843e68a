"""What any language model has to beat: words counted on the same rows, and what knows the task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_classes import Scenario, TrainingRow
from meeting_agent.agent.environment import Environment
from meeting_agent.common.files import digest
from meeting_agent.training.split import read_rows, split_rows


def tfidf_baseline(train: list[TrainingRow], texts: list[str], seed: int) -> list[float]:
    """P(YES) of each text by TF-IDF + logistic regression (scikit-learn) fitted on the training rows.

    Where the rows all end alike or no word occurs in two of them, it is the share of YES among them.
    """
    from sklearn.linear_model import LogisticRegression

    from meeting_agent.evaluation.audit import has_vocabulary, text_pipeline

    labels = [r.ground_truth_prob > 0.5 for r in train]
    read = [r.input_text for r in train]
    if len(set(labels)) < 2 or not has_vocabulary(read):
        return [float(np.mean(labels))] * len(texts)
    model = text_pipeline(LogisticRegression(max_iter=1000, random_state=seed))
    return model.fit(read, labels).predict_proba(texts)[:, 1].tolist()


def missing_rows(log: dict) -> str | None:
    """Why no baseline can be fitted: the rows that phase 1's `log` names are gone or changed. None if all is well."""
    data = Path(log["settings"]["sft_data_path"])
    known = log.get("sha256", {}).get("data")
    if not data.is_file():
        return f"{data}, which phase 1 trained on, is gone: the report will have no baselines"
    if known and digest(data) != known:
        return f"{data} has been changed since phase 1 trained on it: the report will have no baselines"
    return None


def fitted_baselines(
    environment: Environment, log: dict, scenarios: list[Scenario], seed: int, data_seed: int
) -> dict[str, Sequence[float | None]]:
    """P(YES) of every scenario by each baseline: counted words, and those that know the task.

    They are fitted on the rows that phase 1 trained on, of which its `log` tells. None where those rows are gone.
    """
    if missing_rows(log):
        return {}
    sft = log["settings"]
    rows = read_rows(environment, sft["sft_data_path"], sft["max_train_rows"])
    split = split_rows(rows, sft["seed"])
    fitted = split.train + split.selection
    words = tfidf_baseline(fitted, [s.prediction_prompt for s in scenarios], seed)
    return {"tfidf_logistic": words, **environment.baselines(rows, fitted, scenarios, seed, data_seed)}
