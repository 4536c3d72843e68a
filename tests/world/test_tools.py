"""The four tools: facts with a little noise, and errors an agent can act on."""

import random
from dataclasses import replace

import numpy as np
import pytest

from data_classes import PersonType, TimeSlot
from meeting_agent.agent.tool_calls import ToolError, render_result
from meeting_agent.world.energy import energy_at
from meeting_agent.world.people import random_person
from meeting_agent.world.tools import (
    FOLLOW_UP_NOISE_SD,
    RATING_NOISE_SD,
    RATINGS,
    ConferenceTools,
    energy_rating,
    engagement_rating,
    follow_ups,
    naive_score,
    tool_schemas,
)

PREDICT, TOPICS, ENERGY, FOLLOW_UP = ConferenceTools.NAMES


@pytest.fixture
def tools():
    rng = random.Random(1)
    people = [random_person(rng, i, name) for i, name in enumerate(("Ada Berg", "Kofi Osei"))]
    return ConferenceTools({p.name: p for p in people}, lambda _: {"probability": 0.613, "reason": "energy"}).functions


def test_asking_twice_tells_nothing_new(tools):
    for tool in tools:
        assert tool("Ada Berg", "Kofi Osei", "Day1 Morning") == tool("Ada Berg", "Kofi Osei", "Day1 Morning")


def person(seed: int, **facts):
    return replace(random_person(random.Random(seed), seed, f"Person {seed}"), **facts)


def asked(tool: str, *people, slot: TimeSlot = TimeSlot.DAY1_MORNING) -> dict:
    """What a tool says of the first two of these attendees."""
    conference = ConferenceTools({p.name: p for p in people}, lambda _: {"probability": 0.613, "reason": "energy"})
    return getattr(conference, tool)(people[0].name, people[1].name, slot.label)


def test_topics_are_what_both_share_and_how_rare_it_is():
    a = person(1, interests=("data", "fintech", "health"), seeking="funding", offering=("hiring", "customers"))
    b = person(2, interests=("data", "fintech", "gaming"), seeking="mentorship", offering=("funding", "hiring"))
    others = [person(i, interests=("data", "gaming", "robotics")) for i in range(3, 9)]
    assert asked(TOPICS, a, b, *others) == {
        "shared": ["data", "fintech"],
        "one_in": 4,  # two of eight people like fintech
        "seeks_a": "funding",
        "finds_a": "yes",
        "seeks_b": "mentorship",
        "finds_b": "no",
    }
    stranger = person(9, interests=("climate",), seeking="", offering=("mentorship",))
    met = asked(TOPICS, b, stranger)
    assert (met["shared"], met["one_in"]) == ([], 0)
    assert (met["seeks_b"], met["finds_b"], met["finds_a"]) == ("unknown", "unknown", "yes")


def test_meetings_so_far_and_steps_between_rungs_are_exact():
    a = person(1, meetings_today=2, person_type=PersonType.JUNIOR_ENGINEER)
    b = person(2, meetings_today=6, person_type=PersonType.VC_PARTNER)
    energy, follow_up = asked(ENERGY, a, b), asked(FOLLOW_UP, a, b)
    assert (energy["meetings_a"], energy["meetings_b"]) == (2, 6)
    assert follow_up["seniority_steps"] == abs(a.rung - b.rung) > 0
    assert asked(FOLLOW_UP, a, replace(a, name="Other"))["seniority_steps"] == 0


def test_ratings_have_one_decimal_and_counts_none():
    for i in range(300):
        a, b, slot = person(2 * i), person(2 * i + 1), list(TimeSlot)[i % 9]
        results = {tool: asked(tool, a, b, slot=slot) for tool in (ENERGY, FOLLOW_UP)}
        for tool, result in results.items():
            for field in RATINGS[tool]:
                assert 0.0 <= result[field] <= 9.9
                assert f'"{field}": {result[field]:.1f}' in render_result(result)
        for field in ("follow_ups_a", "follow_ups_b"):
            count = results[FOLLOW_UP][field]
            assert type(count) is int
            assert 0 <= count <= 10


def test_measurements_have_the_stated_noise():
    slot = TimeSlot.DAY2_EVENING
    people = [p for i in range(3000) if 0.2 < energy_at(p := person(i), slot) < 0.8 and 0.3 < p.engagement < 0.7]

    def error(measured, true):
        found = np.array([measured(p) for p in people]) - 10 * np.array([true(p) for p in people])
        assert found.mean() == pytest.approx(0.0, abs=0.15)
        return found.std()

    rated = error(lambda p: energy_rating(p, slot), lambda p: energy_at(p, slot))
    assert rated == pytest.approx(RATING_NOISE_SD, rel=0.1)
    assert error(engagement_rating, lambda p: p.engagement) == pytest.approx(RATING_NOISE_SD, rel=0.1)
    rounding = 1 / 12
    counted = error(follow_ups, lambda p: p.engagement)
    assert counted == pytest.approx((FOLLOW_UP_NOISE_SD**2 + rounding) ** 0.5, rel=0.1)


@pytest.mark.parametrize(
    ("tool", "result", "score"),
    [
        (PREDICT, {"probability": 0.64, "reason": "energy"}, 0.64),
        (TOPICS, {"shared": ["data"], "finds_a": "yes", "finds_b": "no"}, 0.5),
        (TOPICS, {"shared": ["data", "health", "gaming"], "finds_a": "yes", "finds_b": "unknown"}, 0.875),
        (ENERGY, {"energy_a": 7.1, "energy_b": 3.4, "meetings_a": 2, "meetings_b": 4}, 0.525),
        (FOLLOW_UP, {"engagement_a": 6.2, "engagement_b": 4.0, "seniority_steps": 2}, 0.51),
        (TOPICS, {"error": "unknown attendee"}, None),
        (ENERGY, {}, None),
        ("count_meetings_so_far", {"meetings_a": 3}, None),
    ],
)
def test_naive_scores(tool, result, score):
    assert naive_score(tool, result) == (None if score is None else pytest.approx(score))


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


def test_results_are_rendered_as_they_are():
    assert render_result({"energy_a": 7.0, "meetings_a": 2}) == '{"energy_a": 7.0, "meetings_a": 2}'
    assert render_result({"shared": ["żeglarstwo"]}) == '{"shared": ["żeglarstwo"]}'
