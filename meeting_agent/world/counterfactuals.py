"""Questions about a meeting that only the world can answer: what its text leaves out, and what if it were otherwise.

The tests of the agents' reasoning need these answers. No agent sees them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from scipy.special import expit, logit

from data_classes import Meeting, Person
from meeting_agent.world.ceilings import ENERGY, FOLLOW_UP, TOPICS
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.outcome import Facts, Physics
from meeting_agent.world.people import OFFERS_PER_PERSON, all_interests, all_needs

LEAST_MOVE = 0.15  # how far a swap must move the true probability; less would be lost among the other facts
CERTAIN = 1e-6  # keeps the logit of a probability of 0 or 1 finite

# How an agent names a factor, "Mainly energy: ...", and the fields that stand for factors where it names none.
NAMED = re.compile(r"\b[Mm]ainly (energy|engagement|interests|needs|seniority)\b")
FIELDS = {
    "interests": ("shared",),
    "needs": ("finds_a", "finds_b"),
    "energy": ("energy_a", "energy_b"),
    "engagement": ("engagement_a", "engagement_b"),
    "seniority": ("seniority_steps",),
}


def left_out(meeting: Meeting, descriptor: PersonDescriptor) -> dict[str, bool]:
    """Whether the text leaves out the energy, or the engagement, of one of the two, by the tool that shows it."""
    said = [descriptor.describe(person, meeting.time_slot) for person in (meeting.person_a, meeting.person_b)]
    return {
        ENERGY: any(d.energy_level is None for d in said),
        FOLLOW_UP: any(d.engagement_level is None for d in said),
    }


def opposite_people(meeting: Meeting, tool: str) -> list[tuple[Person, Person]]:
    """Pairs of people who are the opposite in what `tool` found: rested for tired, eager for bored, strangers for a
    match.

    One of the two may change, or both: where only the distance between them counts, changing both changes nothing.
    Empty for a tool that measures nothing of this kind.
    """
    a, b = meeting.person_a, meeting.person_b
    if tool in (ENERGY, FOLLOW_UP):
        field = "energy" if tool == ENERGY else "engagement"
        other_a, other_b = (replace(person, **{field: 1.0 - getattr(person, field)}) for person in (a, b))
        return [(other_a, other_b), (other_a, b), (a, other_b)]
    if tool != TOPICS:
        return []
    shared = set(a.interests) & set(b.interests)
    others = [word for word in all_interests() if word not in a.interests]
    met = a.seeking in b.offering or b.seeking in a.offering
    interests = tuple(sorted(others[: len(b.interests)])) if shared else a.interests
    other_a = replace(a, offering=_offers(a, b.seeking, not met))
    return [(other_a, replace(b, offering=_offers(b, a.seeking, not met), interests=interests))]


def _offers(giver: Person, sought: str, gives: bool) -> tuple[str, ...]:
    """As many offers as people have, with `sought` among them or not."""
    kept = [need for need in (*giver.offering, *all_needs()) if need != sought]
    chosen = list(dict.fromkeys([sought, *kept] if gives else kept))
    return tuple(sorted(chosen[: len(giver.offering) or OFFERS_PER_PERSON]))


def moved_probability(meeting: Meeting, people: tuple[Person, Person], physics: Physics) -> float:
    """The true probability in (0, 1) if the meeting were one of these `people`, with the same chemistry."""
    before = float(physics.logit(Facts.of(meeting.person_a, meeting.person_b, meeting.time_slot)))
    after = float(physics.logit(Facts.of(*people, meeting.time_slot)))
    p = min(1.0 - CERTAIN, max(CERTAIN, meeting.success_probability))
    return float(expit(logit(p) + after - before))


def furthest(meeting: Meeting, choices: Sequence[tuple[Person, Person]], physics: Physics) -> tuple[Any, int]:
    """The pair of `choices` that moves the true probability most, and +1 or -1 for up or down.

    (None, 0) if no choice moves it by `LEAST_MOVE`.
    """
    moves = [(moved_probability(meeting, people, physics) - meeting.success_probability, people) for people in choices]
    move, people = max(moves, key=lambda one: abs(one[0]), default=(0.0, None))
    return (None, 0) if abs(move) < LEAST_MOVE else (people, 1 if move > 0 else -1)


def named_factor(reasoning: str) -> str | None:
    """The factor that a reasoning names as the main one, or else the first one whose field it cites."""
    if found := NAMED.search(reasoning):
        return found[1]
    cited: Mapping[int, str] = {
        match.start(): factor
        for factor, names in FIELDS.items()
        for name in names
        if (match := re.search(rf"\b{name}\b", reasoning))
    }
    return cited[min(cited)] if cited else None
