"""The outcome of a meeting. Only this module knows the weight of each factor.

A meeting succeeds with probability

    sigmoid( sum over factors of WEIGHTS[f] * (factor_f - FACTOR_MEANS[f])  +  chemistry )

where chemistry is noise that nobody can observe.
"""

from __future__ import annotations

from scipy.special import expit

from data_classes import Person, TimeSlot
from meeting_agent.world.factors import energy_at, interest_overlap, need_fit, seniority_match

WEIGHTS = {"interests": 2.6, "needs": 2.6, "energy": 5.4, "engagement": 5.6, "seniority": 1.4}
# Mean of each factor over random pairs. Subtracting it makes the success rate about 0.5.
FACTOR_MEANS = {"interests": 0.4983, "needs": 0.448, "energy": 0.5, "engagement": 0.5, "seniority": 0.635}
CHEMISTRY_SD = 0.42  # in logits


def success_factors(a: Person, b: Person, slot: TimeSlot) -> dict[str, float]:
    """Factor -> its value in [0, 1]."""
    return {
        "interests": interest_overlap(len(set(a.interests) & set(b.interests))),
        "needs": need_fit(a.seeking in b.offering, b.seeking in a.offering),
        "energy": (energy_at(a, slot) + energy_at(b, slot)) / 2,
        "engagement": (a.engagement + b.engagement) / 2,
        "seniority": seniority_match(a, b),
    }


def success_contributions(factors: dict[str, float]) -> dict[str, float]:
    """Factor -> what it adds to the logit of success, compared with an average pair."""
    return {name: WEIGHTS[name] * (factors[name] - FACTOR_MEANS[name]) for name in WEIGHTS}


def success_probability(a: Person, b: Person, slot: TimeSlot, chemistry: float) -> float:
    """Probability in (0, 1) that the meeting succeeds; `chemistry` is in logits."""
    return float(expit(sum(success_contributions(success_factors(a, b, slot)).values()) + chemistry))
