"""What makes a meeting succeed: the only module that knows which factors count, in which form and how much.

A meeting succeeds with probability

    sigmoid( sum over factors of (effect_f - its mean over random pairs)  +  offset  +  chemistry )

where chemistry is noise between two people that nobody can observe. A `Physics` holds the effects. Seed 0 is the
documented default conference: people of similar energy suit each other, the less engaged of the two decides, one shared
interest is best, one met need is enough, and a seniority gap hurts unless one of the two seeks mentoring. Any other
seed draws weights, signs, forms and the base rate from the ranges below. Descriptions, tools, the base's corpus and its
tokenizer are the same under every physics.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.special import expit

from data_classes import Person, TimeSlot
from meeting_agent.common.settings import setting
from meeting_agent.world.energy import energy_at
from meeting_agent.world.people import random_person

CHEMISTRY_SD = 0.42  # in logits
MENTORING = "mentorship"  # the need that makes a seniority gap count
TOP_GAP = 4  # rungs between the two ends of the career ladder

# How the values of two people become the value of a pair. Each takes and gives numbers in [0, 1], or arrays of them.
FORMS: dict[str, Callable[[Any, Any], Any]] = {
    "mean": lambda a, b: (a + b) / 2,
    "lower": np.minimum,
    "higher": np.maximum,
    "similarity": lambda a, b: 1.0 - np.abs(a - b),
}
# Value of a pair by its number of shared interests, 0 to 3, and by how many of the two needs are met, 0 to 2.
MORE_INTERESTS, ONE_INTEREST, EVEN_INTERESTS = (0.0, 0.6, 1.0, 1.0), (0.0, 1.0, 0.45, 0.2), (0.0, 0.3, 0.6, 1.0)
MORE_NEEDS, ONE_NEED, BOTH_NEEDS = (0.0, 0.6, 1.0), (0.0, 1.0, 1.0), (0.0, 0.0, 1.0)

# Ranges that other seeds draw from: sizes of weights in logits, and the shares of meetings that succeed.
PERSON_WEIGHTS, INTEREST_WEIGHTS, NEED_WEIGHTS = (4.5, 7.0), (1.5, 3.0), (1.2, 2.4)
SENIORITY_WEIGHTS, MENTORING_WEIGHTS = (1.0, 3.0), (-5.0, 5.0)
FEWER_INTERESTS_HELP = 0.3  # share of physics in which shared interests hurt
BASE_RATES = (0.45, 0.55)
SAMPLE = 4000  # random pairs that means and base rate are measured on


@dataclass(frozen=True)
class Facts:
    """All that decides about two people in a slot. A field holds one number, or an array with one number per pair."""

    shared: Any  # interests in common, 0 to 3
    needs_met: Any  # how many of the two find what they seek, 0 to 2
    energy_a: Any  # in [0, 1], in the slot
    energy_b: Any
    engagement_a: Any  # in [0, 1]
    engagement_b: Any
    gap: Any  # rungs of seniority between them, 0 to 4
    mentoring: Any  # whether one of them seeks mentoring

    @classmethod
    def of(cls, a: Person, b: Person, slot: TimeSlot) -> Facts:
        return cls(
            shared=len(set(a.interests) & set(b.interests)),
            needs_met=int(a.seeking in b.offering) + int(b.seeking in a.offering),
            energy_a=energy_at(a, slot),
            energy_b=energy_at(b, slot),
            engagement_a=a.engagement,
            engagement_b=b.engagement,
            gap=abs(a.rung - b.rung),
            mentoring=MENTORING in (a.seeking, b.seeking),
        )


@dataclass(frozen=True)
class Physics:
    """Weights in logits, forms, and what centres the success rate."""

    seed: int
    energy: float
    energy_form: str
    engagement: float
    engagement_form: str
    interests: float
    interest_values: tuple[float, ...]
    needs: float
    need_values: tuple[float, ...]
    seniority: float  # of a match: equal seniority is 1, the two ends of the ladder are 0
    mentoring: float  # of a gap where one of the two seeks mentoring
    means: Mapping[str, float] = field(default_factory=dict)  # of each factor's values over random pairs
    offset: float = 0.0

    def values(self, facts: Facts) -> dict[str, Any]:
        """The value of each factor, in [0, 1]."""
        gap = facts.gap / TOP_GAP
        return {
            "interests": np.array(self.interest_values)[np.minimum(facts.shared, len(self.interest_values) - 1)],
            "needs": np.array(self.need_values)[facts.needs_met],
            "energy": FORMS[self.energy_form](facts.energy_a, facts.energy_b),
            "engagement": FORMS[self.engagement_form](facts.engagement_a, facts.engagement_b),
            "seniority": 1.0 - gap,
            "mentoring": gap * facts.mentoring,
        }

    def effects(self, facts: Facts) -> dict[str, Any]:
        """What each factor adds to the logit of success, against an average pair. Mentoring counts as seniority."""
        found = {name: getattr(self, name) * (value - self.means[name]) for name, value in self.values(facts).items()}
        found["seniority"] = found["seniority"] + found.pop("mentoring")
        return found

    def logit(self, facts: Facts) -> Any:
        """The logit of success without chemistry."""
        return sum(self.effects(facts).values()) + self.offset

    def probability(self, a: Person, b: Person, slot: TimeSlot, chemistry: float) -> float:
        """Probability in (0, 1) that the meeting succeeds; `chemistry` is in logits."""
        return float(expit(self.logit(Facts.of(a, b, slot)) + chemistry))

    def deciding_factor(self, a: Person, b: Person, slot: TimeSlot) -> str:
        """The factor that moves this meeting's probability most, up or down."""
        effects = self.effects(Facts.of(a, b, slot))
        return max(effects, key=lambda name: abs(effects[name]))


