"""The committed pairs and the tokenizer of the embedded base."""

from pathlib import Path

import pytest

from data_classes import PreferencePair
from meeting_agent.common.files import read_json
from meeting_agent.inference.loading import load_tokenizer


@pytest.fixture(scope="module")
def pairs():
    written = read_json(Path("trajectories/preference_pairs.json"), "starter_agentic_rlft.py")
    return [PreferencePair(**pair) for pair in written]


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer("models/base")
