"""The conference's tools: four functions that an agent may call. Models read their docstrings as part of the schemas.

The tools look up people in the records of one conference and report facts and measurements in the units that people
use: ratings out of ten, counts, rungs. They judge nothing. None of them knows, imports or returns the true probability
of success. Measurements have Gaussian noise that is fixed for a person (and a slot, for energy), so a second call
returns the same value.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

from data_classes import Person, TimeSlot
from meeting_agent.agent import tool_calls
from meeting_agent.agent.environment import Predict, Tool
from meeting_agent.agent.tool_calls import ToolError
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.energy import energy_at
from meeting_agent.world.prompts import prediction_prompt, prose
from meeting_agent.world.slots import named_slot

TOP_RATING = 9.9  # ratings lie in 0.0..9.9, so that all have one digit before the point
RATING_NOISE_SD = 0.5
LAST_CONTACTS = 10  # how many contacts a count of follow-ups covers
FOLLOW_UP_NOISE_SD = 1.5  # in contacts
UNKNOWN = "unknown"


def rating_of(value: float, *key: object) -> float:
    """A measurement of a value in [0, 1] out of ten, with one decimal. The same key gives the same noise."""
    noise = random.Random(repr(key)).gauss(0.0, RATING_NOISE_SD)
    return round(min(TOP_RATING, max(0.0, 10 * value + noise)), 1)


def energy_rating(person: Person, slot: TimeSlot) -> float:
    """Measured energy of a person in a slot, in 0.0..9.9."""
    return rating_of(energy_at(person, slot), "energy", person, slot.value)


def engagement_rating(person: Person) -> float:
    """Rating of the talks that a person gave, in 0.0..9.9: their engagement with noise."""
    return rating_of(person.engagement, "engagement", person)


def follow_ups(person: Person) -> int:
    """How many of their last ten contacts a person followed up: their engagement with noise, in 0..10."""
    noise = random.Random(repr(("follow-ups", person))).gauss(0.0, FOLLOW_UP_NOISE_SD)
    return round(min(LAST_CONTACTS, max(0.0, LAST_CONTACTS * person.engagement + noise)))


def finds(seeker: Person, giver: Person) -> str:
    """Whether a person finds what they seek: yes, no, or unknown if they state no need."""
    if not seeker.seeking:
        return UNKNOWN
    return "yes" if seeker.seeking in giver.offering else "no"


class ConferenceTools:
    """The tools, bound to one conference: its attendees by name, the phase 1 model and the descriptor."""

    NAMES = (
        "predict_meeting_success_tool",
        "extract_common_interests_and_topics",
        "assess_time_slot_fit_and_energy",
        "predict_follow_up_potential",
    )

    def __init__(self, attendees: Mapping[str, Person], predict: Predict, descriptor: PersonDescriptor | None = None):
        self.attendees, self.predict, self.descriptor = attendees, predict, descriptor or PersonDescriptor()
        self.likes = Counter(interest for person in attendees.values() for interest in set(person.interests))

    @property
    def functions(self) -> list[Tool]:
        """The tools, bound to these records."""
        return [getattr(self, name) for name in self.NAMES]

    def look_up(self, person_a: str, person_b: str, time_slot: str) -> tuple[Person, Person, TimeSlot]:
        """Two attendees and a slot. Raises ToolError for an unknown name or slot, or for the same person twice."""
        for name in (person_a, person_b):
            if name not in self.attendees:
                raise ToolError(f"unknown attendee {name[:60]!r}: use the names as the question gives them")
        if person_a == person_b:
            raise ToolError("person_a and person_b are the same attendee")
        try:
            slot = named_slot(time_slot)
        except ValueError:
            raise ToolError(f"unknown time_slot {time_slot[:60]!r}: use for example 'Day1 Morning'") from None
        return self.attendees[person_a], self.attendees[person_b], slot

    def predict_meeting_success_tool(self, person_a: str, person_b: str, time_slot: str) -> dict:
        """Predicted probability from the descriptions.

        Args:
            person_a: Name of the first attendee.
            person_b: Name of the second attendee.
            time_slot: The time of the meeting.
        """
        a, b, slot = self.look_up(person_a, person_b, time_slot)
        describe = self.descriptor.generate_description
        answer = self.predict(prediction_prompt(describe(a, slot), describe(b, slot), slot))
        return {"probability": round(answer["probability"], 2), "reason": answer["reason"]}

    def extract_common_interests_and_topics(self, person_a: str, person_b: str, time_slot: str) -> dict:
        """Shared interests, and who finds what they look for.

        Args:
            person_a: Name of the first attendee.
            person_b: Name of the second attendee.
            time_slot: The time of the meeting.
        """
        a, b, _ = self.look_up(person_a, person_b, time_slot)
        shared = set(a.interests) & set(b.interests)
        rarest = min((self.likes[interest] for interest in shared), default=0)
        return {
            "shared": sorted(map(prose, shared)),
            "one_in": round(len(self.attendees) / rarest) if rarest else 0,
            "seeks_a": prose(a.seeking) or UNKNOWN,
            "finds_a": finds(a, b),
            "seeks_b": prose(b.seeking) or UNKNOWN,
            "finds_b": finds(b, a),
        }

    def assess_time_slot_fit_and_energy(self, person_a: str, person_b: str, time_slot: str) -> dict:
        """Energy ratings of both people at that time, and their meetings so far.

        Args:
            person_a: Name of the first attendee.
            person_b: Name of the second attendee.
            time_slot: The time of the meeting.
        """
        a, b, slot = self.look_up(person_a, person_b, time_slot)
        return {
            "energy_a": energy_rating(a, slot),
            "energy_b": energy_rating(b, slot),
            "meetings_a": a.meetings_today,
            "meetings_b": b.meetings_today,
        }

    def predict_follow_up_potential(self, person_a: str, person_b: str, time_slot: str) -> dict:
        """Ratings of their talks, follow-ups of their last ten contacts, and seniority.

        Args:
            person_a: Name of the first attendee.
            person_b: Name of the second attendee.
            time_slot: The time of the meeting.
        """
        a, b, _ = self.look_up(person_a, person_b, time_slot)
        return {
            "engagement_a": engagement_rating(a),
            "engagement_b": engagement_rating(b),
            "follow_ups_a": follow_ups(a),
            "follow_ups_b": follow_ups(b),
            "seniority_steps": abs(a.rung - b.rung),
        }


# The tools of a conference without attendees, for their schemas and for the course's public interface.
TOOLS: list[Tool] = ConferenceTools({}, tool_calls.no_prediction).functions

# The fractions of each tool's result, which a reader would call high or low: ratings out of ten, and a probability.
RATINGS: Mapping[str, tuple[str, ...]] = {
    "predict_meeting_success_tool": ("probability",),
    "extract_common_interests_and_topics": (),
    "assess_time_slot_fit_and_energy": ("energy_a", "energy_b"),
    "predict_follow_up_potential": ("engagement_a", "engagement_b"),
}


def naive_score(tool: str, result: Mapping) -> float | None:
    """A score in [0, 1] that a reader without any experience would give; only baselines use it.

    None for an error, and for tools and fields that are not of this module.

    It is naive: it knows nothing about what makes a meeting succeed and takes more of everything for better. Topics:
    the mean of the shared interests, of which two are enough, and of the needs met, where an unknown need counts half.
    The other tools: the mean of their ratings.
    """
    if tool == "extract_common_interests_and_topics" and "shared" in result:
        met = [{"yes": 1.0, "no": 0.0}.get(result[field], 0.5) for field in ("finds_a", "finds_b")]
        return (min(1.0, len(result["shared"]) / 2) + sum(met) / 2) / 2
    ratings = [result[field] for field in RATINGS.get(tool, ()) if field in result]
    top = 1 if tool == "predict_meeting_success_tool" else 10
    return sum(ratings) / len(ratings) / top if ratings else None


# The tools' labels in the report.
TOOL_LABELS = {
    "assess_time_slot_fit_and_energy": "energy",
    "extract_common_interests_and_topics": "topics",
    "predict_follow_up_potential": "follow-up",
    "predict_meeting_success_tool": "prediction",
}


def tool_schemas() -> list[dict]:
    """OpenAI schemas of the conference's tools."""
    return tool_calls.tool_schemas(TOOLS)


def call_arguments(a: Person, b: Person, slot: TimeSlot) -> dict[str, str]:
    """The arguments of every tool for these two people and this slot."""
    return {"person_a": a.name, "person_b": b.name, "time_slot": slot.label}
