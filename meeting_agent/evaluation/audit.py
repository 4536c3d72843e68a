"""The learnability audit: can a simple model predict the labels from the text, before anything is trained?

It cross-validates a linear model on TF-IDF features. If the interval of the correlation includes zero, the words carry
no signal about the labels, and training would fit noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data_classes import TrainingRow
from meeting_agent.evaluation.statistics import bootstrap_interval, correlation_of

MAX_FOLDS = 5


@dataclass(frozen=True)
class Audit:
    """Cross-validated accuracy and correlation with 95% intervals, and the majority class for comparison."""

    rows: int
    majority: float  # share of the more frequent outcome, in [0.5, 1]
    accuracy: float  # in [0, 1]
    accuracy_ci95: tuple[float, float]
    correlation: float  # Pearson's, in [-1, 1]
    correlation_ci95: tuple[float, float]

    @property
    def learnable(self) -> bool:
        return self.correlation_ci95[0] > 0.0 and self.accuracy_ci95[0] > self.majority

    def __str__(self) -> str:
        lines = [
            f"Learnability audit of {self.rows} rows (TF-IDF + ridge, cross-validated):",
            f"  majority class  {self.majority:.3f}",
            f"  accuracy        {self.accuracy:.3f}  (95% {self.accuracy_ci95[0]:.3f} to {self.accuracy_ci95[1]:.3f})",
            f"  correlation     {self.correlation:+.3f} (95% {self.correlation_ci95[0]:+.3f} "
            f"to {self.correlation_ci95[1]:+.3f})",
        ]
        if self.learnable:
            lines.append("  The text predicts the labels: training can learn them.")
        elif self.correlation_ci95[0] > 0.0:
            lines.append("  Words hint at the labels, but not enough to beat the majority class: expect little.")
        else:
            lines.append("  WARNING: no signal found. As far as words tell, these labels are noise; do not trust a")
            lines.append("  model trained on them before a better reader shows otherwise.")
        return "\n".join(lines)


def text_pipeline(estimator):
    """A scikit-learn pipeline: TF-IDF of words and word pairs that occur in at least two texts, then `estimator`."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True), estimator)


def has_vocabulary(texts: list[str]) -> bool:
    """Whether any word occurs in two of the texts. If not, fitting `text_pipeline` raises ValueError."""
    words_of = text_pipeline(None).named_steps["tfidfvectorizer"].build_analyzer()
    seen: set[str] = set()
    for text in texts:
        words = set(words_of(text))
        if words & seen:
            return True
        seen |= words
    return False


def audit_learnability(rows: list[TrainingRow], seed: int = 0) -> Audit | None:
    """Audits rows. None for fewer than 20 rows, which are too few for a reliable answer.

    Intervals are 95% percentile bootstraps over rows (Efron and Tibshirani, 1993).
    """
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import KFold, cross_val_predict

    if len(rows) < 20:
        return None
    texts = [r.input_text for r in rows]
    target = np.array([r.target_probability for r in rows])
    truth = np.array([r.ground_truth_prob > 0.5 for r in rows])
    folds = list(KFold(MAX_FOLDS, shuffle=True, random_state=seed).split(texts))
    if all(has_vocabulary([texts[i] for i in fitted]) for fitted, _ in folds):
        predicted = cross_val_predict(text_pipeline(Ridge(alpha=1.0)), texts, target, cv=folds)
    else:
        predicted = np.full(len(rows), target.mean())
    right = (predicted > 0.5) == truth

    return Audit(
        rows=len(rows),
        majority=float(max(truth.mean(), 1 - truth.mean())),
        accuracy=float(right.mean()),
        accuracy_ci95=bootstrap_interval(np.mean, right, seed=seed),
        correlation=correlation_of(predicted, target),
        correlation_ci95=bootstrap_interval(correlation_of, predicted, target, seed=seed),
    )
