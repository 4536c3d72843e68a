"""What an agent knows of a pair: what the texts state and what tools answered, and the words that sum it up.

A tool's answer outranks the text. Numbers that only the text hints at are "about" a value, matches that only the text
holds are "stated", and what nothing tells is "unknown". So every plain value can be checked against a tool result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from meeting_agent.base.readings import (
    MENTORING,
    TOP_STEPS,
    Pair,
    energy_reading,
    engagement_reading,
    gets_reading,
    shared_interests,
)
from meeting_agent.world.descriptions import Description
from meeting_agent.world.people import INTERESTS_PER_PERSON

LEVELS = ("very low", "low", "medium", "high", "very high")
UNKNOWN, STATED = "unknown", "stated"
MIDDLE = 5.0
SUMMARY_OPENING = "In sum:"
PREDICTION = "prediction"  # the factor that the phase 1 model's own answer is


@dataclass(frozen=True)
class Rating:
    """A rating out of ten: measured by a tool, estimated from a text, or unknown."""

    value: float | None
    is_measured: bool = False

    @property
    def number(self) -> float:
        return MIDDLE if self.value is None else self.value

    def __str__(self) -> str:
        if self.value is None:
            return UNKNOWN
        return f"{self.value:.1f}" if self.is_measured else f"about {min(9, round(self.value))}"


@dataclass(frozen=True)
class Known:
    """What the texts and the tool results of one conversation tell about a pair."""

    pair: Pair
    results: Mapping[str, object] = field(default_factory=dict)  # field of a tool result -> its value

    def rating(self, name: str) -> Rating:
        """The rating with the name of a result's field: energy_a, energy_b, engagement_a or engagement_b."""
        if name in self.results:
            return Rating(float(self.results[name]), True)  # type: ignore[arg-type]
        said = self.pair.said_a if name.endswith("_a") else self.pair.said_b
        if name.startswith("energy"):
            return Rating(None if said.energy_level is None else 10 * energy_reading(said, self.pair.slot))
        return Rating(None if said.engagement_level is None else 10 * engagement_reading(said))

    def both(self, topic: str) -> tuple[Rating, Rating]:
        return self.rating(f"{topic}_a"), self.rating(f"{topic}_b")

    @property
    def shared(self) -> int:
        found = self.results.get("shared")
        return len(found) if isinstance(found, list) else len(shared_interests(self.pair))

    @property
    def seniority_steps(self) -> int:
        return int(self.results.get("seniority_steps", self.pair.seniority_steps))  # type: ignore[call-overload]

    def finds(self, side: str) -> str:
        """Whether the person of a side, "a" or "b", finds what they seek: a tool's yes or no, stated, or unknown."""
        if f"finds_{side}" in self.results:
            return str(self.results[f"finds_{side}"])
        seeker, giver = self._sides(side)
        if seeker.seeking is not None and seeker.seeking in giver.offering:
            return STATED
        return UNKNOWN

    @property
    def mentoring(self) -> str:
        """Whether one of the two seeks mentoring: yes, no or unknown."""
        sought = [self.results.get(f"seeks_{side}", self._sides(side)[0].seeking) for side in ("a", "b")]
        if MENTORING in sought:
            return "yes"
        return UNKNOWN if None in sought else "no"

    def _sides(self, side: str) -> tuple[Description, Description]:
        said = (self.pair.said_a, self.pair.said_b)
        return said if side == "a" else said[::-1]

    def values(self) -> dict[str, float]:
        """The value in [0, 1] of each of `PAIR_READINGS` and of the prediction, given all that is known."""
        need_a, need_b = (self._need(side) for side in ("a", "b"))
        gap = self.seniority_steps / TOP_STEPS
        found = {
            "interests": min(1.0, self.shared / INTERESTS_PER_PERSON),
            "some interest": float(self.shared > 0),
            "one interest": float(self.shared == 1),
            "needs": (need_a + need_b) / 2,
            "one need": max(need_a, need_b),
            "both needs": min(need_a, need_b),
            "seniority gap": gap,
            "mentoring gap": gap * (self.mentoring == "yes"),
            PREDICTION: float(self.results.get("probability", 0.5)),  # type: ignore[arg-type]
        }
        for topic in ("energy", "engagement"):
            a, b = (one.number / 10 for one in self.both(topic))
            found |= {
                f"mean {topic}": (a + b) / 2,
                f"lower {topic}": min(a, b),
                f"higher {topic}": max(a, b),
                f"similar {topic}": 1 - abs(a - b),
            }
        return found

    def _need(self, side: str) -> float:
        words = self.finds(side)
        return {"yes": 1.0, STATED: 1.0, "no": 0.0}.get(words, gets_reading(*self._sides(side)))

    def facts(self) -> dict[str, str]:
        """What is known by factor, in words."""
        found = self.results.get("probability")
        steps = f"{'' if 'seniority_steps' in self.results else 'about '}{self.seniority_steps}"
        predicted = UNKNOWN if found is None else f"{found:.2f}"
        return {
            "energy": self._two_ratings("energy"),
            "engagement": self._two_ratings("engagement"),
            "interests": f"{self.shared} shared",
            "needs": f"finds_a {self.finds('a')}, finds_b {self.finds('b')}",
            "seniority": f"seniority_steps {steps}, mentoring {self.mentoring}",
            PREDICTION: f"probability {predicted}",
        }

    def _two_ratings(self, topic: str) -> str:
        a, b = self.both(topic)
        return f"{topic}_a {a}, {topic}_b {b}, {compared(a, b)}"


def compared(a: Rating, b: Rating) -> str:
    """The lower of two ratings and how far they are apart, for example "lower 3.4, apart 3.7"."""
    if a.value is None or b.value is None:
        return f"apart {UNKNOWN}"
    measured = a.is_measured and b.is_measured
    # Ratings have one decimal, and so has their difference.
    low, gap = (Rating(round(v, 1), measured) for v in (min(a.value, b.value), abs(a.value - b.value)))
    return f"lower {low}, apart {gap}"


def in_sum(known: Known) -> str:
    """The sentence before every final answer: all facts, in one order."""
    return f"{SUMMARY_OPENING} {'; '.join(known.facts().values())}."


def stated(pair: Pair) -> str:
    """The sentence before an agent's first call: which ratings the texts hint at."""
    parts = []
    for topic, levels in (("energy", "energy_level"), ("engagement", "engagement_level")):
        for side, said in (("a", pair.said_a), ("b", pair.said_b)):
            level = getattr(said, levels)
            parts.append(f"{topic}_{side} {UNKNOWN if level is None else LEVELS[level]}")
    return f"Stated: {', '.join(parts)}."
