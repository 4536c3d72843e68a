"""The rows of phase 1, and the reference policy of phase 3."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data_classes import TimeSlot
from meeting_agent.training.split import split_rows
from meeting_agent.world.prompts import prediction_prompt, prose
from meeting_agent.world.training_rows import as_asked, read_training_rows, swap_people
from starter_agentic_rlft import RLFTConfig, train_model_with_dpo

SFT = "models/sft_prediction_model_gemma_270m"


def test_reference_is_the_sft_policy(pairs, tmp_path):
    """With a rate of next to nothing the first loss is ln 2 and every reward 0: policy and reference are one."""
    config = RLFTConfig(
        adapter_path=str(tmp_path / "dpo"),
        max_steps=1,
        per_device_train_batch_size=2,
        learning_rate=1e-8,
        loraplus_ratio=1.0,
        sft_weight=0.0,
    )
    log = train_model_with_dpo(pairs[:2], config).history[0]
    assert log["loss"] == pytest.approx(math.log(2), abs=1e-4)
    assert log["rewards/chosen"] == pytest.approx(0.0, abs=1e-3)
    from peft import PeftModel
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    before, after = (load_file(Path(p) / "adapter_model.safetensors") for p in (SFT, tmp_path / "dpo"))
    assert before.keys() == after.keys()
    assert all(torch.allclose(before[k], after[k], atol=1e-4) for k in before)
    # The reference is not the bare base: there the adapter's own matrices would be zero.
    assert any(before[k].abs().max() > 1e-3 for k in before if "lora_B" in k)
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("models/base"), tmp_path / "dpo")
    assert loaded.active_adapter == "default"


def test_swapping_people_twice_changes_nothing():
    rows = read_training_rows("data/sft_training_data.csv")[:50]
    for row in rows:
        swapped = swap_people(row.input_text)
        assert swapped != row.input_text
        assert swap_people(swapped) == row.input_text
    assert swap_people("free text") == "free text"


@given(st.text(max_size=80), st.text(max_size=80))
def test_what_strangers_wrote_is_asked_as_one_line_of_prose(first, second):
    people, _, _ = prediction_prompt(first, second, TimeSlot.DAY2_EVENING).partition("\n\n")
    assert people.count("\n") == 2
    assert not set(people) & set('{}[]<>"_|\\`')
    assert not re.search(r"\d\.\d", people)
    assert prose(prose(first)) == prose(first)


def test_rows_are_trained_on_as_the_predictor_asks():
    first, second = 'Says "hi" to\nall.', "Knows {x: 1}, a_b <c>."
    asked = prediction_prompt(first, second, TimeSlot.DAY2_EVENING)
    assert "Says 'hi' to all." in asked
    raw = f"Person A: {first}\nPerson B: {second}\nTime: {asked.partition('Time: ')[2]}"
    assert as_asked(raw) == as_asked(asked) == asked
    assert as_asked('free {"text"}') == 'free {"text"}'


def test_split_keeps_every_row_once():
    rows = [replace(read_training_rows("data/sft_training_data.csv")[0], input_text=str(i)) for i in range(100)]
    split = split_rows(rows, 3)
    texts = [r.input_text for part in (split.train, split.selection, split.test) for r in part]
    assert sorted(texts) == sorted(str(i) for i in range(100))
    assert (len(split.train), len(split.selection), len(split.test)) == (80, 10, 10)
