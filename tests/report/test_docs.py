"""What README and docs tell a reader to type works: flags are known, files are there, and each command runs.

A command in inline code or in a code block without a language runs here. One in a `text` block needs files of the
reader's: it is only parsed.
"""

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
from meeting_agent.evaluation.ablations import CONTROLS

PAGES = [Path("README.md"), Path("CONTRIBUTING.md"), *sorted(Path("docs").rglob("*.md"))]
STARTS = ("python ", ".venv/bin/", "make ", "accelerate launch ", "vllm serve ")
# Commands of other projects, which test_served.py tries: vLLM's only where it is installed.
OF_OTHERS = ("vllm serve", ".venv/bin/transformers serve", ".venv/bin/pip install")

ELSEWHERE = {
    "make run": ".ci/run",
    "make test": ".ci/run",
    "make check": ".ci/run",
    "make ablations": "test_ablations.py",
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
    "rlft": "max_steps: 1\nmax_pairs: 20\nper_device_train_batch_size: 2\nnum_eval_scenarios: 12",
}


# What a command in a `text` block parses like, where its file is the reader's own.
PARSED_AS = {"my_conference": "starter_agentic_rlft"}


def fences(text):
    """(language, code) of every fenced block, and the text without them."""
    blocks, outside, block = [], [], None
    for line in text.splitlines():
        if match := re.match(r" *```(\w*) *$", line):
            if block is None:
                block = (match[1], [])
            else:
                blocks.append((block[0], block[1]))
                block = None
        elif block is None:
            outside.append(line)
        else:
            block[1].append(line)
    assert block is None, "a code block has no end"
    return blocks, "\n".join(outside)


def commands(language=""):
    """Every command in code blocks of a language; with those in inline code where it has none."""
    for page in PAGES:
        blocks, outside = fences(page.read_text(encoding="utf-8"))
        found = [line.partition("#")[0] for name, code in blocks if name == language for line in code]
        found += re.findall(r"`([^`]+)`", outside) if not language else []
        for command in (" ".join(line.split()) for line in found):
            if command.startswith(STARTS) and len(command.split()) > 1 and "…" not in command:
                yield command


COMMANDS = sorted(set(commands()))


def settings_of(module):
    return next(
        v
        for v in vars(module).values()
        if is_dataclass(v) and v.__module__ == module.__name__ and v.__name__.endswith("Config")
    )


@pytest.mark.parametrize("command", sorted({*COMMANDS, *commands("text")}))
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
    parse_settings(settings_of(importlib.import_module(PARSED_AS.get(name, name))), "", flags)
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
        "meeting_agent.evaluation.ablations",
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
        "--no-deps",
    }
    for page in PAGES:
        for flag in re.findall(r"--[a-z][a-z0-9_-]*", page.read_text(encoding="utf-8")):
            assert flag in known | of_others | {"--config", "--concurrent_agents"}, f"{page}: {flag}"


def slugs(page):
    """The anchors that GitHub gives to the headings of a page; equal ones are numbered."""
    _, outside = fences(page.read_text(encoding="utf-8"))
    found = []
    for heading in re.findall(r"^#+ (.+)$", outside, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.append(slug + (f"-{found.count(slug)}" if slug in found else ""))
    return found


def test_links_lead_somewhere():
    found = 0
    for page in PAGES:
        _, outside = fences(page.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)]+)\)", outside):
            path, _, anchor = target.partition("#")
            place = page.parent / path if path else page
            if target.startswith("https://"):
                continue
            found += 1
            assert place.exists(), f"{page}: {target}"
            assert not anchor or anchor in slugs(place), f"{page}: {target}"
    assert found > 40


def test_every_page_is_linked_from_the_readme_or_from_a_page_that_is():
    linked, new = set(), [Path("README.md")]
    while new:
        page = new.pop()
        linked.add(page.resolve())
        for target in re.findall(r"\]\(([^)#]+\.md)", page.read_text(encoding="utf-8")):
            place = page.parent / target
            if place.exists() and place.resolve() not in linked:
                new.append(place)
    assert [page for page in PAGES if page.resolve() not in linked] == []


