"""The best accuracy that any predictor could reach, by Monte Carlo over the attributes that it cannot see.

For each scenario we draw the hidden attributes many times, in agreement with the text and, for tools, with their
readings. The draws vote on whether the meeting succeeds. This vote is the Bayes decision, and the share of meetings
where it is right is the ceiling. Attributes are independent a priori, so their posterior given the text is exact: a
stated attribute lies within what was stated, and any other keeps its prior. Tool readings have Gaussian noise, so a
draw is weighted by the likelihood of the reading.
"""

from __future__ import annotations

import numpy as np

from data_classes import Meeting, TimeSlot
from meeting_agent.world.descriptions import (
    ENERGY_LEVELS,
    ENGAGEMENT_LEVELS,
    INTROVERSION_LEVELS,
    MEETINGS_PER_LEVEL,
    Description,
    PersonDescriptor,
)
from meeting_agent.world.energy import (
    ENERGY_OFFSET,
    ENERGY_PER_DAY,
    FATIGUE_PER_MEETING,
    chronotype_shift,
)
from meeting_agent.world.outcome import CHEMISTRY_SD, DEFAULT, MENTORING, Facts, Physics
from meeting_agent.world.people import (
    CHRONOTYPES,
    INTERESTS_PER_PERSON,
    MAX_MEETINGS_A_DAY,
    OFFERS_PER_PERSON,
    all_interests,
    all_needs,
)
from meeting_agent.world.tools import READING_NOISE_SD, noisy_energy, noisy_engagement

VIEWS = ("text_only", "text_and_topics", "text_and_energy", "text_and_follow_up", "all_tools")


def _uniform_in_level(rng: np.random.Generator, level: int | None, levels: int, draws: int) -> np.ndarray:
    low, high = (0.0, 1.0) if level is None else (level / levels, (level + 1) / levels)
    return rng.uniform(low, high, draws)


def _sample_sets(rng: np.random.Generator, options: list[str], stated: tuple[str, ...], size: int, draws: int):
    """Boolean (draws, len(options)): the stated options, filled up to `size` with random others."""
    known = np.array([option in stated for option in options])
    keys = rng.random((draws, len(options))) + known  # stated options outrank all others
    chosen = np.zeros((draws, len(options)), dtype=bool)
    np.put_along_axis(chosen, np.argsort(-keys, axis=1)[:, :size], True, axis=1)
    return chosen


def _sample_needs(rng: np.random.Generator, stated: str | None, draws: int) -> np.ndarray:
    """Indices into `all_needs()`, shape (draws,)."""
    needs = all_needs()
    return rng.integers(len(needs), size=draws) if stated is None else np.full(draws, needs.index(stated))


def _sample_energy(rng: np.random.Generator, said: Description, slot: TimeSlot, draws: int) -> np.ndarray:
    """Energy in the slot given the text, shape (draws,)."""
    rest = _uniform_in_level(rng, said.energy_level, ENERGY_LEVELS, draws)
    introversion = _uniform_in_level(rng, said.introversion_level, INTROVERSION_LEVELS, draws)
    group = range(MAX_MEETINGS_A_DAY + 1) if said.meetings_level is None else MEETINGS_PER_LEVEL[said.meetings_level]
    meetings = rng.choice(np.array(group), draws)
    types = CHRONOTYPES if said.chronotype is None else (said.chronotype,)
    shift = rng.choice(np.array([chronotype_shift(t, slot.part_of_day) for t in types]), draws)
    fatigue = FATIGUE_PER_MEETING * meetings * (0.5 + introversion)
    return np.clip(rest + shift - fatigue - ENERGY_PER_DAY * (slot.day - 1) + ENERGY_OFFSET, 0.0, 1.0)


def _given_reading(rng: np.random.Generator, samples: np.ndarray, reading: float) -> np.ndarray:
    """Resamples `samples` by the likelihood of a tool's `reading` (importance resampling)."""
    # Without the floor all weights could be zero: a reading clipped at 0 or 1 may be far from every draw.
    likelihood = np.exp(-0.5 * ((samples - reading) / READING_NOISE_SD) ** 2) + 1e-12
    return rng.choice(samples, len(samples), p=likelihood / likelihood.sum())


