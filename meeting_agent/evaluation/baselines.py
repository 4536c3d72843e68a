"""Baselines that a language model must beat and that see the text alone.

TF-IDF, sentence embeddings and the environment's own baselines are fitted on the same rows. The untouched base's
readings use no label.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_classes import Scenario, TrainingRow
from meeting_agent.agent.environment import Environment
from meeting_agent.common.files import digest
from meeting_agent.evaluation.embedding_baseline import embedding_baseline, embedding_model
from meeting_agent.inference.engine import Engine
from meeting_agent.inference.prediction import chat_text
from meeting_agent.training.split import read_rows, split_rows

SCORE_OPENING = '{"score": 0.'  # how the base's answer to a reading question begins


def tfidf_baseline(train: list[TrainingRow], texts: list[str], seed: int) -> list[float]:
    """P(YES) in [0, 1] for each text, by TF-IDF + logistic regression (scikit-learn) fitted on the training rows.

    A target of 0.7 counts as 0.7 of a YES and 0.3 of a NO. If all targets are 0, or all 1, or no word occurs in two
    texts, returns the mean target for every text.
    """
    from scipy.sparse import vstack
    from sklearn.linear_model import LogisticRegression

    from meeting_agent.evaluation.audit import has_vocabulary, text_pipeline

    target = np.array([r.target_probability for r in train])
    read = [r.input_text for r in train]
    if target.mean() in (0.0, 1.0) or not has_vocabulary(read):
        return [float(target.mean())] * len(texts)
    words, model = text_pipeline(None)[0], LogisticRegression(max_iter=1000, random_state=seed)
    known = words.fit_transform(read)
    outcomes = np.repeat([1, 0], len(train))
    model.fit(vstack([known, known]), outcomes, sample_weight=np.concatenate([target, 1 - target]))
    return model.predict_proba(words.transform(texts))[:, 1].tolist()


def missing_rows(log: dict) -> str | None:
    """A message if no baseline can be fitted because phase 1's rows are gone or changed. None otherwise.

    `log` is the training log of phase 1.
    """
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
    """Baseline -> P(YES) for every scenario: TF-IDF, embeddings if installed, and the environment's own baselines.

    They are fitted on the rows that phase 1 trained on, which its training log `log` names. Empty if those rows are
    gone or changed.
    """
    if missing_rows(log):
        return {}
    sft = log["settings"]
    rows = read_rows(environment, sft["sft_data_path"], sft["max_train_rows"])
    split = split_rows(rows, sft["seed"])
    fitted = split.train + split.selection
    texts = [s.prediction_prompt for s in scenarios]
    found: dict[str, Sequence[float | None]] = {"tfidf_logistic": tfidf_baseline(fitted, texts, seed)}
    if model := embedding_model():
        found["embedding_logistic"] = embedding_baseline(model, fitted, texts, seed)
    return found | environment.baselines(rows, fitted, scenarios, seed, data_seed)


def zero_label_readings(
    environment: Environment, base: Engine, scenarios: Sequence[Scenario]
) -> dict[str, Sequence[float | None]]:
    """The mean of the untouched base's readings of each scenario, as the baseline `zero_label_readings`.

    Neither the base nor this baseline has seen a label. Empty if the environment has no reading questions.
    """
    asked = [environment.reading_questions(scenario) for scenario in scenarios]
    if not all(asked):
        return {}
    prompts = [chat_text(base.tokenizer, question) + SCORE_OPENING for questions in asked for question in questions]
    readings = iter(base.fractions(prompts))
    return {"zero_label_readings": [float(np.mean([next(readings) for _ in questions])) for questions in asked]}
