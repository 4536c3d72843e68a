"""Embeddings are read from the folder of an optional package, and only from safetensors."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from data_classes import TrainingRow
from meeting_agent.evaluation.embedding_baseline import PACKAGE, embedding_baseline, embedding_model, embeddings

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "match", "day", "one"]
ROW = TrainingRow("good match", 0.9, "topics", 1.0)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The optional package with a tiny model of random weights. Its code must never run."""
    folder = tmp_path / PACKAGE / "model"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise RuntimeError('this code must not run')")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(WORDS), **sizes)).save_pretrained(folder)
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_the_package_is_found_without_running_it(package):
    assert embedding_model() == package
    assert PACKAGE not in sys.modules


def test_without_the_package_there_is_no_model(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert embedding_model() is None


def test_embeddings_have_length_one_and_depend_on_no_other_text(package):
    texts = ("good match", "bad", "good day one match one day", "bad match")
    found = embeddings(package, texts)
    assert found.shape == (4, 32)
    assert np.linalg.norm(found, axis=1) == pytest.approx([1.0] * 4, abs=1e-5)
    alone = np.concatenate([embeddings(package, (text,)) for text in texts])
    assert np.abs(found - alone).max() < 1e-5


def test_what_the_rows_say_is_learned(package):
    rows = [
        replace(ROW, input_text=f"{'good' if i % 2 else 'bad'} match {'day ' * (i % 5)}", ground_truth_prob=i % 2)
        for i in range(60)
    ]
    good, bad = embedding_baseline(package, rows, ["good match one", "bad match one"], seed=0)
    assert good > 0.6 > 0.4 > bad
    assert embedding_baseline(package, rows[1::2], ["bad match"], seed=0) == [1.0]


def test_pickled_weights_are_refused(package):
    state = BertModel.from_pretrained(package).state_dict()
    (package / "model.safetensors").unlink()
    torch.save(state, package / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        embeddings(package, ("good",))