def _sample_topics(
    rng: np.random.Generator, said_a: Description, said_b: Description, draws: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interests in common, needs met, and whether somebody seeks mentoring, given the text, each of shape (draws,)."""
    options, needs = all_interests(), all_needs()
    shared = (
        _sample_sets(rng, options, said_a.interests, INTERESTS_PER_PERSON, draws)
        & _sample_sets(rng, options, said_b.interests, INTERESTS_PER_PERSON, draws)
    ).sum(axis=1)
    offers_a = _sample_sets(rng, needs, said_a.offering, OFFERS_PER_PERSON, draws)
    offers_b = _sample_sets(rng, needs, said_b.offering, OFFERS_PER_PERSON, draws)
    rows = np.arange(draws)
    seeks_a = _sample_needs(rng, said_a.seeking, draws)
    seeks_b = _sample_needs(rng, said_b.seeking, draws)
    mentor = needs.index(MENTORING)
    met = offers_b[rows, seeks_a].astype(int) + offers_a[rows, seeks_b]
    return shared, met, (seeks_a == mentor) | (seeks_b == mentor)


def bayes_votes(
    meeting: Meeting, descriptor: PersonDescriptor, seed: int, draws: int = 400, physics: Physics = DEFAULT
) -> dict[str, float]:
    """Share of `draws` draws, given each of `VIEWS`, in which success has a probability above one half."""
    rng = np.random.default_rng([seed, *meeting.scenario_id.encode()])
    a, b, slot = meeting.person_a, meeting.person_b, meeting.time_slot
    said_a, said_b = descriptor.describe(a, slot), descriptor.describe(b, slot)
    true = Facts.of(a, b, slot)

    shared, needs_met, mentoring = _sample_topics(rng, said_a, said_b, draws)
    topics = {"shared": shared, "needs_met": needs_met, "mentoring": mentoring}
    known = {"shared": np.full(draws, true.shared), "needs_met": np.full(draws, true.needs_met)}
    known["mentoring"] = _given_needs(mentoring, needs_met == true.needs_met)
    energy_a, energy_b = _sample_energy(rng, said_a, slot, draws), _sample_energy(rng, said_b, slot, draws)
    energy = {"energy_a": energy_a, "energy_b": energy_b}
    energy_known = {
        "energy_a": _given_reading(rng, energy_a, noisy_energy(a, slot)),
        "energy_b": _given_reading(rng, energy_b, noisy_energy(b, slot)),
    }
    engagement_a = _uniform_in_level(rng, said_a.engagement_level, ENGAGEMENT_LEVELS, draws)
    engagement_b = _uniform_in_level(rng, said_b.engagement_level, ENGAGEMENT_LEVELS, draws)
    engagement = {"engagement_a": engagement_a, "engagement_b": engagement_b}
    engagement_known = {
        "engagement_a": _given_reading(rng, engagement_a, noisy_engagement(a)),
        "engagement_b": _given_reading(rng, engagement_b, noisy_engagement(b)),
    }
    chemistry = rng.normal(0.0, CHEMISTRY_SD, draws)
    views = {
        "text_only": topics | energy | engagement,
        "text_and_topics": known | energy | engagement,
        "text_and_energy": topics | energy_known | engagement,
        "text_and_follow_up": topics | energy | engagement_known,
        "all_tools": known | energy_known | engagement_known,
    }
    logits = {view: physics.logit(Facts(gap=true.gap, **drawn)) for view, drawn in views.items()}
    return {view: float(np.mean(value + chemistry > 0)) for view, value in logits.items()}


def _given_needs(mentoring: np.ndarray, agrees: np.ndarray) -> np.ndarray:
    """The draws of `mentoring` that agree with the needs that a tool found met, repeated to as many; all if none do."""
    kept = mentoring[agrees]
    return np.resize(kept, len(mentoring)) if len(kept) else mentoring


def majority_share(success: list[float]) -> float:
    """Accuracy in [0, 1] of always giving the more frequent answer."""
    share = float(np.mean([p > 0.5 for p in success]))
    return max(share, 1 - share)


def ceiling_accuracies(
    meetings: list[Meeting],
    descriptor: PersonDescriptor,
    physics: Physics = DEFAULT,
    seed: int = 0,
    draws: int = 400,
) -> dict[str, float]:
    """Accuracy in [0, 1] of the Bayes decision under each of `VIEWS`, and of the majority class, on `meetings`."""
    success = [m.success_probability for m in meetings]
    truth = np.array([p > 0.5 for p in success])
    votes = [bayes_votes(m, descriptor, seed, draws, physics) for m in meetings]
    ceilings = {"majority": majority_share(success)}
    return ceilings | {view: float(np.mean((np.array([v[view] for v in votes]) > 0.5) == truth)) for view in VIEWS}
