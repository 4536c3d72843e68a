"""Controls differ from the reference run in what they name and in nothing else, and are of that run only."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from meeting_agent.common.files import InputError, read_json, write_json
from meeting_agent.evaluation import ablations
from meeting_agent.evaluation.ablations import CONTROLS, control_commands, of_this_run, right_answers, run_digests
from meeting_agent.evaluation.phase_runs import phase_command, run_all
from meeting_agent.report.other_records import add_other_records, controls_section
from meeting_agent.report.tables import ladder_table
from tests.records import rollout

SETTINGS = {
    "sft": {"seed": 3, "lora_r": 16, "fp32": False, "output_model_path": "ref/sft", "loraplus_ratio": 16.0},
    "traces": {
        "seed": 3,
        "physics_seed": 2,
        "sft_model_path": "ref/sft",
        "traces_path": "ref/traces.json",
        "model": "",
    },
    "rlft": {
        "seed": 3,
        "eval_seed": 9,
        "sft_model_path": "ref/sft",
        "traces_path": "ref/traces.json",
        "pairs_path": "ref/pairs.json",
        "adapter_path": "ref/dpo",
        "results_dir": "ref/results",
        "loraplus_ratio": 256.0,
        "gradient_checkpointing": True,
    },
}


def flags(command: list[str]) -> dict[str, str]:
    """The last value of each flag. A switch has none."""
    found = {}
    for i, word in enumerate(command):
        if word.startswith("--"):
            following = command[i + 1] if i + 1 < len(command) else "--"
            found[word[2:]] = "" if following.startswith("--") else following
    return found


def test_a_control_of_phase_3_takes_adapter_and_trajectories_from_the_reference():
    (command,) = control_commands(SETTINGS, Path("to"), {"rlft": {"ranking": "shuffled"}})
    assert command[:2] == [sys.executable, "starter_agentic_rlft.py"]
    given = flags(command)
    assert given.pop("ranking") == "shuffled"
    places = {"pairs_path": "to/preference_pairs.json", "adapter_path": "to/dpo", "results_dir": "to/results"}
    same = {k: str(v) for k, v in SETTINGS["rlft"].items() if k not in (*places, "gradient_checkpointing")}
    assert given == same | places | {"gradient_checkpointing": ""}


def test_a_control_of_phase_1_plays_its_own_trajectories():
    changes = CONTROLS["plain_lora_brief_rates"]
    sft, traces, rlft = map(flags, control_commands(SETTINGS, Path("to"), changes))
    assert sft["output_model_path"] == traces["sft_model_path"] == rlft["sft_model_path"] == "to/sft"
    assert traces["traces_path"] == rlft["traces_path"] == "to/agent_traces.json"
    assert sft["loraplus_ratio"] == rlft["loraplus_ratio"] == "1.0"
    assert "no-use_rslora" in sft
    assert "no-fp32" in sft
    assert traces["physics_seed"] == "2"
    assert "model" not in traces
    assert rlft["eval_seed"] == "9"


def test_every_control_changes_something_of_its_own():
    assert len({json.dumps(changes, sort_keys=True) for changes in CONTROLS.values()}) == len(CONTROLS)
    assert all(values for changes in CONTROLS.values() for values in changes.values())


def test_a_phase_that_fails_is_named_with_its_log(tmp_path):
    with pytest.raises(InputError, match=r"shuffled: -c .* failed, see .*run\.log"):
        run_all([[sys.executable, "-c", "raise SystemExit('no pairs')"]], tmp_path / "run", 1, "shuffled")
    assert "no pairs" in (tmp_path / "run" / "run.log").read_text()


def test_right_answers_are_those_of_the_aligned_agent(tmp_path):
    played = [
        rollout("s0-sft-0", "NO"),
        rollout("s0-dpo-0", "YES", policy="dpo"),
        rollout("s1-dpo-0", "NO", scenario_id="s1", policy="dpo"),
    ]
    write_json(tmp_path / "evaluation_traces.json", [trajectory.to_json() for trajectory in played])
    assert right_answers(tmp_path / "evaluation_traces.json") == {"s0": True, "s1": False}


# ----------------------------------------------------------------------------- a reference run of made-up files


@pytest.fixture
def reference(tmp_path, monkeypatch):
    """The folder of a made-up reference run, which answered four scenarios and one of them wrongly.

    Controls are made up too: a control's first answer is wrong, and its phases take no time.
    """
    rlft = {
        "eval_seed": 9,
        "sft_model_path": str(tmp_path / "sft"),
        "traces_path": str(tmp_path / "traces.json"),
        "pairs_path": str(tmp_path / "pairs.json"),
        "adapter_path": str(tmp_path / "dpo"),
    }
    for name in ("sft", "dpo"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "adapter_model.safetensors").write_text(name)
    (tmp_path / "traces.json").write_text("[]")
    write_answers(tmp_path, "YES", "YES", "YES", "NO")
    write_metrics(tmp_path, rlft)

    def run(commands, folder, threads, who):
        ran.append(who)
        if who in failing:
            raise InputError(f"{who} failed")
        write_answers(folder, "NO", "YES", "YES", "NO")
        scores = {"accuracy": 0.5, "accuracy_ci95": [0.2, 0.8], "calls_mean": 2.5}
        write_json(folder / "results" / "metrics.json", {"phases": {"dpo": scores}})
        return 7.0

    ran: list[str] = []
    failing: set[str] = set()
    monkeypatch.setattr(ablations, "run_all", run)
    return tmp_path, ran, failing


def write_answers(folder, *answers):
    played = [rollout(f"s{i}-dpo-0", said, scenario_id=f"s{i}", policy="dpo") for i, said in enumerate(answers)]
    write_json(folder / "evaluation_traces.json", [trajectory.to_json() for trajectory in played])


def write_metrics(folder, rlft):
    run = {"settings": {"sft": {}, "traces": {}, "rlft": rlft}, "eval_seed": 9, "sha256": run_digests(rlft)}
    write_json(folder / "metrics.json", {"run": run, "phases": {"dpo": {"n": 4}}})


def command(folder, monkeypatch, *more):
    places = [f"--metrics={folder / 'metrics.json'}", f"--scratch={folder / 'scratch'}"]
    monkeypatch.setattr(sys, "argv", ["ablations", *places, f"--output={folder / 'ablations.json'}", *more])
    ablations.main()
    return read_json(folder / "ablations.json", "the test")


def test_controls_are_compared_scenario_by_scenario_and_run_once(reference, monkeypatch):
    folder, ran, _ = reference
    found = command(folder, monkeypatch, "--controls=shuffled_rewards")
    entry = found["shuffled_rewards"]
    assert entry["delta_vs_dpo"]["delta"] == -0.25
    assert (entry["delta_vs_dpo"]["won"], entry["delta_vs_dpo"]["lost"]) == (0, 1)
    assert entry["settings"] == {"rlft": {"ranking": "shuffled"}}
    assert (entry["accuracy"], entry["calls_mean"], entry["seconds"]) == (0.5, 2.5, 7.0)
    found = command(folder, monkeypatch)
    assert list(found) == list(CONTROLS)
    assert sorted(ran) == sorted(CONTROLS)


def test_a_control_that_fails_costs_no_other(reference, monkeypatch):
    folder, ran, failing = reference
    failing.add("observed_rewards")
    with pytest.raises(InputError, match="observed_rewards failed"):
        command(folder, monkeypatch)
    assert read_json(folder / "ablations.json", "the test").keys() == CONTROLS.keys() - failing
    failing.clear()
    ran.clear()
    assert command(folder, monkeypatch).keys() == CONTROLS.keys()
    assert ran == ["observed_rewards"]


def test_figures_of_another_reference_or_of_other_settings_are_dropped(reference, monkeypatch):
    folder, ran, _ = reference
    command(folder, monkeypatch)
    ran.clear()
    monkeypatch.setitem(CONTROLS, "no_outcomes", {"rlft": {"outcome_epochs": 0}})
    command(folder, monkeypatch, "--controls=no_outcomes,shuffled_rewards")
    assert ran == ["no_outcomes"]
    (folder / "dpo" / "adapter_model.safetensors").write_text("trained again")
    with pytest.raises(InputError, match="is not of the adapters and trajectories"):
        command(folder, monkeypatch)
    write_metrics(folder, read_json(folder / "metrics.json", "the test")["run"]["settings"]["rlft"])
    ran.clear()
    assert command(folder, monkeypatch, "--controls=shuffled_rewards").keys() == {"shuffled_rewards"}
    assert ran == ["shuffled_rewards"]


def test_other_scenarios_and_other_names_are_refused(reference, monkeypatch):
    folder, _, _ = reference
    with pytest.raises(InputError, match="there is no 'shufled'"):
        command(folder, monkeypatch, "--controls=shufled")
    write_answers(folder, "YES", "YES")
    with pytest.raises(InputError, match="other scenarios"):
        command(folder, monkeypatch, "--controls=no_outcomes")


def test_the_report_shows_the_controls_of_its_own_run_only(reference, monkeypatch):
    folder, _, _ = reference
    entries = command(folder, monkeypatch)
    m = read_json(folder / "metrics.json", "the test") | {"task": {"name": "meeting"}}
    add_other_records(m, folder)
    assert m["ablations"] == of_this_run(entries, m) == entries
    text = " ".join(controls_section(m["ablations"]).split())
    assert text.count("- ") >= len(CONTROLS)
    assert "| DPO on shuffled rewards | `ranking=shuffled` | 50.0% (20.0% to 80.0%) | 2.50 | -25.0 points" in text
    assert "`sft: learning_rate=5e-05, loraplus_ratio=1.0, use_rslora=False; rlft: learning_rate=5e-06" in text
    m |= {"ceilings": {}, "attainable": {}, "baselines": {}, "phases": {}}
    rows = [line.split(" | ")[0] for line in ladder_table(m).splitlines()[2:]]
    assert rows == ["| fine-tuning on chosen sides", "| DPO on shuffled rewards", "| plain LoRA at the brief's rates"]
    m["run"]["eval_seed"], m["phases"] = 10, {"dpo": {"n": 4}}
    add_other_records(m, folder)
    assert "ablations" not in m


# ----------------------------------------------------------------------------- end to end


def test_a_control_runs_from_the_committed_adapter_and_trajectories(tmp_path, monkeypatch):
    small = {"max_steps": 1, "max_pairs": 20, "per_device_train_batch_size": 2, "num_eval_scenarios": 6}
    places = {
        "pairs_path": tmp_path / "pairs.json",
        "adapter_path": tmp_path / "dpo",
        "results_dir": tmp_path / "results",
    }
    run_all([phase_command("rlft", small | places)], tmp_path / "log", 1, "the reference")
    monkeypatch.setitem(CONTROLS, "no_made_up_claims", {"rlft": {"dialogue_share": 0.0}})
    metrics = tmp_path / "results" / "metrics.json"
    found = command(tmp_path, monkeypatch, f"--metrics={metrics}", "--controls=no_made_up_claims", "--jobs=1")
    entry = found["no_made_up_claims"]
    log = read_json(tmp_path / "scratch" / "no_made_up_claims" / "dpo" / "training_log.json", "the control")
    known = read_json(tmp_path / "dpo" / "training_log.json", "the reference")
    changed = {k for k, v in log["settings"].items() if v != known["settings"][k]}
    assert changed == {"dialogue_share", "pairs_path", "adapter_path", "results_dir"}
    reference = read_json(metrics, "the reference")["phases"]["dpo"]["accuracy"]
    assert entry["delta_vs_dpo"]["delta"] == pytest.approx(entry["accuracy"] - reference)
