"""What README and docs tell a reader to type works: flags are known, files are there, and each command runs."""

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import is_dataclass
from pathlib import Path

import pytest

from meeting_agent.common.settings import parse_settings

PAGES = [Path("README.md"), *sorted(Path("docs").glob("*.md"))]
STARTS = ("python ", ".venv/bin/", "make ", "accelerate launch ", "vllm serve ")
# Commands of other projects, which test_served.py tries: vLLM's only where it is installed.
OF_OTHERS = ("vllm serve", ".venv/bin/transformers serve")

ELSEWHERE = {
    "make run": ".ci/run",
    "make test": ".ci/run",
    "--api_url": "test_served.py",
    "meeting_agent.scheduling.schedule": "test_the_schedule_of_the_docs",
}

# Flags that make a command short, by its program or target; the last of two equal flags counts.
SHORT = {
    "starter_sft.py": "--max_train_rows 40 --num_train_epochs 1 --rehearsal_share 0",
    "starter_agentic_traces.py": "--num_scenarios 6 --samples_per_scenario 1",
    "starter_agentic_rlft.py": "--max_steps 1 --per_device_train_batch_size 2 --max_pairs 20 --num_eval_scenarios 6",
    "meeting_agent.scheduling.ask": "",
    "meeting_agent.world.samples": "",
    "meeting_agent.report.page": "",
    "bad_input": "--cases 3",
    "base": "--million_tokens 0.004 --held_out_chats 2",
    "bench": "--quick --parts inference",
    "chaos": "--kills 1 --phases sft",
    "export": "",
    "fuzz": "--strings 100 --jobs 1",
    "injection": "--scenarios 2",
    "memory": "--num_hidden_layers 1 --vocab_size 4000",
    "replicate": "--seeds 1 --recipe short",
    "soak": "--scenarios 8",
}
SHORT_RECIPE = {
    "sft": "max_train_rows: 40\nnum_train_epochs: 1",
    "traces": "num_scenarios: 16",
    "rlft": "max_steps: 1\nmost_pairs: 20\nper_device_train_batch_size: 2\nnum_eval_scenarios: 12",
}


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


def runnable():
    """Each command once, in whichever way it is written, but for those that other tests run."""
    plain = {command.removeprefix(".venv/bin/") for command in COMMANDS if not command.startswith(OF_OTHERS)}
    return sorted(c for c in plain if not any(known in c for known in ELSEWHERE))


def short(command):
    words = shlex.split(command)
    if words[0] == "make":
        return [*words, f"ARGS={SHORT[words[1]]}"]
    program = next(word for word in words if word in SHORT)
    return [*words, *shlex.split(SHORT[program])]


@pytest.fixture
def checkout(tmp_path):
    """A copy of this checkout with the same packages, for a reader who types into it."""
    folder = tmp_path / "checkout"
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True).stdout
    for name in listed.rstrip("\0").split("\0"):
        if Path(name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, folder / name)
    (folder / ".venv").symlink_to(Path(".venv").resolve())
    (folder / "short").mkdir()
    for phase, settings in SHORT_RECIPE.items():
        (folder / "short" / f"{phase}.yaml").write_text(settings)
    shutil.copy("data/sft_training_data.csv", folder / "mine.csv")
    return folder


@pytest.mark.parametrize("command", runnable(), ids=str)
def test_a_command_in_the_docs_runs(command, checkout):
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(short(command), cwd=checkout, capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


# Defaults that make the whole pipeline short, by script: `make run` takes no flags.
SHORT_DEFAULTS = {
    "starter_sft.py": {"max_train_rows": 40, "num_train_epochs": 1},
    "starter_agentic_traces.py": {"num_scenarios": 16},
    "starter_agentic_rlft.py": {
        "max_steps": 1,
        "per_device_train_batch_size": 2,
        "max_pairs": 20,
        "num_eval_scenarios": 6,
    },
}


def test_the_whole_pipeline_runs_in_one_process(checkout):
    for script, defaults in SHORT_DEFAULTS.items():
        code = (checkout / script).read_text()
        for name, value in defaults.items():
            code, found = re.subn(rf"(    {name}: int = setting\(\s*)\d+,", rf"\g<1>{value},", code)
            assert found == 1, name
        (checkout / script).write_text(code)
    before = (checkout / "results/metrics.json").read_bytes()
    done = subprocess.run(["make", "run", "PROCESSES=1"], cwd=checkout, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert "accelerate" not in done.stdout
    assert (checkout / "results/metrics.json").read_bytes() != before


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
        "meeting_agent.scheduling.schedule",
        "meeting_agent.scheduling.ask",
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