@functools.cache
def physics(seed: int) -> Physics:
    """The physics of a seed: the documented default for 0, else drawn from the ranges of this module."""
    return centred(default_physics(), 0.5) if seed == 0 else drawn_physics(seed)


def default_physics() -> Physics:
    return Physics(
        seed=0,
        energy=4.5,
        energy_form="similarity",
        engagement=6.0,
        engagement_form="lower",
        interests=2.2,
        interest_values=ONE_INTEREST,
        needs=2.4,
        need_values=ONE_NEED,
        seniority=3.0,
        mentoring=5.0,
    )


def drawn_physics(seed: int) -> Physics:
    rng = random.Random(f"physics-{seed}")

    def signed(low: float, high: float, negative: float = 0.5) -> float:
        return (-1 if rng.random() < negative else 1) * rng.uniform(low, high)

    drawn = Physics(
        seed=seed,
        energy=signed(*PERSON_WEIGHTS),
        energy_form=rng.choice(list(FORMS)),
        engagement=signed(*PERSON_WEIGHTS),
        engagement_form=rng.choice(list(FORMS)),
        interests=signed(*INTEREST_WEIGHTS, FEWER_INTERESTS_HELP),
        interest_values=rng.choice((MORE_INTERESTS, ONE_INTEREST, EVEN_INTERESTS)),
        needs=rng.uniform(*NEED_WEIGHTS),
        need_values=rng.choice((MORE_NEEDS, ONE_NEED, BOTH_NEEDS)),
        seniority=signed(*SENIORITY_WEIGHTS),
        mentoring=rng.uniform(*MENTORING_WEIGHTS),
    )
    return centred(drawn, rng.uniform(*BASE_RATES))


def centred(drawn: Physics, base_rate: float) -> Physics:
    """The physics with centred factors, and the offset at which a share `base_rate` of random meetings succeeds."""
    facts = random_facts()
    means = {name: float(np.mean(value)) for name, value in drawn.values(facts).items()}
    around_zero = replace(drawn, means=means)
    return replace(around_zero, offset=-float(np.quantile(around_zero.logit(facts), 1.0 - base_rate)))


def physics_setting() -> int:
    """The flag of the commands that simulate meetings."""
    return setting(
        0, "decides what makes a meeting of the simulator succeed; 0 is the documented default", 0, 2**32 - 1
    )


@functools.cache
def random_facts() -> Facts:
    """The facts of `SAMPLE` random meetings, as arrays; no conference's people are among them."""
    rng = random.Random("physics-sample")
    slots = list(TimeSlot)
    rows = [Facts.of(random_person(rng, 0, ""), random_person(rng, 1, ""), rng.choice(slots)) for _ in range(SAMPLE)]
    return Facts(**{name: np.array([getattr(row, name) for row in rows]) for name in Facts.__dataclass_fields__})
