"""What `pip install` gets: every requirement is imported, every import is required, and the wheel is whole."""

from __future__ import annotations

import ast
import importlib
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
BY_OTHERS = {"bitsandbytes"}  # Transformers imports it for --use_4bit
OPTIONAL = {"wandb"}  # only where the user has installed it
TOOLS = {"pytest-xdist", "ruff", "mypy", "fastapi", "uvicorn", "setuptools"}  # started, not imported
SCRIPTS = ("starter_sft", "starter_agentic_traces", "starter_agentic_rlft")


def name_of(distribution: str) -> str:
    return distribution.lower().replace("_", "-")


def required(file: str) -> set[str]:
    lines = (PROJECT / file).read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith(("#", "-r"))]
    assert all(pin.count("==") == 1 for pin in pins)
    return {name_of(pin.partition("==")[0]) for pin in pins}


def imported(*files: Path) -> set[str]:
    """The distributions whose modules the files import, inside functions too."""
    modules = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    ours = {"data_classes", "meeting_agent", "tests", *SCRIPTS} | set(OPTIONAL)
    known = packages_distributions()
    return {name_of(known[m][0]) for m in modules - ours - set(sys.stdlib_module_names)}


def package_files() -> list[Path]:
    return [*PROJECT.glob("*.py"), *(PROJECT / "meeting_agent").rglob("*.py")]


def test_runtime_requirements_are_what_the_package_imports():
    assert required("requirements.txt") - BY_OTHERS == imported(*package_files())


def test_development_requirements_are_what_tests_and_checks_need_beside_them():
    tests = imported(*(PROJECT / "tests").rglob("*.py"))
    assert required("requirements-dev.txt") == (tests - required("requirements.txt")) | TOOLS
    assert "-r requirements.txt\n" in (PROJECT / "requirements-dev.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """Built from a copy of what packaging reads, since building writes beside its sources."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.txt", *(p.name for p in PROJECT.glob("*.py"))):
        shutil.copy2(PROJECT / name, folder)
    shutil.copytree(PROJECT / "meeting_agent", folder / "meeting_agent", ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "."]
    done = subprocess.run(build, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_every_module_and_every_file_that_modules_read(wheel):
    found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    sources = {p.relative_to(PROJECT).as_posix() for p in package_files()}
    parts = (PROJECT / "meeting_agent" / "report").rglob("*.*")
    read = {p.relative_to(PROJECT).as_posix() for p in parts if "__pycache__" not in p.parts}
    assert found == sources | read


def test_the_console_commands_are_the_scripts():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert len(project["scripts"]) == len(SCRIPTS)
    for target, script in zip(project["scripts"].values(), SCRIPTS, strict=True):
        module, _, function = target.partition(":")
        assert module == script
        assert callable(getattr(importlib.import_module(module), function))
