"""The README's examples of one's own tool and reward do what it says, in the real loop."""

import json
import random
import re
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

from meeting_agent.agent.tool_calls import ToolError, checked_arguments
from meeting_agent.inference.engine import Completion
from meeting_agent.inference.loading import load_tokenizer
from meeting_agent.inference.provider import MODEL, PROVIDER, serve_engine
from meeting_agent.world import reward as rewards
from meeting_agent.world import tools
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.people import random_person
from meeting_agent.world.tools import ConferenceRecords, open_records
from starter_agentic_traces import AgentToolLoop


def example(place: str) -> str:
    """The README's code block that goes to the end of a file."""
    blocks = re.findall(r"^ *```python\n(.*?)^ *```", Path("README.md").read_text(encoding="utf-8"), re.S | re.M)
    (found,) = [textwrap.dedent(block) for block in blocks if f"# at the end of {place}" in block]
    return found


class ScriptedEngine:
    """Writes what it was told to, one answer after the other, and keeps what it was asked."""

    def __init__(self, answers):
        self.answers, self.prompts = list(answers), []
        self.tokenizer = load_tokenizer("models/base")
        self.prefix_cache = SimpleNamespace(clear=lambda: None)

    def generate(self, requests):
        self.prompts += [r.prompt for r in requests]
        return [Completion(self.answers.pop(0), 1, 1) for _ in requests]


@pytest.fixture
def own_tool():
    before = list(tools.TOOLS)
    exec(example("meeting_agent/world/tools.py"), dict(vars(tools)))
    yield tools.TOOLS[-1]
    tools.TOOLS[:] = before


def call(name, **arguments):
    return f"Next.<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def test_a_tool_of_ones_own_is_shown_called_and_checked(own_tool):
    assert len(example("meeting_agent/world/tools.py").splitlines()) < 15
    rng = random.Random(1)
    a, b = (random_person(rng, i, name) for i, name in enumerate(("Ada Berg", "Kofi Osei")))
    open_records(
        ConferenceRecords(
            {p.name: p for p in (a, b)}, PersonDescriptor(), lambda *_: {"probability": 0.5, "reason": ""}
        )
    )
    name = own_tool.__name__
    right = {"person_a": a.name, "person_b": b.name, "time_slot": "Day1 Morning"}
    closing = '{"probability": 0.70, "recommendation": "YES", "reasoning": "rested"}'
    engine = ScriptedEngine([call(name, **right | {"person_b": 7}), call(name, **right), closing])
    seen = []
    batcher, loop = serve_engine(engine), AgentToolLoop("balanced", MODEL, PROVIDER)
    (played,) = batcher.play([lambda: loop.run("Should they meet?", watch=seen.append)])
    assert f"{name}(person_a, person_b, time_slot): How many meetings both have had today" in engine.prompts[0]
    wrong, good = [json.loads(m["content"]) for m in played["messages"] if m["role"] == "tool"]
    assert wrong == {"error": f"{name} needs person_a, person_b and time_slot as text"}
    assert good == {"meetings_a": a.meetings_today, "meetings_b": b.meetings_today}
    assert played["tools_used"] == [name, name]
    assert played["completed_naturally"]
    assert seen == played["messages"][2:]


def test_rehearsals_go_on_with_a_tool_of_ones_own(own_tool):
    from meeting_agent.training.rows import rehearsal_rows

    assert len(rehearsal_rows(load_tokenizer("models/base"), 20, 1)) == 20


def test_arguments_are_checked_against_any_signature():
    def tool(name: str, minutes: int, share: float = 0.5, strict: bool = False) -> dict:
        return {}

    for arguments in ({"name": "a", "minutes": 5}, {"name": "a", "minutes": 5, "share": 1, "strict": True}):
        assert checked_arguments(tool, arguments) == arguments
    for arguments in (
        {"name": "a"},
        {"name": "a", "minutes": "5"},
        {"name": "a", "minutes": True},
        {"name": "a", "minutes": 5, "share": "high"},
        {"name": "a", "minutes": 5, "more": 1},
        ["a", 5],
        None,
    ):
        with pytest.raises(
            ToolError, match="tool needs name as text, minutes as a whole number, share as a number and"
        ):
            checked_arguments(tool, arguments)


@pytest.fixture
def own_reward():
    before = rewards.deductions
    exec(example("meeting_agent/world/reward.py"), vars(rewards))
    yield
    rewards.deductions = before
    del rewards.usual_deductions


def test_a_reward_of_ones_own_counts(own_reward):
    trace = {"final_recommendation_parsed": "YES", "completed_naturally": True, "ground_truth": 0.9}
    assert rewards.calculate_reward(trace | {"tools_used": ["a", "b"]}) == pytest.approx(0.96)
    assert rewards.calculate_reward(trace | {"tools_used": ["a", "b", "c"]}) == pytest.approx(0.94)
