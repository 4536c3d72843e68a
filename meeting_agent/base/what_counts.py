"""What counts in one chat of the corpus: a random choice of readings that speak for or against a meeting.

The chat's own prompt states the choice, and the probability follows it. So the base learns to weigh readings by words
and learns nothing about what makes a meeting succeed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from meeting_agent.base.readings import FACTORS, PAIR_READINGS

SMALLEST, LARGEST = 0.01, 0.99
MOST = 5  # readings of a short list
LONG_LISTS = 0.2  # share of chats where more readings than that count
SHARES_AGAINST = (0.0, 0.5, 1.0)  # of the readings of a chat; as often for as against, so no reading is good by itself
SIDES = {"For": 1, "Against": -1}


@dataclass(frozen=True)
class WhatCounts:
    """Readings of a pair -> +1 if it speaks for the meeting, -1 if against it."""

    signs: Mapping[str, int]

    @classmethod
    def draw(cls, rng: random.Random, readings: Sequence[str] = PAIR_READINGS) -> WhatCounts:
        """Some of `readings` with random signs: mostly one to five of different factors, sometimes many of any."""
        if rng.random() < LONG_LISTS:
            chosen = rng.sample(list(readings), rng.randint(MOST + 1, len(readings)))
        else:
            by_factor: dict[str, list[str]] = {}
            for name in readings:
                by_factor.setdefault(factor_of(name), []).append(name)
            factors = rng.sample(list(by_factor), rng.randint(1, min(MOST, len(by_factor))))
            chosen = [rng.choice(by_factor[factor]) for factor in factors]
        against = rng.choice(SHARES_AGAINST)
        return cls({name: -1 if rng.random() < against else 1 for name in chosen})

    @property
    def line(self) -> str:
        """The sentence of the prompt, for example "For: similar energy, one need. Against: seniority gap."."""
        sides = {side: [name for name, sign in self.signs.items() if sign == way] for side, way in SIDES.items()}
        return " ".join(f"{side}: {', '.join(names)}." for side, names in sides.items() if names)

    def probability(self, values: Mapping[str, float]) -> float:
        """The probability in [0.01, 0.99] for values in [0, 1] by reading.

        One half plus the signed distances of all counted values from one half, divided by the root of their number,
        so that the numbers of chats with many readings spread as widely as those with one.
        """
        total = sum(sign * (values[name] - 0.5) for name, sign in self.signs.items())
        return min(LARGEST, max(SMALLEST, 0.5 + total / sqrt(len(self.signs))))

    def by_weight(self, values: Mapping[str, float]) -> list[str]:
        """The factors that count, the one furthest from one half first."""
        names = sorted(self.signs, key=lambda name: -abs(values[name] - 0.5))
        return list(dict.fromkeys(factor_of(name) for name in names))


def factor_of(reading: str) -> str:
    return FACTORS.get(reading, reading)
