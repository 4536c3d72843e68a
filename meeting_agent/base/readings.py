"""Readings: numbers in [0, 1] that an attentive reader takes from two descriptions. None says what helps a meeting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from data_classes import Person, TimeSlot
from meeting_agent.world.descriptions import (
    ENERGY_LEVELS,
    ENGAGEMENT_LEVELS,
    INTROVERSION_LEVELS,
    MEETINGS_PER_LEVEL,
    Description,
)
from meeting_agent.world.energy import ENERGY_OFFSET, ENERGY_PER_DAY, FATIGUE_PER_MEETING, chronotype_shift
from meeting_agent.world.people import (
    CHRONOTYPES,
    INTERESTS_PER_PERSON,
    MAX_MEETINGS_A_DAY,
    OFFERS_PER_PERSON,
    all_needs,
)

TOP_STEPS = 4  # steps of seniority between the two ends of the career ladder
MENTORING = "mentorship"


@dataclass(frozen=True)
class Pair:
    """Two described people and a slot."""

    person_a: Person
    person_b: Person
    said_a: Description
    said_b: Description
    slot: TimeSlot

    @property
    def seniority_steps(self) -> int:
        """Steps of seniority between the two, 0 to 4. The roles, which every text names, tell it."""
        return abs(self.person_a.rung - self.person_b.rung)


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


def gets_reading(seeker: Description, giver: Description) -> float:
    """The probability that the giver offers what the seeker looks for."""
    needs = len(all_needs())
    if seeker.seeking is None:
        return OFFERS_PER_PERSON / needs
    if seeker.seeking in giver.offering:
        return 1.0
    return (OFFERS_PER_PERSON - len(giver.offering)) / (needs - len(giver.offering))


def seeks_mentoring(pair: Pair) -> bool:
    return MENTORING in (pair.said_a.seeking, pair.said_b.seeking)


def _energies(pair: Pair) -> tuple[float, float]:
    return energy_reading(pair.said_a, pair.slot), energy_reading(pair.said_b, pair.slot)


def _engagements(pair: Pair) -> tuple[float, float]:
    return engagement_reading(pair.said_a), engagement_reading(pair.said_b)


def _needs(pair: Pair) -> tuple[float, float]:
    return gets_reading(pair.said_a, pair.said_b), gets_reading(pair.said_b, pair.said_a)


def _mean(two: tuple[float, float]) -> float:
    return sum(two) / 2


def _likeness(two: tuple[float, float]) -> float:
    return 1.0 - abs(two[0] - two[1])


Reading = Callable[[Pair], float]

# Words of a question about one person, or about one side of a match -> its reading.
BASIC_READINGS: dict[str, Reading] = {
    "energy of A": lambda p: _energies(p)[0],
    "energy of B": lambda p: _energies(p)[1],
    "engagement of A": lambda p: _engagements(p)[0],
    "engagement of B": lambda p: _engagements(p)[1],
    "need of A": lambda p: _needs(p)[0],
    "need of B": lambda p: _needs(p)[1],
    "interests": lambda p: len(shared_interests(p)) / INTERESTS_PER_PERSON,
    "seniority gap": lambda p: p.seniority_steps / TOP_STEPS,
    "mentoring": lambda p: float(seeks_mentoring(p)),
}
# The same for two people together. Which of them helps a meeting is the physics' business; all forms occur alike.
DERIVED_READINGS: dict[str, Reading] = {
    "mean energy": lambda p: _mean(_energies(p)),
    "lower energy": lambda p: min(_energies(p)),
    "higher energy": lambda p: max(_energies(p)),
    "similar energy": lambda p: _likeness(_energies(p)),
    "mean engagement": lambda p: _mean(_engagements(p)),
    "lower engagement": lambda p: min(_engagements(p)),
    "higher engagement": lambda p: max(_engagements(p)),
    "similar engagement": lambda p: _likeness(_engagements(p)),
    "some interest": lambda p: float(bool(shared_interests(p))),
    "one interest": lambda p: float(len(shared_interests(p)) == 1),
    "needs": lambda p: _mean(_needs(p)),
    "one need": lambda p: max(_needs(p)),
    "both needs": lambda p: min(_needs(p)),
    "mentoring gap": lambda p: seeks_mentoring(p) * p.seniority_steps / TOP_STEPS,
}
READINGS = BASIC_READINGS | DERIVED_READINGS
# Reading of a pair -> the reason that a text about it names. Readings of one person are no reasons.
FACTORS = {
    **{f"{form} energy": "energy" for form in ("mean", "lower", "higher", "similar")},
    **{f"{form} engagement": "engagement" for form in ("mean", "lower", "higher", "similar")},
    **dict.fromkeys(("interests", "some interest", "one interest"), "interests"),
    **dict.fromkeys(("needs", "one need", "both needs"), "needs"),
    **dict.fromkeys(("seniority gap", "mentoring gap"), "seniority"),
}
PAIR_READINGS = tuple(FACTORS)
