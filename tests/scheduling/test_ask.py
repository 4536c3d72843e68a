"""A question asked live: the prediction first, then the agent's steps, and one line for what cannot be asked."""

import subprocess
import sys
import time

import pytest

from meeting_agent.scheduling.ask import AskConfig, look_up

SAMPLE = "--attendees=data/sample_attendees.csv"


def ask(*arguments):
    line = [sys.executable, "-m", "meeting_agent.scheduling.ask", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=300)


def test_two_attendees_are_looked_up_step_by_step(tmp_path):
    """With a name that the base does not know, and through a pipe."""
    people = tmp_path / "people.csv"
    with open("data/sample_attendees.csv", encoding="utf-8") as file:
        people.write_text(file.read().replace("Ayo Garcia", "Zoltán O'Szabó"), encoding="utf-8")
    asked = (f"--attendees={people}", "--person_a=Zoltán O'Szabó", "--person_b=Lara Larsen", "--time_slot=day2_morning")
    done = ask(*asked)
    assert done.returncode == 0, done.stderr
    assert "The agent knows Zoltán O'Szabó as" in done.stdout
    steps = [line.split()[0] for line in done.stdout.partition("SFT model: ")[2].splitlines()[1:] if line.strip()]
    assert steps[:3] == ["thought", "call", "result"]
    assert steps[-2:] == ["answer", "Recommendation:"]
    assert '"error"' not in done.stdout
    assert done.stdout.splitlines()[-1].split()[1] in ("YES", "NO")


def test_two_descriptions_get_the_prediction_and_are_told_what_the_agent_needs():
    done = ask("--person_a=A serial founder. Looks fresh.", "--person_b=A VC partner. Can invest.")
    assert done.returncode == 0, done.stderr
    assert "SFT model: " in done.stdout
    assert "give --attendees" in done.stdout


def test_help_is_quick():
    started = time.monotonic()
    assert "--time_slot" in ask("--help").stdout
    assert time.monotonic() - started < 2.0


def test_people_are_found_however_their_names_are_typed():
    config = AskConfig(person_a="AYO\u00a0garcia", person_b="lara larsen ", attendees="data/sample_attendees.csv")
    assert [person.name for person in look_up(config)] == ["Ayo Garcia", "Lara Larsen"]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--person_a=x"], "--person_b is empty"),
        (["--person_a=x\x1b[2J", "--person_b=y"], "without control characters"),
        (["--person_a=x", "--person_b=y", "--time_slot=noon"], "--time_slot is 'noon'"),
        (["--person_a=x", "--person_b=y", "--persona=rude"], "--persona is 'rude'"),
        ([SAMPLE, "--person_a=Nobody", "--person_b=Lara Larsen"], "--person_a is 'Nobody': give a name in"),
        ([SAMPLE, "--person_a=Lara Larsen", "--person_b=LARA LARSEN"], "both are 'Lara Larsen'"),
        (["--person_a=\u200b\u3164", "--person_b=y"], "--person_a is empty"),
        (["--person_a=x", "--person_b=y", "--sft_model_path=/none"], "run starter_sft.py first"),
    ],
)
def test_what_cannot_be_asked_is_one_line(flags, says):
    done = ask(*flags)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
