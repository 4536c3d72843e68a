"""What README and docs tell a reader to type works: targets exist, flags are known, files are there."""

import importlib
import re
import shlex
import subprocess
import sys
from dataclasses import is_dataclass
from pathlib import Path

import pytest

from meeting_agent.settings import parse_settings

PAGES = [Path("README.md"), *sorted(Path("docs").glob("*.md"))]
STARTS = ("python ", ".venv/bin/", "make ", "accelerate launch ", "vllm serve ")
# Commands of other projects, and who tries them: `transformers serve` in test_served.py, vLLM nowhere, as README says.
OF_OTHERS = ("vllm serve", ".venv/bin/transformers serve")


def commands():
    """Every command in inline code and code blocks."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        lines = [line.partition("#")[0] for block in blocks for line in block.splitlines()]
        inline = re.findall(r"`([^`]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL))
        for found in [*lines, *inline]:
            command = " ".join(found.split())
            if command.startswith(STARTS) and len(command.split()) > 1 and "…" not in command:
                yield command


COMMANDS = sorted(set(commands()))


def settings_of(module):
    return next(
        v
        for v in vars(module).values()
        if is_dataclass(v) and v.__module__ == module.__name__ and v.__name__.endswith("Config")
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_in_the_docs_is_one_that_its_program_takes(command):
    if command.startswith(OF_OTHERS):
        return
    words = shlex.split(command)
    if words[0] == "make":
        dry = subprocess.run(["make", "--dry-run", *words[1:]], capture_output=True, text=True)
        assert dry.returncode == 0, dry.stderr
        return
    script = next(i for i, word in enumerate(words) if word == "-m" or word.endswith(".py"))
    name = words[script + 1] if words[script] == "-m" else words[script].removesuffix(".py")
    flags = words[script + 2 if words[script] == "-m" else script + 1 :]
    parse_settings(settings_of(importlib.import_module(name)), "", flags)
    for word in flags:
        if word.startswith(("data/", "recipes/")):
            assert Path(word).exists()


def test_there_are_commands_to_try():
    assert len(COMMANDS) > 20


def test_symptoms_are_named_by_words_that_the_program_prints():
    code = "".join(p.read_text(encoding="utf-8") for p in [*Path().glob("*.py"), *Path("meeting_agent").rglob("*.py")])
    table = Path("docs/learner.md").read_text(encoding="utf-8").partition("## When something goes wrong")[2]
    known = code + "out of memory"  # what PyTorch or the system says
    symptoms = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")][2:]
    words = [word for symptom in symptoms for word in re.findall(r"`([^`]+)`", symptom)]
    assert len(words) > 8
    for word in words:
        assert word in known, word


def test_flags_in_the_docs_exist():
    phases = (
        "starter_sft",
        "starter_agentic_traces",
        "starter_agentic_rlft",
        "meeting_agent.schedule",
        "meeting_agent.ask",
    )
    known = {
        f"--{name}" for phase in phases for name in settings_of(importlib.import_module(phase)).__dataclass_fields__
    }
    of_others = {
        "--multi_gpu",
        "--num_processes",
        "--enable-auto-tool-choice",
        "--tool-call-parser",
        "--port",
        "--help",
    }
    for page in PAGES:
        for flag in re.findall(r"--[a-z][a-z0-9_-]*", page.read_text(encoding="utf-8")):
            assert flag in known | of_others | {"--config", "--concurrent_agents"}, f"{page}: {flag}"


def test_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page}: {target}"


def test_the_schedule_of_the_docs(tmp_path):
    """As written, but for fewer candidates and another place."""
    text = Path("docs/organiser.md").read_text(encoding="utf-8")
    command = re.search(r"^\.venv/bin/python (-m meeting_agent\.schedule .*)$", text, re.MULTILINE)[1]
    line = [sys.executable, *shlex.split(command), "--candidates", "1", "--output", str(tmp_path / "schedule.csv")]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    meetings = int(re.search(r"^(\d+) meetings, ", done.stdout, re.MULTILINE)[1])
    assert 20 < meetings <= 30
    assert (tmp_path / "schedule.csv").read_text().count("\n") == 1 + meetings
    assert (tmp_path / "schedule.ics").read_text().count("BEGIN:VEVENT") == meetings
