"""The conference's tools: four plain functions that an agent may call, whose docstrings are their schemas.

They look people up in the conference's records and report facts and partial scores. None of them knows, imports or
returns the probability of success. Readings of people carry a little measurement noise, fixed for a person and slot,
so asking twice tells nothing new.
"""

from __future__ import annotations

import inspect
import json
import random
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass

from data_classes import Person, TimeSlot
from meeting_agent.common.strict_json import strict
from meeting_agent.common.text import listed
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.factors import energy_at, interest_overlap, need_fit, seniority_match
from meeting_agent.world.prompts import prose

READING_NOISE_SD = 0.05
TIRED_BELOW = 0.3
NEUTRAL_SENIORITY_MATCH = 0.635  # of a random pair
MOST_CALLS_A_TURN = 8  # a model may write thousands, a server send them
HIGHEST_SCORE = 0.99  # so that every fraction starts with "0.", as small models have read them

Predict = Callable[[str, str, TimeSlot], dict]


class ToolError(ValueError):
    """A call that cannot be answered; its message is shown to the agent."""


@dataclass
class ConferenceRecords:
    """What the tools may look up: the attendees by name, their descriptions, and the trained predictor."""

    attendees: dict[str, Person]
    descriptor: PersonDescriptor
    predict: Predict


_records: ConferenceRecords | None = None


def open_records(records: ConferenceRecords) -> None:
    """Make `records` the conference that the tools answer about."""
    global _records
    _records = records


def _look_up(person_a: str, person_b: str, time_slot: str) -> tuple[ConferenceRecords, Person, Person, TimeSlot]:
    if _records is None:
        raise ToolError("no conference is open")
    for name in (person_a, person_b):
        if not isinstance(name, str) or name not in _records.attendees:
            raise ToolError(f"unknown attendee {str(name)[:60]!r}: use the names as the question gives them")
    if person_a == person_b:
        raise ToolError("person_a and person_b are the same attendee")
    slots = {slot.label: slot for slot in TimeSlot} | {slot.value: slot for slot in TimeSlot}
    if not isinstance(time_slot, str) or time_slot not in slots:
        raise ToolError(f"unknown time_slot {str(time_slot)[:60]!r}: use for example 'Day1 Morning'")
    return _records, _records.attendees[person_a], _records.attendees[person_b], slots[time_slot]


def _bounded(score: float) -> float:
    return min(HIGHEST_SCORE, max(0.0, score))


def _with_noise(value: float, *key: object) -> float:
    return _bounded(value + random.Random(repr(key)).gauss(0.0, READING_NOISE_SD))


def noisy_energy(person: Person, slot: TimeSlot) -> float:
    """Measured energy of a person in a slot, in [0, 0.99]."""
    return _with_noise(energy_at(person, slot), "energy", person, slot.value)


def noisy_engagement(person: Person) -> float:
    """Measured engagement of a person, in [0, 0.99]."""
    return _with_noise(person.engagement, "engagement", person)


def compatibility(a: Person, b: Person) -> float:
    """What two people have in common and can do for each other, in [0, 1]."""
    shared = len(set(a.interests) & set(b.interests))
    return (interest_overlap(shared) + need_fit(a.seeking in b.offering, b.seeking in a.offering)) / 2


def predict_meeting_success_tool(person_a: str, person_b: str, time_slot: str) -> dict:
    """Predicted probability from the descriptions.

    Args:
        person_a: Name of the first attendee.
        person_b: Name of the second attendee.
        time_slot: The time of the meeting.
    """
    records, a, b, slot = _look_up(person_a, person_b, time_slot)
    describe = records.descriptor.generate_description
    answer = records.predict(describe(a, slot), describe(b, slot), slot)
    return {"probability": round(answer["probability"], 2), "reason": answer["reason"]}


def extract_common_interests_and_topics(person_a: str, person_b: str, time_slot: str) -> dict:
    """Shared interests and whether needs and offers fit.

    Args:
        person_a: Name of the first attendee.
        person_b: Name of the second attendee.
        time_slot: The time of the meeting.
    """
    _, a, b, _ = _look_up(person_a, person_b, time_slot)
    shared = sorted(prose(interest) for interest in set(a.interests) & set(b.interests))
    needs_met = (a.seeking in b.offering) + (b.seeking in a.offering)
    score = round(_bounded(compatibility(a, b)), 2)
    return {"compatibility_score": score, "shared_interests": shared, "needs_met": needs_met}


def assess_time_slot_fit_and_energy(person_a: str, person_b: str, time_slot: str) -> dict:
    """Energy of both people at that time.

    Args:
        person_a: Name of the first attendee.
        person_b: Name of the second attendee.
        time_slot: The time of the meeting.
    """
    _, a, b, slot = _look_up(person_a, person_b, time_slot)
    energy_a, energy_b = noisy_energy(a, slot), noisy_energy(b, slot)
    tired = [f"person_{who} is tired" for who, e in (("a", energy_a), ("b", energy_b)) if e < TIRED_BELOW]
    return {
        "fit_score": round((energy_a + energy_b) / 2, 2),
        "energy_a": round(energy_a, 2),
        "energy_b": round(energy_b, 2),
        "red_flags": tired,
    }


