"""The flags for small machines change what a step needs, not what it learns."""

import math
from pathlib import Path

import pytest
import torch

from data_classes import TrainingRow
from meeting_agent.agent.trajectory_file import TraceFile
from meeting_agent.benchmarks.memory import committed_rollouts, write_traces
from meeting_agent.common.files import InputError, read_json
from meeting_agent.common.hardware import check_precision, computes_bfloat16
from meeting_agent.conference import Conference
from meeting_agent.inference.engine import open_engine
from meeting_agent.training.sft import load_base_with_adapter, tokenize, train
from meeting_agent.training.split import Split
from starter_agentic_rlft import (
    RLFTConfig,
    create_preference_dataset_from_traces,
    train_model_with_dpo,
    train_on_outcomes,
)
from starter_sft import SFTConfig, run_sft_fine_tuning

ROWS = [TrainingRow("Two people meet.", 0.73, "topics", 0.8)] * 8


def one_step(folder, **settings) -> dict:
    """What the trainer logged of one step on eight rows that are all the same."""
    few = {"num_train_epochs": 1, "rehearsal_share": 0.0, "lora_dropout": 0.0}
    config = SFTConfig(output_model_path=str(folder / "sft"), **(few | settings))
    model, tokenizer = load_base_with_adapter(config)
    split = Split(ROWS, ROWS[:1], ROWS[:1])
    rows = tokenize(config, Conference(), split, model, tokenizer)
    metrics = train(config, rows, model, tokenizer, folder / "checkpoints")
    return metrics.history[0]


@pytest.fixture(scope="module")
def whole_batch(tmp_path_factory):
    return one_step(tmp_path_factory.mktemp("whole"), per_device_train_batch_size=8, fp32=True)


@pytest.mark.parametrize(
    "settings",
    [
        {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 8},
        {"per_device_train_batch_size": 8, "gradient_checkpointing": True},
    ],
)
def test_a_step_in_less_memory_is_the_same_step(whole_batch, settings, tmp_path):
    step = one_step(tmp_path, fp32=True, **settings)
    assert step["loss"] == pytest.approx(whole_batch["loss"], rel=1e-4)
    assert step["grad_norm"] == pytest.approx(whole_batch["grad_norm"], rel=1e-3)


def test_a_machine_trains_in_the_type_that_it_computes(whole_batch, tmp_path):
    step = one_step(tmp_path, per_device_train_batch_size=8)
    assert (step["loss"] != whole_batch["loss"]) == computes_bfloat16()


def test_bfloat16_is_nearly_the_same_step(whole_batch, tmp_path):
    step = one_step(tmp_path, per_device_train_batch_size=8, bf16=True)
    assert step["loss"] == pytest.approx(whole_batch["loss"], rel=0.05)
    assert step["loss"] != whole_batch["loss"]


@pytest.mark.parametrize(("use_rslora", "scale"), [(True, 8.0), (False, 2.0)])
def test_an_adapter_has_the_scale_that_the_flag_asks_for(use_rslora, scale):
    model, _ = load_base_with_adapter(SFTConfig(use_rslora=use_rslora))
    scales = {layer.scaling["default"] for layer in model.modules() if hasattr(layer, "lora_A")}
    assert scales == {scale}


def test_a_base_of_gemma_270m_fits_into_16_gib_as_committed():
    peaks = read_json(Path("results/memory.json"), "make memory")["peak_gib"]
    assert peaks.keys() == {"sft", "traces", "rlft"}
    assert all(1.0 < gib < 16.0 for gib in peaks.values())


def test_bfloat16_without_instructions_for_it_is_said_to_be_slow(monkeypatch, capsys):
    monkeypatch.setattr("meeting_agent.common.hardware.computes_bfloat16", lambda: False)
    check_precision(bf16=True, fp16=False, fp32=False)
    assert "no instructions for bfloat16" in capsys.readouterr().out
    check_precision(bf16=False, fp16=False, fp32=True)
    assert not capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU can do what is refused here")
def test_what_a_machine_cannot_do_is_refused():
    with pytest.raises(InputError, match="exclude each other"):
        check_precision(bf16=True, fp16=True, fp32=False)
    with pytest.raises(InputError, match="needs a GPU"):
        check_precision(bf16=False, fp16=True, fp32=False)


def test_qlora_trains_in_phases_1_and_3_and_serves(tmp_path):
    """bitsandbytes for real, on whatever machine this is."""
    sft, dpo = tmp_path / "sft", tmp_path / "dpo"
    config = SFTConfig(
        output_model_path=str(sft), use_4bit=True, max_train_rows=10, num_train_epochs=1, gradient_checkpointing=True
    )
    model, _ = load_base_with_adapter(config)
    assert {type(m).__name__ for n, m in model.named_modules() if n.endswith("q_proj.base_layer")} == {"Linear4bit"}
    run_sft_fine_tuning(config)
    history = read_json(sft / "training_log.json", "")["history"]
    steps = [(entry["loss"], entry["grad_norm"]) for entry in history if "loss" in entry]
    assert steps
    assert all(math.isfinite(loss) and 0.0 < norm < math.inf for loss, norm in steps)
    (value,) = open_engine(str(sft)).fractions(['{"probability": 0.'])
    assert 0.01 <= value <= 0.99

    write_traces(tmp_path / "traces.json", sft, committed_rollouts(1))
    config = RLFTConfig(
        sft_model_path=str(sft),
        traces_path=str(tmp_path / "traces.json"),
        outcome_epochs=1,
        ranking="observed",
        pairs_path=str(tmp_path / "pairs.json"),
        adapter_path=str(dpo),
        use_4bit=True,
        max_steps=1,
        per_device_train_batch_size=1,
        grounding_share=0.0,
    )
    traces = TraceFile(tmp_path / "traces.json")
    outcomes = train_on_outcomes(traces, config)
    pairs = create_preference_dataset_from_traces(traces, config, outcomes=outcomes)
    first = train_model_with_dpo(pairs, config, outcomes).history[0]
    assert math.isfinite(first["loss"])
    assert first["rewards/chosen"] == pytest.approx(0.0, abs=1e-3)
    open_engine(str(dpo))
