"""What sets of tools have earned."""

import pytest

from meeting_agent.agent.summary import summarize
from meeting_agent.training.advantages import tool_advantages
from tests.records import rollout


def test_advantages_are_of_the_tools_not_of_easy_prompts():
    easy = [rollout(f"easy-{i}", reward=1.0, tools_used=["a"]) for i in range(30)]
    hard = [rollout(f"hard-{i}", reward=1.0 if i < 8 else 0.1, tools_used=["b"] if i < 8 else ["a"]) for i in range(10)]
    worth = tool_advantages([[summarize(one) for one in group] for group in (easy, hard)])
    # Of b eight rollouts, each 0.9 * 2 / 9 above the others of its prompt; of a thirty at 0 and two of -0.9; prior 10.
    assert worth[frozenset("b")] == pytest.approx(8 * 0.2 / 18)
    assert worth[frozenset("a")] == pytest.approx(2 * -0.8 / 42)
