"""What the phases write is read by the libraries' own loaders, trainers and trackers, without any code of ours."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from meeting_agent.common.files import InputError
from meeting_agent.training.trackers import check_reporter

SFT, ALIGNED = "models/sft_prediction_model_gemma_270m", "models/dpo_aligned_adapter"
PAIRS, TRACES = "trajectories/preference_pairs.json", "trajectories/agent_traces.json"


def load(path, cache):
    from datasets import load_dataset

    return load_dataset("json", data_files=path, split="train", cache_dir=str(cache))


@pytest.mark.parametrize("path", [PAIRS, TRACES])
def test_datasets_loads_what_the_phases_write(path, tmp_path):
    rows = load(path, tmp_path)
    whole = json.loads(Path(path).read_text(encoding="utf-8"))
    assert len(rows) == len(whole)
    assert set(whole[0]) <= set(rows.column_names)
    name = "chosen" if path == PAIRS else "messages"
    assert [m["content"] for m in rows[0][name]] == [m["content"] for m in whole[0][name]]


def test_pairs_go_straight_into_trl(tmp_path):
    """Its stock collator and no preparation of ours, on the embedded base."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    options = {"max_steps": 1, "per_device_train_batch_size": 2, "report_to": "none", "use_cpu": True, "bf16": False}
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained("models/base"),
        args=DPOConfig(output_dir=str(tmp_path), save_strategy="no", **options),
        train_dataset=load(PAIRS, tmp_path).select(range(4)),
        processing_class=AutoTokenizer.from_pretrained("models/base"),
    )
    assert trainer.train().training_loss == pytest.approx(0.6931, abs=1e-3)


@pytest.mark.parametrize("adapter", [SFT, ALIGNED])
def test_peft_loads_an_adapter_with_its_base(adapter):
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoTokenizer

    model = AutoPeftModelForCausalLM.from_pretrained(adapter)
    ids = AutoTokenizer.from_pretrained(adapter)("Person A: A serial founder.", return_tensors="pt")
    assert model(**ids).logits.shape[1] == ids["input_ids"].shape[1]


def head(card: Path) -> dict:
    return yaml.safe_load(card.read_text(encoding="utf-8").split("---\n")[1])


@pytest.mark.parametrize("adapter", [SFT, ALIGNED])
def test_model_cards_name_their_results(adapter):
    card = head(Path(adapter) / "README.md")
    (result,) = card["model-index"][0]["results"]
    found = {m["type"]: m["value"] for m in result["metrics"]}
    if adapter == SFT:
        measured = json.loads((Path(adapter) / "validation.json").read_text())
    else:
        measured = json.loads(Path("results/metrics.json").read_text())["phases"]["dpo"]
    assert found["accuracy"] == pytest.approx(measured["accuracy"], abs=1e-4)
    assert found["brier_score"] == pytest.approx(measured["brier"], abs=1e-4)
    assert card["base_model"] == "models/base"


def test_losses_go_to_tensorboard_and_the_terminal_says_how_long(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    line = ["starter_sft.py", f"--output_model_path={tmp_path / 'sft'}", "--report_to=tensorboard"]
    environment = os.environ | {"TENSORBOARD_LOGGING_DIR": str(tmp_path / "logs"), "OMP_NUM_THREADS": "1"}
    line += ["--max_train_rows=60", "--num_train_epochs=1", "--rehearsal_share=0"]
    done = subprocess.run([sys.executable, *line], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    events = EventAccumulator(str(tmp_path / "logs"))
    events.Reload()
    assert "train/loss" in events.Tags()["scalars"]
    assert "minutes left" in done.stdout
    assert head(tmp_path / "sft" / "README.md")["model-index"]


@pytest.mark.parametrize(("name", "says"), [("nowhere", "only azure_ml"), ("clearml", "pip install clearml")])
def test_a_reporter_that_is_not_there_is_one_line(name, says, tmp_path):
    with pytest.raises(InputError, match=says) as refused:
        check_reporter(name, tmp_path)
    assert "\n" not in str(refused.value)
