"""The baseline that any language model has to beat: words counted on the same rows."""

from __future__ import annotations

import numpy as np

from data_classes import TrainingRow


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
