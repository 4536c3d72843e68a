"""Tools of one's own may return and raise anything: the agent gets a result or an error that it can read."""

import json
import random
from collections import deque, namedtuple
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meeting_agent.agent.tool_calls import ToolError, answer_call, checked_arguments, failed_tool, render_result
from meeting_agent.common.stopping import RunStopped
from meeting_agent.common.strict_json import one_line, strict, whole_characters


def answered(tool, arguments="{}") -> str:
    call = {"function": {"name": "my_tool", "arguments": arguments}}
    text = answer_call({"my_tool": tool}, call)
    json.loads(text, parse_constant=pytest.fail)
    text.encode()
    return text


@dataclass
class Room:
    name: str
    seats: np.ndarray


class Colour(Enum):
    RED = "red"


Point = namedtuple("Point", "x y")
ROUND = []
ROUND.append(ROUND)


@pytest.mark.parametrize(
    ("returned", "read"),
    [
        ({"score": np.float32(0.5), "n": np.int64(3), "is": np.bool_(True)}, {"score": 0.5, "n": 3, "is": True}),
        ({"nan": float("nan"), "inf": -np.inf}, {"nan": None, "inf": None}),
        (Room("A", np.arange(2)), {"name": "A", "seats": [0, 1]}),
        (
            {"at": datetime(2026, 1, 2, tzinfo=UTC), "on": date(2026, 1, 2)},
            {"at": "2026-01-02T00:00:00+00:00", "on": "2026-01-02"},
        ),
        ({"b", "a", "c"}, ["a", "b", "c"]),
        ([Colour.RED, Decimal("0.5"), Path("x"), Point(1, 2), deque([1])], ["red", 0.5, "x", [1, 2], [1]]),
        ({np.int64(1): 1, (1, 2): 2, None: 3}, {"1": 1, "[1, 2]": 2, "null": 3}),
        ("half \ud83d", "half �"),
        (None, None),
    ],
)
def test_what_a_tool_returns_is_shown_as_strict_json(returned, read):
    assert json.loads(answered(lambda: returned)) == read


@pytest.mark.parametrize(
    ("returned", "kind"),
    [
        (ROUND, "ValueError"),
        (object(), "TypeError"),
        (b"x", "TypeError"),
        (iter([1]), "TypeError"),
        ([10**5000], "ValueError"),
        (10**400, "ValueError"),
    ],
)
def test_what_is_no_json_is_an_error_of_the_tool(returned, kind):
    text = answered(lambda: returned)
    assert json.loads(text)["error"].startswith(f"tool my_tool failed: {kind}: ")


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError


class Own(BaseException):
    pass


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (KeyError("x"), "KeyError: 'x'"),
        (ValueError("two\nlines"), "ValueError: two lines"),
        (RecursionError(), "RecursionError: "),
        (SystemExit(3), "SystemExit: 3"),
        (Unspeakable(), "Unspeakable: "),
        (Own("\ud83d"), "Own: "),
    ],
)
def test_what_a_tool_raises_is_an_error_that_is_counted(raised, words):
    def my_tool():
        raise raised

    text = answered(my_tool)
    assert json.loads(text) == {"error": f"tool my_tool failed: {words}"}
    assert failed_tool({"role": "tool", "content": text}) == ("my_tool", words)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RunStopped])
def test_a_stop_comes_through_a_tool(stop):
    def my_tool():
        raise stop

    with pytest.raises(stop):
        answered(my_tool)


def test_wrong_calls_are_no_failures_of_the_tool():
    def my_tool(name: str):
        raise ToolError("unknown attendee")

    for arguments in ('{"name": 1}', '{"name": ["x"]}', "{}", "[]", "{not json", "[" * 5000, '{"name": "x"}'):
        text = answered(my_tool, arguments)
        assert "error" in json.loads(text)
        assert failed_tool({"role": "tool", "content": text}) is None
    assert "unknown tool 'rm'" in answer_call({}, {"function": {"name": "rm", "arguments": "{}"}})


def test_messages_without_a_failed_tool_tell_of_none():
    for content in (
        "",
        "tool x failed: no JSON",
        '["tool x failed: y"]',
        '{"error": ["tool x failed: y"]}',
        '{"error": "a failed: b"}',
    ):
        assert failed_tool({"role": "tool", "content": content}) is None
        assert failed_tool({"role": "assistant", "content": content}) is None


def test_hints_of_all_kinds_are_checked():
    def my_tool(n: int | None, words: list[str], how: Literal["fast", "slow"], more: dict, any_thing=None):
        return {}

    good = {"n": 5, "words": ["a"], "how": "fast", "more": {}}
    for change in ({}, {"n": None}, {"words": []}, {"any_thing": [{}]}):
        assert checked_arguments(my_tool, good | change) == good | change
    for change in (
        {"n": "5"},
        {"n": True},
        {"words": "a"},
        {"words": [1]},
        {"how": "now"},
        {"how": ["fast"]},
        {"more": []},
    ):
        with pytest.raises(ToolError, match="n as a whole number or null, words as a list, how as 'fast' or 'slow'"):
            checked_arguments(my_tool, good | change)
    with pytest.raises(ToolError, match="takes no arguments"):
        checked_arguments(lambda: {}, {"x": 1})


def test_results_that_are_strict_already_are_written_as_they_are():
    rng = random.Random(0)
    for _ in range(300):
        result = {
            "score": round(rng.random(), rng.randint(0, 3)),
            "words": rng.choice([[], ["a", "ü"], ["v1.2, or so"]]),
            "n": rng.randint(-5, 10**20),
            "more": {"x": rng.random(), 2: None, True: False},
        }
        assert strict(result) == result
        assert render_result(result) == json.dumps(result, ensure_ascii=False)


@given(st.text(st.characters()) | st.lists(st.sampled_from(["\ud83d", "\ude00", "a", "é"])).map("".join))
def test_text_is_made_fit_for_utf8(text):
    whole = whole_characters(text)
    assert whole == whole.encode().decode()
    assert whole_characters(whole) == whole
    assert "\n" not in one_line(text, 10)
    assert len(one_line(text, 10)) <= 10


def test_equal_sets_give_equal_text():
    sets = [set(random.Random(seed).sample(range(100), 100)) for seed in range(3)]
    assert len({render_result({str(v) for v in s}) for s in sets}) == 1
