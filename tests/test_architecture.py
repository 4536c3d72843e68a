"""The rules of the house: which way imports point, and how long functions and files may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
SCRIPTS = ("starter_sft", "starter_agentic_traces", "starter_agentic_rlft")
# What each sub-package may import besides itself and `data_classes`. `conference` is the module that puts the domain
# together; it stands between the world and all that runs on it.
METHOD = {
    "common": set(),
    "tables": {"common"},
    "inference": {"common"},
    "servers": {"common", "inference"},
    "agent": {"common", "inference", "servers"},
    "training": {"common", "inference", "agent"},
    "evaluation": {"common", "inference", "agent", "training"},
    "report": {"common", "inference", "agent", "evaluation"},
}
DOMAIN = {
    "world": {"common", "tables", "inference", "agent"},
    "base": {"common", "inference", "agent", "world"},
    "conference": {"agent", "world", "base"},
}
EVERYTHING = METHOD.keys() | DOMAIN.keys()
APPLICATIONS = {
    "scheduling": {"common", "inference", "agent", "evaluation", "world", "conference"},
    "benchmarks": EVERYTHING,
    "reliability": EVERYTHING,
}
ALLOWED = METHOD | DOMAIN | APPLICATIONS
LONGEST_FUNCTION, LONGEST_FILE = 60, 400
SHORTEST_SCRIPT, LONGEST_SCRIPT = 150, 350


@cache
def modules() -> dict[str, Path]:
    """Every module of the project by its dotted name, tests left out."""
    files = [*PROJECT.glob("*.py"), *(PROJECT / "meeting_agent").rglob("*.py")]
    names = (".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__") for path in files)
    return dict(zip(names, files, strict=True))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(name: str) -> set[str]:
    """The modules of the project that a module imports anywhere, inside functions too."""
    found = set()
    for node in ast.walk(parsed(modules()[name])):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return (found & modules().keys()) - {name, "meeting_agent"}


def room(name: str) -> str:
    """The sub-package, or the single module, that a module belongs to."""
    parts = name.split(".")
    return parts[1] if parts[0] == "meeting_agent" and len(parts) > 1 else parts[0]


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or 0) - node.lineno + 1


def test_every_room_is_listed_and_exists():
    rooms = {room(name) for name in modules() if name.startswith("meeting_agent.")}
    assert rooms == ALLOWED.keys()


def test_the_lists_themselves_have_no_cycle():
    from graphlib import TopologicalSorter

    assert list(TopologicalSorter(ALLOWED).static_order())


@pytest.mark.parametrize("name", sorted(name for name in modules() if name.startswith("meeting_agent.")))
def test_a_room_imports_only_what_it_may(name):
    wrong = {
        target for target in imports(name) if room(target) not in ALLOWED[room(name)] | {room(name), "data_classes"}
    }
    assert not wrong


def test_the_shared_records_are_a_leaf():
    """`data_classes` names the course's other public classes for `__getattr__`, and imports nothing."""
    tree = parsed(PROJECT / "data_classes.py")
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert all(
        not (isinstance(node, ast.ImportFrom) and room(node.module or "") == "meeting_agent") for node in imported
    )
    names = {alias.name for node in imported for alias in node.names} | {
        n.module for n in imported if hasattr(n, "module")
    }
    assert not any(name and (name in modules() or name.startswith("meeting_agent")) for name in names)


def test_no_module_of_the_package_imports_a_script():
    assert not [name for name in modules() if name.startswith("meeting_agent") and imports(name) & set(SCRIPTS)]


def test_only_the_door_of_the_records_imports_by_name():
    """Nothing hides from this test: `data_classes.__getattr__` is the one place that imports what a string names."""
    by_name = [name for name, path in modules().items() if "import_module" in path.read_text(encoding="utf-8")]
    assert by_name == ["data_classes"]


def test_modules_import_each_other_in_no_circle():
    from graphlib import TopologicalSorter

    graph = {name: imports(name) - {"data_classes"} for name in modules() if name != "data_classes"}
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("name", sorted(modules()))
def test_functions_and_files_can_be_read_at_once(name):
    path = modules()[name]
    assert not [(function, lines) for function, lines in functions(path) if lines >= LONGEST_FUNCTION]
    assert len(path.read_text(encoding="utf-8").splitlines()) < LONGEST_FILE


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_a_phase_to_read_from_top_to_bottom(script):
    lines = len(modules()[script].read_text(encoding="utf-8").splitlines())
    assert SHORTEST_SCRIPT <= lines <= LONGEST_SCRIPT


def test_the_method_says_nothing_of_conferences():
    """No module of inference, agent, training or the statistics knows what meetings, slots or persons are."""
    words = ("TimeSlot", "PersonType", "Meeting(", "Person(", "time_slot", "person_a", "Conference")
    files = [path for name, path in modules().items() if room(name) in ("inference", "agent", "training", "servers")]
    files.append(PROJECT / "meeting_agent" / "evaluation" / "statistics.py")
    found = [(path.name, word) for path in files for word in words if word in path.read_text(encoding="utf-8")]
    assert not found


def test_tests_mirror_the_rooms():
    rooms = {path.name for path in (PROJECT / "meeting_agent").iterdir() if (path / "__init__.py").exists()}
    folders = {path.name for path in (PROJECT / "tests").iterdir() if path.is_dir() and any(path.glob("test_*.py"))}
    assert folders <= rooms
