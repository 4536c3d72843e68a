"""The four tools: facts with a little noise, and errors an agent can act on."""

import json
import random

import pytest

from data_classes import TimeSlot
from meeting_agent.agent.tool_calls import ToolError, render_result
from meeting_agent.world.energy import energy_at
from meeting_agent.world.people import random_person
from meeting_agent.world.tools import (
    MAIN_SCORES,
    READING_NOISE_SD,
    ConferenceTools,
    noisy_energy,
    tool_schemas,
)


@pytest.fixture
def tools():
    rng = random.Random(1)
    people = [random_person(rng, i, name) for i, name in enumerate(("Ada Berg", "Kofi Osei"))]
    return ConferenceTools({p.name: p for p in people}, lambda _: {"probability": 0.613, "reason": "energy"}).functions


def test_asking_twice_tells_nothing_new(tools):
    for tool in tools:
        assert tool("Ada Berg", "Kofi Osei", "Day1 Morning") == tool("Ada Berg", "Kofi Osei", "Day1 Morning")


def test_scores_lie_between_zero_and_one(tools):
    for tool in tools:
        for slot in TimeSlot:
            assert 0.0 <= tool("Ada Berg", "Kofi Osei", slot.label)[MAIN_SCORES[tool.__name__]] <= 1.0


def test_energy_is_read_with_the_stated_noise():
    rng = random.Random(2)
    errors = []
    for i in range(3000):
        person = random_person(rng, i, str(i))
        true = energy_at(person, TimeSlot.DAY2_EVENING)
        if 0.2 < true < 0.8:  # away from the ends, where readings are clipped
            errors.append(noisy_energy(person, TimeSlot.DAY2_EVENING) - true)
    spread = (sum(e * e for e in errors) / len(errors)) ** 0.5
    assert spread == pytest.approx(READING_NOISE_SD, rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Nobody", "Kofi Osei", "Day1 Morning"), "unknown attendee 'Nobody'"),
        (("Ada Berg", "Ada Berg", "Day1 Morning"), "same attendee"),
        (("Ada Berg", "Kofi Osei", "tomorrow"), "unknown time_slot 'tomorrow'"),
    ],
)
def test_wrong_arguments_are_named(tools, arguments, message):
    for tool in tools:
        with pytest.raises(ToolError, match=message):
            tool(*arguments)


def test_schemas_name_every_argument():
    for schema in tool_schemas():
        assert list(schema["function"]["parameters"]["properties"]) == ["person_a", "person_b", "time_slot"]


def test_fractions_are_rendered_with_two_decimals():
    assert json.loads(render_result({"a": 0.5, "b": [], "c": 1})) == {"a": 0.5, "b": [], "c": 1}
    assert render_result({"a": 0.5}) == '{"a": 0.50}'
    assert render_result({"shared_interests": ["żeglarstwo"]}) == '{"shared_interests": ["żeglarstwo"]}'