def test_the_readme_is_read_in_five_minutes():
    """At most 1,000 words outside code, tables and what is generated."""
    text = Path("README.md").read_text(encoding="utf-8")
    text = re.sub(r"<!-- \w+: generated .*?<!-- end of \w+ -->", "", text, flags=re.DOTALL)
    _, outside = fences(text)
    prose = [line for line in outside.splitlines() if not line.lstrip().startswith(("|", "<!--", "!["))]
    words = re.sub(r"\]\([^)]*\)|`[^`]+`", " ", "\n".join(prose)).split()
    assert 300 < len(words) <= 1000


def test_the_readmes_tree_names_what_is_there():
    blocks, _ = fences(Path("README.md").read_text(encoding="utf-8"))
    (tree,) = [code for _, code in blocks if "meeting_agent/" in code]
    names = [(line[: line.index("  ", 2)] if "  " in line[2:] else line) for line in tree]
    paths, folder = [], ""
    for name in names:
        folder = name.strip() if name.strip() == "meeting_agent/" else folder if name.startswith(" ") else ""
        paths += [folder + part.strip() for part in name.split(",")] if name.strip() != folder else [folder]
    assert [path for path in paths if not Path(path).exists()] == []
    rooms = {p.name for p in Path("meeting_agent").iterdir() if (p / "__init__.py").exists()} | {"conference.py"}
    assert {path.removeprefix("meeting_agent/").rstrip("/") for path in paths if path.count("/") > 1} | {
        "conference.py"
    } == rooms


def test_no_page_names_a_place_on_the_authors_machine():
    for page in PAGES:
        places = re.findall(r"(?<![\w.])/(?:home|root|tmp|work|mnt|opt|usr|var|Users)/\S*", page.read_text("utf-8"))
        assert not places, f"{page}: {places}"


def test_the_way_of_one_meeting_names_each_file_once():
    text = Path("docs/architecture.md").read_text(encoding="utf-8")
    steps = re.findall(r"^(\d+)\. (.+)$", text.partition("## The way of one meeting")[2], re.MULTILINE)
    assert [int(number) for number, _ in steps] == list(range(1, len(steps) + 1))
    files = []
    for _, step in steps:
        (file,) = re.findall(r"`([\w/]+\.py)`", step)
        files.append(file)
    assert len(files) > 20
    assert sorted(set(files)) == sorted(files)
    assert [file for file in files if not Path(file).exists()] == []
    assert files[0].endswith("simulator.py")
    assert files[-1].startswith("meeting_agent/report/")


def test_the_table_of_imports_is_the_one_that_is_tested():
    from tests.test_architecture import ALLOWED, APPLICATIONS

    text = Path("docs/architecture.md").read_text(encoding="utf-8").partition("## The rules")[2]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) ?\|$", text, re.MULTILINE)
    shared = ALLOWED.keys() - APPLICATIONS.keys()
    table = {
        room: set(shared) if allowed == "all rooms above `scheduling`" else set(re.findall(r"`(\w+)`", allowed))
        for room, allowed in rows
    }
    assert table == {room: set(allowed) for room, allowed in ALLOWED.items()}


def test_experiments_are_told_in_one_form_and_newest_first():
    _, knobs, *entries = re.split(r"^## ", Path("docs/experiments.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(re.findall("controls? (.*) \\|", knobs)))) == CONTROLS.keys()
    assert len(entries) > 15
    for entry in entries:
        assert re.findall(r"^- \*\*(\w+):\*\*", entry, re.MULTILINE) == ["Hypothesis", "Run", "Result", "Verdict"], (
            entry
        )
    dates = [entry[:10] for entry in entries]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", date) for date in dates)
    assert dates == sorted(dates, reverse=True)


def test_the_schedule_of_the_docs(tmp_path):
    """As written, but for fewer candidates and another place."""
    text = Path("docs/organiser.md").read_text(encoding="utf-8")
    command = re.search(r"^\.venv/bin/python (-m meeting_agent\.scheduling\.schedule .*)$", text, re.MULTILINE)[1]
    line = [sys.executable, *shlex.split(command), "--candidates", "1", "--output", str(tmp_path / "schedule.csv")]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    meetings = int(re.search(r"^(\d+) meetings, ", done.stdout, re.MULTILINE)[1])
    assert 20 < meetings <= 30
    assert (tmp_path / "schedule.csv").read_text().count("\n") == 1 + meetings
    assert (tmp_path / "schedule.ics").read_text().count("BEGIN:VEVENT") == meetings
