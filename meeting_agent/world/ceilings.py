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
from meeting_agent.world.factors import (
    ENERGY_OFFSET,
    ENERGY_PER_DAY,
    FATIGUE_PER_MEETING,
    chronotype_shift,
    interest_overlap,
    need_fit,
    seniority_match,
)
from meeting_agent.world.outcome import CHEMISTRY_SD, FACTOR_MEANS, WEIGHTS
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
) -> tuple[np.ndarray, np.ndarray]:
    """Interests in common and needs met, given the text: two counts of shape (draws,)."""
    options, needs = all_interests(), all_needs()
    shared = (
        _sample_sets(rng, options, said_a.interests, INTERESTS_PER_PERSON, draws)
        & _sample_sets(rng, options, said_b.interests, INTERESTS_PER_PERSON, draws)
    ).sum(axis=1)
    offers_a = _sample_sets(rng, needs, said_a.offering, OFFERS_PER_PERSON, draws)
    offers_b = _sample_sets(rng, needs, said_b.offering, OFFERS_PER_PERSON, draws)
    rows = np.arange(draws)
    a_gets = offers_b[rows, _sample_needs(rng, said_a.seeking, draws)]
    b_gets = offers_a[rows, _sample_needs(rng, said_b.seeking, draws)]
    return shared, a_gets.astype(int) + b_gets


def _topic_logits(shared: np.ndarray, needs_met: np.ndarray) -> np.ndarray:
    overlap = np.array([interest_overlap(n) for n in range(INTERESTS_PER_PERSON + 1)])[shared]
    fit = np.array([need_fit(False, False), need_fit(True, False), need_fit(True, True)])[needs_met]
    return WEIGHTS["interests"] * (overlap - FACTOR_MEANS["interests"]) + WEIGHTS["needs"] * (
        fit - FACTOR_MEANS["needs"]
    )


def _pair_logits(factor: str, samples_a: np.ndarray, samples_b: np.ndarray) -> np.ndarray:
    return WEIGHTS[factor] * ((samples_a + samples_b) / 2 - FACTOR_MEANS[factor])


def bayes_votes(meeting: Meeting, descriptor: PersonDescriptor, seed: int, draws: int = 400) -> dict[str, float]:
    """Share of `draws` draws, given each of `VIEWS`, in which success has a probability above one half."""
    rng = np.random.default_rng([seed, *meeting.scenario_id.encode()])
    a, b, slot = meeting.person_a, meeting.person_b, meeting.time_slot
    said_a, said_b = descriptor.describe(a, slot), descriptor.describe(b, slot)

    topics = _topic_logits(*_sample_topics(rng, said_a, said_b, draws))
    true_shared = len(set(a.interests) & set(b.interests))
    true_needs_met = int(a.seeking in b.offering) + int(b.seeking in a.offering)
    topics_known = _topic_logits(np.full(draws, true_shared), np.full(draws, true_needs_met))

    energy_a, energy_b = _sample_energy(rng, said_a, slot, draws), _sample_energy(rng, said_b, slot, draws)
    energy = _pair_logits("energy", energy_a, energy_b)
    energy_known = _pair_logits(
        "energy",
        _given_reading(rng, energy_a, noisy_energy(a, slot)),
        _given_reading(rng, energy_b, noisy_energy(b, slot)),
    )

    engagement_a = _uniform_in_level(rng, said_a.engagement_level, ENGAGEMENT_LEVELS, draws)
    engagement_b = _uniform_in_level(rng, said_b.engagement_level, ENGAGEMENT_LEVELS, draws)
    engagement = _pair_logits("engagement", engagement_a, engagement_b)
    engagement_known = _pair_logits(
        "engagement",
        _given_reading(rng, engagement_a, noisy_engagement(a)),
        _given_reading(rng, engagement_b, noisy_engagement(b)),
    )

    chemistry = rng.normal(0.0, CHEMISTRY_SD, draws)
    rest = WEIGHTS["seniority"] * (seniority_match(a, b) - FACTOR_MEANS["seniority"]) + chemistry
    logits = {
        "text_only": topics + energy + engagement,
        "text_and_topics": topics_known + energy + engagement,
        "text_and_energy": topics + energy_known + engagement,
        "text_and_follow_up": topics + energy + engagement_known,
        "all_tools": topics_known + energy_known + engagement_known,
    }
    return {view: float(np.mean(value + rest > 0)) for view, value in logits.items()}


def majority_share(success: list[float]) -> float:
    """Accuracy in [0, 1] of always giving the more frequent answer."""
    share = float(np.mean([p > 0.5 for p in success]))
    return max(share, 1 - share)


def ceiling_accuracies(
    meetings: list[Meeting], descriptor: PersonDescriptor, seed: int = 0, draws: int = 400
) -> dict[str, float]:
    """Accuracy in [0, 1] of the Bayes decision under each of `VIEWS`, and of the majority class, on `meetings`."""
    success = [m.success_probability for m in meetings]
    truth = np.array([p > 0.5 for p in success])
    votes = [bayes_votes(m, descriptor, seed, draws) for m in meetings]
    ceilings = {"majority": majority_share(success)}
    return ceilings | {view: float(np.mean((np.array([v[view] for v in votes]) > 0.5) == truth)) for view in VIEWS}
