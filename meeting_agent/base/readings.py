"""Readings: numbers in [0, 1] that an attentive reader would estimate from two descriptions. None is an outcome."""

from __future__ import annotations

from dataclasses import dataclass

from data_classes import Person, TimeSlot
from meeting_agent.world.descriptions import (
    ENERGY_LEVELS,
    ENGAGEMENT_LEVELS,
    INTROVERSION_LEVELS,
    MEETINGS_PER_LEVEL,
    Description,
)
from meeting_agent.world.factors import (
    ENERGY_OFFSET,
    ENERGY_PER_DAY,
    FATIGUE_PER_MEETING,
    chronotype_shift,
    interest_overlap,
    need_fit,
    seniority_match,
)
from meeting_agent.world.people import (
    CHRONOTYPES,
    INTERESTS_PER_PERSON,
    MAX_MEETINGS_A_DAY,
    OFFERS_PER_PERSON,
    all_interests,
    all_needs,
)


@dataclass(frozen=True)
class Pair:
    """Two described people and a slot."""

    person_a: Person
    person_b: Person
    said_a: Description
    said_b: Description
    slot: TimeSlot


def _middle(level: int | None, levels: int) -> float:
    return 0.5 if level is None else (level + 0.5) / levels


def energy_reading(said: Description, slot: TimeSlot) -> float:
    """The expected energy in the slot, in [0, 1], given the text."""
    group = range(MAX_MEETINGS_A_DAY + 1) if said.meetings_level is None else MEETINGS_PER_LEVEL[said.meetings_level]
    meetings = sum(group) / len(group)
    types = CHRONOTYPES if said.chronotype is None else (said.chronotype,)
    shift = sum(chronotype_shift(t, slot.part_of_day) for t in types) / len(types)
    fatigue = FATIGUE_PER_MEETING * meetings * (0.5 + _middle(said.introversion_level, INTROVERSION_LEVELS))
    level = _middle(said.energy_level, ENERGY_LEVELS) + shift - fatigue + ENERGY_OFFSET
    return min(1.0, max(0.0, level - ENERGY_PER_DAY * (slot.day - 1)))


def engagement_reading(said: Description) -> float:
    return _middle(said.engagement_level, ENGAGEMENT_LEVELS)


def shared_interests(pair: Pair) -> list[str]:
    return sorted(set(pair.said_a.interests) & set(pair.said_b.interests))


def interests_reading(pair: Pair) -> float:
    """Expected topic overlap in [0, 1]: the shared interests in both texts plus an estimate of the unstated ones."""
    shared = len(shared_interests(pair))
    named_a, named_b = len(pair.said_a.interests), len(pair.said_b.interests)
    others = len(all_interests())
    hidden_a = (INTERESTS_PER_PERSON - named_a) * (INTERESTS_PER_PERSON - shared) / (others - named_a)
    hidden_b = (INTERESTS_PER_PERSON - named_b) * (named_a - shared) / (others - named_b)
    more = interest_overlap(min(INTERESTS_PER_PERSON, shared + 1)) - interest_overlap(shared)
    return interest_overlap(shared) + more * min(1.0, hidden_a + hidden_b)


def gets_reading(seeker: Description, giver: Description) -> float:
    """The probability that the giver offers what the seeker looks for."""
    needs = len(all_needs())
    if seeker.seeking is None:
        return OFFERS_PER_PERSON / needs
    if seeker.seeking in giver.offering:
        return 1.0
    return (OFFERS_PER_PERSON - len(giver.offering)) / (needs - len(giver.offering))


def needs_reading(pair: Pair) -> float:
    a, b = gets_reading(pair.said_a, pair.said_b), gets_reading(pair.said_b, pair.said_a)
    one, both = need_fit(True, False), need_fit(True, True)
    return one * (a * (1 - b) + b * (1 - a)) + both * a * b


# The words of a question -> its reading of a pair.
READINGS = {
    "energy of A": lambda p: energy_reading(p.said_a, p.slot),
    "energy of B": lambda p: energy_reading(p.said_b, p.slot),
    "engagement of A": lambda p: engagement_reading(p.said_a),
    "engagement of B": lambda p: engagement_reading(p.said_b),
    "need of A": lambda p: gets_reading(p.said_a, p.said_b),
    "need of B": lambda p: gets_reading(p.said_b, p.said_a),
    "interests": interests_reading,
    "needs": needs_reading,
    "seniority": lambda p: seniority_match(p.person_a, p.person_b),
    "energy": lambda p: (energy_reading(p.said_a, p.slot) + energy_reading(p.said_b, p.slot)) / 2,
    "engagement": lambda p: (engagement_reading(p.said_a) + engagement_reading(p.said_b)) / 2,
    "topics": lambda p: (interests_reading(p) + needs_reading(p)) / 2,
}
PAIR_READINGS = ("interests", "needs", "energy", "engagement")
