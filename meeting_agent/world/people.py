"""The vocabulary of the conference, and random attendees with independent attributes."""

from __future__ import annotations

import functools
import random
import tomllib

from data_classes import Person, PersonType
from meeting_agent.common.settings import PROJECT

PHRASES_PATH = PROJECT / "data" / "phrases.toml"

INTERESTS_PER_PERSON = 3
OFFERS_PER_PERSON = 2
MAX_MEETINGS_A_DAY = 6

CHRONOTYPES = ("morning", "neutral", "evening")


@functools.cache
def phrases() -> dict:
    """The vocabulary of the conference, from `data/phrases.toml`."""
    return tomllib.loads(PHRASES_PATH.read_text(encoding="utf-8"))


def all_interests() -> list[str]:
    return list(phrases()["interests"])


def all_needs() -> list[str]:
    return list(phrases()["seeking"])


def random_person(rng: random.Random, person_id: int, name: str) -> Person:
    """Draws one attendee. All attributes are independent, so that ceilings can be computed exactly."""
    return Person(
        person_id=person_id,
        name=name,
        person_type=rng.choice(list(PersonType)),
        interests=tuple(sorted(rng.sample(all_interests(), INTERESTS_PER_PERSON))),
        seeking=rng.choice(all_needs()),
        offering=tuple(sorted(rng.sample(all_needs(), OFFERS_PER_PERSON))),
        energy=rng.random(),
        chronotype=rng.choice(CHRONOTYPES),
        meetings_today=rng.randint(0, MAX_MEETINGS_A_DAY),
        introversion=rng.random(),
        engagement=rng.random(),
    )
