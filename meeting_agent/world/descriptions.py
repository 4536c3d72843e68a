"""Describes people in words: the few impressions that an observer would write down.

Agents call tools to learn what a description leaves out.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from data_classes import Person, PersonType, TimeSlot
from meeting_agent.common.text import listed
from meeting_agent.world.people import phrases

ENERGY_LEVELS = 5
ENGAGEMENT_LEVELS = 5
INTROVERSION_LEVELS = 3
MEETINGS_PER_LEVEL = ((0, 1), (2, 3), (4, 5, 6))


def level_of(value: float, levels: int) -> int:
    """The level (0 to `levels` - 1) of a value in [0, 1]."""
    return min(levels - 1, int(value * levels))


@dataclass(frozen=True)
class Description:
    """A description and the attributes that it states. None or an empty tuple means that the text does not say."""

    text: str
    interests: tuple[str, ...]
    seeking: str | None
    offering: tuple[str, ...]
    energy_level: int | None
    chronotype: str | None
    meetings_level: int | None
    introversion_level: int | None
    engagement_level: int | None


class PersonDescriptor:
    """Writes descriptions of attendees.

    Temperature 0 states every attribute in the plainest words. Higher values (up to 2) leave out more and vary the
    wording. The same person, slot, temperature and seed always give the same text. Raises ValueError for a temperature
    outside [0, 2].
    """

    def __init__(self, temperature: float = 0.8, seed: int = 0):
        if not 0.0 <= temperature <= 2.0:
            raise ValueError(f"temperature must lie in 0..2, got {temperature}")
        self.temperature = temperature
        self.seed = seed

    def generate_description(self, person: Person, time_slot: TimeSlot) -> str:
        return self.describe(person, time_slot).text

    def describe(self, person: Person, time_slot: TimeSlot) -> Description:
        rng = random.Random(f"{self.seed}-{self.temperature}-{person!r}-{time_slot.value}")
        bank = phrases()
        # The choice of what to leave out does not depend on its value, so an omission carries no information.
        interests = [i for i in person.interests if self._mention(rng, 0.25)]
        offering = [o for o in person.offering if self._mention(rng, 0.3)]
        rng.shuffle(interests)
        seeking = (person.seeking or None) if self._mention(rng, 0.25) else None
        energy = level_of(person.energy, ENERGY_LEVELS) if self._mention(rng, 0.375) else None
        meetings = next(i for i, group in enumerate(MEETINGS_PER_LEVEL) if person.meetings_today in group)
        meetings_level = meetings if self._mention(rng, 0.45) else None
        introversion = level_of(person.introversion, INTROVERSION_LEVELS) if self._mention(rng, 0.6) else None
        engagement = level_of(person.engagement, ENGAGEMENT_LEVELS) if self._mention(rng, 0.375) else None
        chronotype = person.chronotype if self._mention(rng, 0.5) else None

        # Interests, needs and offers that are not in the vocabulary appear in their own words.
        sentences = []
        if interests:
            words = [self._pick(rng, bank["interests"].get(i, [i])) for i in interests]
            sentences.append(self._pick(rng, bank["interest_sentences"]["variants"]).format(list=listed(words)))
        sentences += [self._pick(rng, bank["offering"].get(o, [f"Offers {o}."])) for o in offering]
        if seeking is not None:
            sentences.append(self._pick(rng, bank["seeking"].get(seeking, [f"Looking for {seeking}."])))
        if chronotype is not None:
            sentences.append(self._pick(rng, bank["chronotype"][chronotype]))
        for topic, level in (
            ("energy", energy),
            ("meetings", meetings_level),
            ("introversion", introversion),
            ("engagement", engagement),
        ):
            if level is not None:
                sentences.append(self._pick(rng, bank[topic]["levels"][level]))
        if self.temperature > 0:
            rng.shuffle(sentences)
        named = person.person_type
        role = self._pick(rng, bank["roles"][named.value] if isinstance(named, PersonType) else [named]) + "."
        return Description(
            text=" ".join([role, *sentences]),
            interests=tuple(interests),
            seeking=seeking,
            offering=tuple(offering),
            energy_level=energy,
            chronotype=chronotype,
            meetings_level=meetings_level,
            introversion_level=introversion,
            engagement_level=engagement,
        )

    def _mention(self, rng: random.Random, omitted_at_one: float) -> bool:
        return rng.random() >= min(0.9, omitted_at_one * self.temperature)

    def _pick(self, rng: random.Random, variants: list[str]) -> str:
        reach = max(1, round(len(variants) * min(1.0, 0.25 + self.temperature)))
        return variants[rng.randrange(reach) if self.temperature > 0 else 0]