def predict_follow_up_potential(person_a: str, person_b: str, time_slot: str) -> dict:
    """Engagement of both people and the potential of their relationship.

    Args:
        person_a: Name of the first attendee.
        person_b: Name of the second attendee.
        time_slot: The time of the meeting.
    """
    _, a, b, _ = _look_up(person_a, person_b, time_slot)
    engagement_a, engagement_b = noisy_engagement(a), noisy_engagement(b)
    mean_engagement = (engagement_a + engagement_b) / 2
    level = seniority_match(a, b) - NEUTRAL_SENIORITY_MATCH
    return {
        "relationship_potential": round(_bounded(mean_engagement + 0.25 * level), 2),
        "engagement_a": round(engagement_a, 2),
        "engagement_b": round(engagement_b, 2),
        "follow_up_probability": round(engagement_a * engagement_b, 2),
    }


TOOLS: list[Callable[..., dict]] = [
    predict_meeting_success_tool,
    extract_common_interests_and_topics,
    assess_time_slot_fit_and_energy,
    predict_follow_up_potential,
]

# The one number of each tool's answer that speaks for or against the meeting.
MAIN_SCORES = {
    "predict_meeting_success_tool": "probability",
    "extract_common_interests_and_topics": "compatibility_score",
    "assess_time_slot_fit_and_energy": "fit_score",
    "predict_follow_up_potential": "relationship_potential",
}


# What readers see of a tool's name.
SHORT_NAMES = {
    "assess_time_slot_fit_and_energy": "energy",
    "extract_common_interests_and_topics": "topics",
    "predict_follow_up_potential": "follow-up",
    "predict_meeting_success_tool": "prediction",
}


def tool_schemas() -> list[dict]:
    """OpenAI schemas of `TOOLS`, made by npcpy's own `auto_tools` conventions from signatures and docstrings."""
    from transformers.utils import get_json_schema

    return [get_json_schema(tool) for tool in TOOLS]


KINDS: dict[type, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def call_arguments(a: Person, b: Person, slot: TimeSlot) -> dict[str, str]:
    """What every tool is called with when the question is about these two and this slot."""
    return {"person_a": a.name, "person_b": b.name, "time_slot": slot.label}


def checked_arguments(tool: Callable[..., dict], arguments: object) -> dict:
    """What a model wrote as a call's arguments; raises ToolError unless the tool's signature takes names and types."""
    known = inspect.signature(tool).parameters
    hints = typing.get_type_hints(tool)
    needed = {name for name, parameter in known.items() if parameter.default is inspect.Parameter.empty}
    if (
        isinstance(arguments, dict)
        and needed <= arguments.keys() <= known.keys()
        and all(_is_of(value, hints.get(name)) for name, value in arguments.items())
    ):
        return arguments
    kinds = {name: _in_words(hints.get(name)) for name in known}
    if not kinds:
        raise ToolError(f"{tool.__name__} takes no arguments")
    if set(kinds.values()) == {"text"}:
        raise ToolError(f"{tool.__name__} needs {listed(list(kinds))} as text")
    raise ToolError(f"{tool.__name__} needs {listed([f'{name} as {kind}' for name, kind in kinds.items()])}")


def _is_of(value: object, kind: object) -> bool:
    """Whether a JSON value is what a type hint asks for; every value is, where the hint is none that JSON knows."""
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if any(kind is known for known in KINDS):
        return type(value) is kind
    if kind is type(None):
        return value is None
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return any(_is_of(value, part) for part in parts)
    if origin is typing.Literal:
        return any(type(value) is type(part) and value == part for part in parts)
    if origin is list or kind is list:
        return isinstance(value, list) and all(_is_of(item, part) for part in parts for item in value)
    if origin is dict or kind is dict:
        return isinstance(value, dict)
    return True


def _in_words(kind: object) -> str:
    """What a type hint asks for, as the agent reads it."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_in_words, parts))
    if origin is typing.Literal:
        return " or ".join(map(repr, parts))
    if kind is type(None):
        return "null"
    known = {**KINDS, list: "a list", dict: "an object"}
    return next((words for hint, words in known.items() if hint in (kind, origin)), "a value")


def render_result(result: object) -> str:
    """A tool's answer as the agent reads it: strict JSON with every fraction at two decimals.

    Raises what `strict` raises where it is no JSON.
    """
    return re.sub(r"(\d\.\d)(?=[,}\]])", r"\g<1>0", json.dumps(strict(result), ensure_ascii=False, allow_nan=False))
