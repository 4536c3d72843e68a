"""The conference's tools: four functions that an agent may call. Models read their docstrings as part of the schemas.

The tools look up people in the records of one conference and return facts and partial scores. None of them knows,
imports or returns the true probability of success. Readings have Gaussian measurement noise that is fixed for a person
and a slot, so a second call returns the same value.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from data_classes import Person, TimeSlot
from meeting_agent.agent import tool_calls
from meeting_agent.agent.environment import Predict, Tool
from meeting_agent.agent.tool_calls import ToolError
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.factors import energy_at, interest_overlap, need_fit, seniority_match
from meeting_agent.world.prompts import prediction_prompt, prose
from meeting_agent.world.slots import named_slot

READING_NOISE_SD = 0.05
TIRED_BELOW = 0.3
NEUTRAL_SENIORITY_MATCH = 0.635  # mean over random pairs
HIGHEST_SCORE = 0.99  # every fraction must start with "0.", as in the training data of small models


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
    """Mean of interest overlap and need fit of two people, in [0, 1]."""
    shared = len(set(a.interests) & set(b.interests))
    return (interest_overlap(shared) + need_fit(a.seeking in b.offering, b.seeking in a.offering)) / 2


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
        """Shared interests and whether needs and offers fit.

        Args:
            person_a: Name of the first attendee.
            person_b: Name of the second attendee.
            time_slot: The time of the meeting.
        """
        a, b, _ = self.look_up(person_a, person_b, time_slot)
        shared = sorted(prose(interest) for interest in set(a.interests) & set(b.interests))
        needs_met = (a.seeking in b.offering) + (b.seeking in a.offering)
        score = round(_bounded(compatibility(a, b)), 2)
        return {"compatibility_score": score, "shared_interests": shared, "needs_met": needs_met}

    def assess_time_slot_fit_and_energy(self, person_a: str, person_b: str, time_slot: str) -> dict:
        """Energy of both people at that time.

        Args:
            person_a: Name of the first attendee.
            person_b: Name of the second attendee.
            time_slot: The time of the meeting.
        """
        a, b, slot = self.look_up(person_a, person_b, time_slot)
        energy_a, energy_b = noisy_energy(a, slot), noisy_energy(b, slot)
        tired = [f"person_{who} is tired" for who, e in (("a", energy_a), ("b", energy_b)) if e < TIRED_BELOW]
        return {
            "fit_score": round((energy_a + energy_b) / 2, 2),
            "energy_a": round(energy_a, 2),
            "energy_b": round(energy_b, 2),
            "red_flags": tired,
        }

    def predict_follow_up_potential(self, person_a: str, person_b: str, time_slot: str) -> dict:
        """Engagement of both people and the potential of their relationship.

        Args:
            person_a: Name of the first attendee.
            person_b: Name of the second attendee.
            time_slot: The time of the meeting.
        """
        a, b, _ = self.look_up(person_a, person_b, time_slot)
        engagement_a, engagement_b = noisy_engagement(a), noisy_engagement(b)
        mean_engagement = (engagement_a + engagement_b) / 2
        level = seniority_match(a, b) - NEUTRAL_SENIORITY_MATCH
        return {
            "relationship_potential": round(_bounded(mean_engagement + 0.25 * level), 2),
            "engagement_a": round(engagement_a, 2),
            "engagement_b": round(engagement_b, 2),
            "follow_up_probability": round(engagement_a * engagement_b, 2),
        }


# The tools of a conference without attendees, for their schemas and for the course's public interface.
TOOLS: list[Tool] = ConferenceTools({}, tool_calls.no_prediction).functions

# The field of each tool's result that counts for or against the meeting.
MAIN_SCORES = {
    "predict_meeting_success_tool": "probability",
    "extract_common_interests_and_topics": "compatibility_score",
    "assess_time_slot_fit_and_energy": "fit_score",
    "predict_follow_up_potential": "relationship_potential",
}

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
