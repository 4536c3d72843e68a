"""Phases 2 and 3 on one's own attendees and meetings, end to end in small."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from meeting_agent.evaluation.held_out import HeldOut, warn_if_unreadable
from meeting_agent.world.past_meetings import read_own_meetings

OWN = ("--attendees=data/sample_attendees.csv", "--meetings=data/sample_meetings.csv")


def run(*arguments):
    line = [sys.executable, *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    flags = ("--num_scenarios=24", f"--traces_path={folder / 'traces.json'}")
    done = run("starter_agentic_traces.py", *OWN, *flags)
    assert done.returncode == 0, done.stderr
    return folder


def rlft(folder, *more):
    return run(
        *(
            "starter_agentic_rlft.py",
            f"--traces_path={folder / 'traces.json'}",
            f"--pairs_path={folder / 'pairs.json'}",
        ),
        *(f"--adapter_path={folder / 'dpo'}", f"--results_dir={folder / 'results'}"),
        *("--max_steps=2", "--per_device_train_batch_size=2", "--num_eval_scenarios=12", *more),
    )


def test_evaluated_on_attendees_that_no_trajectory_holds(folder):
    done = rlft(folder, *OWN)
    assert done.returncode == 0, done.stderr
    own = read_own_meetings("data/sample_attendees.csv", "data/sample_meetings.csv")
    traces = json.loads((folder / "traces.json").read_text())
    assert len(traces) == 96
    assert {t["scenario_id"] for t in traces} == {m.scenario_id for m in own.played[:24]}
    for m in own.held_out:
        for person in (m.person_a, m.person_b):
            assert not any(f"{person.name}." in t["initial_user_prompt"] for t in traces)
    metrics = json.loads((folder / "results" / "metrics.json").read_text())
    assert set(metrics["ceilings"]) == {"majority"}
    assert metrics["attainable"] == {}
    assert "boosting_visible" not in metrics["baselines"]
    assert metrics["phases"]["dpo"]["n"] == 12
    report = (folder / "results" / "evaluation_report.md").read_text()
    assert "12 meetings of `data/sample_meetings.csv`" in report
    assert "attainable gain" not in report


def test_other_meetings_than_those_of_phase_2_are_refused(folder, tmp_path):
    """They would be divided otherwise, and some of the evaluation's people might have been trained on."""
    other = tmp_path / "meetings.csv"
    text = Path("data/sample_meetings.csv").read_text(encoding="utf-8")
    other.write_text(text.rstrip("\n").rpartition("\n")[0], encoding="utf-8")
    done = rlft(folder, OWN[0], f"--meetings={other}")
    assert done.returncode == 2
    assert "was played with other attendees or meetings" in done.stderr


def test_agents_of_whom_nothing_can_be_read_are_told_of(capsys):
    def answers(*probabilities):
        return HeldOut([], {"dpo": probabilities}, [], {"dpo": []}, {})

    warn_if_unreadable(answers(None, 0.5), "mine.csv")
    assert capsys.readouterr().out == ""
    warn_if_unreadable(answers(None, None, None), "mine.csv")
    assert "warning: no answer of the agents on mine.csv can be read" in capsys.readouterr().out
