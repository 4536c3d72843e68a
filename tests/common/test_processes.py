"""The phases under `accelerate launch` with two processes on CPUs."""

import json
import os
import subprocess
import sys

import pandas as pd

from meeting_agent.agent.rollouts import CONCURRENT_AGENTS
from meeting_agent.common.files import digest
from meeting_agent.common.manifest import RECORD

SINGLE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}  # sums of several threads differ in the last digit
LAUNCH = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes=2")
SFT = "models/sft_prediction_model_gemma_270m"


def run(*arguments):
    line = [sys.executable, *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, env=SINGLE_THREAD, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def names(folder):
    return sorted(p.name for p in folder.iterdir() if p.name != RECORD)


def test_two_processes_play_what_one_plays(tmp_path):
    flags = [f"--sft_model_path={SFT}", "--num_scenarios=10", "--samples_per_scenario=2", "--concurrent_agents=4"]
    for name, launch in (("one", ()), ("two", LAUNCH)):
        said = run(*launch, "starter_agentic_traces.py", f"--traces_path={tmp_path / name}.json", *flags)
        assert said.count("20 trajectories in") == 1
    assert digest(tmp_path / "one.json") == digest(tmp_path / "two.json")
    assert names(tmp_path) == ["one.json", "one.summary.json", "two.json", "two.summary.json"]


def test_two_processes_train_one_adapter(tmp_path):
    said = run(
        *(*LAUNCH, "starter_sft.py", f"--output_model_path={tmp_path / 'sft'}", "--max_train_rows=160"),
        *("--num_train_epochs=2", "--rehearsal_share=0"),
    )
    assert said.count("Held-out rows") == 1
    log = json.loads((tmp_path / "sft" / "training_log.json").read_text())
    losses = [entry["loss"] for entry in log["history"] if "loss" in entry]
    assert losses[-1] < losses[0]
    assert names(tmp_path) == ["sft"]


def test_two_processes_align_and_evaluate_one_adapter(tmp_path):
    scenarios = CONCURRENT_AGENTS + 8  # two blocks, one for each process
    said = {}
    for name, launch in (("one", ()), ("two", LAUNCH)):
        folder = tmp_path / name
        said[name] = run(
            *(*launch, "starter_agentic_rlft.py", f"--sft_model_path={SFT}", f"--pairs_path={folder / 'pairs.json'}"),
            *(f"--adapter_path={folder / 'dpo'}", f"--results_dir={folder / 'results'}", "--max_steps=2"),
            *("--per_device_train_batch_size=2", "--max_pairs=20", f"--num_eval_scenarios={scenarios}"),
        )
        assert names(folder) == ["dpo", "evaluation_traces.json", "pairs.json", "results"]
    assert said["two"].count("Adapter saved in") == said["two"].count("held-out scenarios:") == 1
    history = json.loads((tmp_path / "two" / "dpo" / "training_log.json").read_text())["history"]
    assert [entry["step"] for entry in history if "loss" in entry] == [1, 2]
    one, two = (pd.read_csv(tmp_path / name / "results" / "evaluation_scenarios.csv") for name in ("one", "two"))
    assert len(two) == scenarios
    assert two["dpo_recommendation"].isin(["YES", "NO"]).mean() > 0.9  # a share lost on the way would be half
    before = ["scenario_id", "sft", "agent", "agent_recommendation"]  # what DPO has not touched
    pd.testing.assert_frame_equal(one[before], two[before])
