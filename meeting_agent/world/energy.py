"""The energy of a person in a slot."""

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
