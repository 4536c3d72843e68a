"""The base model's corpus and the agents' tools cannot know whether a meeting succeeds."""

import ast
import random
from pathlib import Path

import pytest

from meeting_agent.base import corpus, dialogues
from meeting_agent.world import outcome, people, tools

SECRETS = {
    "CHEMISTRY_SD",
    "Facts",
    "Physics",
    "physics",
    "success_probability",
    "succeeded",
    "Meeting",
    "ConferenceSimulator",
}
PACKAGE = Path("meeting_agent")
KNOWING = {
    *("outcome", "simulator", "ceilings", "training_data", "samples", "past_meetings"),
    *("scenarios", "visible"),  # they put meetings into words and stated attributes, beside how each ends
    "counterfactuals",  # says what would have happened; no agent sees it
}
RECORDER = PACKAGE / "agent" / "rollouts.py"  # notes how a scenario ends once its agent has answered
WORLD = [path for path in sorted((PACKAGE / "world").glob("*.py")) if path.stem not in KNOWING]
ROOMS = ("base", "inference", "agent", "servers")
METHOD = [path for room in ROOMS for path in sorted((PACKAGE / room).glob("*.py")) if path != RECORDER]
BLIND = [*METHOD, *WORLD]


@pytest.mark.parametrize("path", BLIND, ids=str)
def test_source_names_nothing_of_the_outcome(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    names |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names}
            assert node.module.rpartition(".")[2] not in KNOWING
        if isinstance(node, ast.Import):
            assert all("meeting_agent" not in alias.name for alias in node.names), "import names, not the module"
    assert not names & SECRETS


@pytest.fixture
def without_outcomes(monkeypatch):
    def forbidden(*_args, **_kwargs):
        raise AssertionError("somebody asked for the outcome")

    monkeypatch.setattr(outcome, "physics", forbidden)
    for name in ("values", "effects", "logit", "probability"):
        monkeypatch.setattr(outcome.Physics, name, forbidden)


def test_corpus_is_written_without_outcomes(without_outcomes):
    rng = random.Random(0)
    assert all(corpus.sample_short(rng, 0.5) for _ in range(100))
    assert all(dialogues.dialogue_chat(rng) for _ in range(20))


def test_tools_answer_without_outcomes(without_outcomes):
    rng = random.Random(0)
    two = [people.random_person(rng, i, f"Person {i}") for i in range(2)]
    conference = tools.ConferenceTools({p.name: p for p in two}, lambda _: {"probability": 0.5, "reason": "energy"})
    for tool in conference.functions:
        result = tool("Person 0", "Person 1", "Day1 Morning")
        assert result.keys() >= set(tools.RATINGS[tool.__name__])
        assert 0.0 <= tools.naive_score(tool.__name__, result) <= 1.0


def test_dialogues_draw_tool_results_that_ignore_the_people():
    """The same results whatever the people: with the pair redrawn and the rest of the stream equal, nothing changes."""
    results = [dialogues.random_result(random.Random(5), tool.__name__) for tool in tools.TOOLS]
    assert results == [dialogues.random_result(random.Random(5), tool.__name__) for tool in tools.TOOLS]
    assert "pair" not in dialogues.random_result.__code__.co_varnames
