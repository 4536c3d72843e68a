"""Factors of a meeting's success that tools can measure: energy, interests, needs, seniority."""

from __future__ import annotations

from data_classes import Person, TimeSlot

CHRONOTYPE_SHIFT = 0.2  # energy gained in the preferred part of the day, and lost in the opposite one
FATIGUE_PER_MEETING = 0.05  # for a person of average introversion
ENERGY_PER_DAY = 0.05
ENERGY_OFFSET = 0.2  # centres the energy of a random person at a random slot on one half


def chronotype_shift(chronotype: str, part_of_day: str) -> float:
    """+0.2 in the preferred part of the day, -0.2 in the opposite one, 0 otherwise."""
    if chronotype == "neutral" or part_of_day == "afternoon":
        return 0.0
    return CHRONOTYPE_SHIFT if chronotype == part_of_day else -CHRONOTYPE_SHIFT


def energy_at(person: Person, slot: TimeSlot) -> float:
    """Energy of a person in a slot, in [0, 1].

    It depends on rest, part of the day, day and the meetings so far, which tire introverted people more.
    """
    fatigue = FATIGUE_PER_MEETING * person.meetings_today * (0.5 + person.introversion)
    shift = chronotype_shift(person.chronotype, slot.part_of_day)
    level = person.energy + shift - fatigue - ENERGY_PER_DAY * (slot.day - 1) + ENERGY_OFFSET
    return min(1.0, max(0.0, level))


def interest_overlap(shared: int) -> float:
    """Topic overlap in [0, 1] from the number of shared interests."""
    return (0.0, 0.6, 1.0)[min(shared, 2)]


def need_fit(a_gets: bool, b_gets: bool) -> float:
    """How well two people meet each other's needs, in [0, 1]."""
    return (0.0, 0.6, 1.0)[int(a_gets) + int(b_gets)]


def seniority_match(a: Person, b: Person) -> float:
    """1 for equal seniority, 0 for levels 1 and 5."""
    return 1.0 - abs(a.rung - b.rung) / 4
