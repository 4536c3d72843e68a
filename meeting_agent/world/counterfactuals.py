"""Questions about a meeting that only the world can answer: what its text leaves out, and what if it were otherwise.

The tests of the agents' reasoning need these answers. No agent sees them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

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
    "interests": ("shared", "compatibility_score"),
    "needs": ("finds_a", "finds_b", "needs_met"),
    "energy": ("energy_a", "energy_b", "fit_score"),
    "engagement": ("engagement_a", "engagement_b", "relationship_potential"),
    "seniority": ("seniority_steps",),
}


def left_out(meeting: Meeting, descriptor: PersonDescriptor) -> dict[str, bool]:
    """Whether the text leaves out the energy, or the engagement, of one of the two, by the tool that shows it."""
    said = [descriptor.describe(person, meeting.time_slot) for person in (meeting.person_a, meeting.person_b)]
    return {
        ENERGY: any(d.energy_level is None for d in said),
        FOLLOW_UP: any(d.engagement_level is None for d in said),
    }


def opposite_people(meeting: Meeting, tool: str) -> tuple[Person, Person] | None:
    """The two people as the opposite of what `tool` found: rested for tired, eager for bored, strangers for a match.

    None for a tool that measures nothing of this kind.
    """
    a, b = meeting.person_a, meeting.person_b
    if tool == ENERGY:
        return replace(a, energy=1.0 - a.energy), replace(b, energy=1.0 - b.energy)
    if tool == FOLLOW_UP:
        return replace(a, engagement=1.0 - a.engagement), replace(b, engagement=1.0 - b.engagement)
    if tool != TOPICS:
        return None
    shared = set(a.interests) & set(b.interests)
    others = [word for word in all_interests() if word not in a.interests]
    met = a.seeking in b.offering or b.seeking in a.offering
    interests = tuple(sorted(others[: len(b.interests)])) if shared else a.interests
    return (
        replace(a, offering=_offers(a, b.seeking, not met)),
        replace(b, offering=_offers(b, a.seeking, not met), interests=interests),
    )


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


def direction(meeting: Meeting, people: tuple[Person, Person], physics: Physics) -> int:
    """+1 or -1 if the meeting of these `people` has a clearly higher or lower probability, else 0."""
    move = moved_probability(meeting, people, physics) - meeting.success_probability
    return 0 if abs(move) < LEAST_MOVE else 1 if move > 0 else -1


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
