"""The best accuracy that any predictor could reach, by Monte Carlo over the attributes that it cannot see.

For each scenario we draw the hidden attributes many times, in agreement with the text and, for tools, with their
readings. The draws vote on whether the meeting succeeds. This vote is the Bayes decision, and the share of meetings
where it is right is the ceiling. Attributes are independent a priori, so their posterior given the text is exact: a
stated attribute lies within what was stated, and any other keeps its prior. Facts from tools replace draws.
Measurements have Gaussian noise and are rounded, so a draw is weighted by the likelihood of the measurement.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from data_classes import Meeting, Person, TimeSlot
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
from meeting_agent.world.outcome import CHEMISTRY_SD, MENTORING, Facts, Physics
from meeting_agent.world.people import (
    CHRONOTYPES,
    INTERESTS_PER_PERSON,
    MAX_MEETINGS_A_DAY,
    OFFERS_PER_PERSON,
    all_interests,
    all_needs,
)
from meeting_agent.world.tools import (
    FOLLOW_UP_NOISE_SD,
    LAST_CONTACTS,
    RATING_NOISE_SD,
    TOP_RATING,
    energy_rating,
    engagement_rating,
    follow_ups,
)

# Kind of information -> the tools that a predictor asks beside reading the text.
TOPICS, ENERGY, FOLLOW_UP = (
    "extract_common_interests_and_topics",
    "assess_time_slot_fit_and_energy",
    "predict_follow_up_potential",
)
VIEWS: dict[str, tuple[str, ...]] = {
    "text_only": (),
    "text_and_topics": (TOPICS,),
    "text_and_energy": (ENERGY,),
    "text_and_follow_up": (FOLLOW_UP,),
    "text_topics_and_energy": (TOPICS, ENERGY),
    "text_topics_and_follow_up": (TOPICS, FOLLOW_UP),
    "text_energy_and_follow_up": (ENERGY, FOLLOW_UP),
    "all_tools": (TOPICS, ENERGY, FOLLOW_UP),
}


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


def _sample_energy(
    rng: np.random.Generator, said: Description, slot: TimeSlot, draws: int, meetings: int | None = None
) -> np.ndarray:
    """Energy in the slot given the text, and the number of meetings so far if it is known, shape (draws,)."""
    rest = _uniform_in_level(rng, said.energy_level, ENERGY_LEVELS, draws)
    introversion = _uniform_in_level(rng, said.introversion_level, INTROVERSION_LEVELS, draws)
    group = range(MAX_MEETINGS_A_DAY + 1) if said.meetings_level is None else MEETINGS_PER_LEVEL[said.meetings_level]
    so_far = rng.choice(np.array(group if meetings is None else (meetings,)), draws)
    types = CHRONOTYPES if said.chronotype is None else (said.chronotype,)
    shift = rng.choice(np.array([chronotype_shift(t, slot.part_of_day) for t in types]), draws)
    fatigue = FATIGUE_PER_MEETING * so_far * (0.5 + introversion)
    return np.clip(rest + shift - fatigue - ENERGY_PER_DAY * (slot.day - 1) + ENERGY_OFFSET, 0.0, 1.0)


def _likelihood(true: np.ndarray, reading: float, noise_sd: float, step: float, top: float) -> np.ndarray:
    """P(reading) for each true value: Gaussian noise, limits 0 and `top`, then rounding to `step`."""
    low = -np.inf if reading <= 0 else reading - step / 2
    high = np.inf if reading >= top else reading + step / 2
    return ndtr((high - true) / noise_sd) - ndtr((low - true) / noise_sd)


def _resampled(rng: np.random.Generator, samples: np.ndarray, likelihood: np.ndarray) -> np.ndarray:
    """Importance resampling of `samples`, shape (draws,)."""
    weights = likelihood + 1e-12  # without it, all could be zero: a reading may be far from every draw
    return rng.choice(samples, len(samples), p=weights / weights.sum())


def _measured_energy(
    rng: np.random.Generator, person: Person, said: Description, slot: TimeSlot, draws: int
) -> np.ndarray:
    """Energy in the slot given the text and the energy tool, shape (draws,)."""
    energy = _sample_energy(rng, said, slot, draws, person.meetings_today)
    rating = energy_rating(person, slot)
    return _resampled(rng, energy, _likelihood(10 * energy, rating, RATING_NOISE_SD, 0.1, TOP_RATING))


def _measured_engagement(rng: np.random.Generator, person: Person, engagement: np.ndarray) -> np.ndarray:
    """Engagement given the text, from which `engagement` is drawn, and the follow-up tool, shape (draws,)."""
    rating = _likelihood(10 * engagement, engagement_rating(person), RATING_NOISE_SD, 0.1, TOP_RATING)
    contacts = LAST_CONTACTS * engagement
    count = _likelihood(contacts, follow_ups(person), FOLLOW_UP_NOISE_SD, 1.0, LAST_CONTACTS)
    return _resampled(rng, engagement, rating * count)


def _sample_topics(
    rng: np.random.Generator, said_a: Description, said_b: Description, draws: int
) -> dict[str, np.ndarray]:
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
    return {"shared": shared, "needs_met": met, "mentoring": (seeks_a == mentor) | (seeks_b == mentor)}


def bayes_draws(
    meeting: Meeting, descriptor: PersonDescriptor, seed: int, draws: int = 400
) -> tuple[dict[str, Facts], np.ndarray]:
    """`draws` draws of the facts given each of `VIEWS`, and of chemistry in logits, which no view shows."""
    rng = np.random.default_rng([seed, *meeting.scenario_id.encode()])
    a, b, slot = meeting.person_a, meeting.person_b, meeting.time_slot
    said_a, said_b = descriptor.describe(a, slot), descriptor.describe(b, slot)
    true = Facts.of(a, b, slot)
    engagement_a = _uniform_in_level(rng, said_a.engagement_level, ENGAGEMENT_LEVELS, draws)
    engagement_b = _uniform_in_level(rng, said_b.engagement_level, ENGAGEMENT_LEVELS, draws)
    said = {
        TOPICS: _sample_topics(rng, said_a, said_b, draws),
        ENERGY: {
            "energy_a": _sample_energy(rng, said_a, slot, draws),
            "energy_b": _sample_energy(rng, said_b, slot, draws),
        },
        FOLLOW_UP: {"engagement_a": engagement_a, "engagement_b": engagement_b},
    }
    looked_up = {
        TOPICS: {name: np.full(draws, getattr(true, name)) for name in ("shared", "needs_met", "mentoring")},
        ENERGY: {
            "energy_a": _measured_energy(rng, a, said_a, slot, draws),
            "energy_b": _measured_energy(rng, b, said_b, slot, draws),
        },
        FOLLOW_UP: {
            "engagement_a": _measured_engagement(rng, a, engagement_a),
            "engagement_b": _measured_engagement(rng, b, engagement_b),
        },
    }
    chemistry = rng.normal(0.0, CHEMISTRY_SD, draws)
    facts = {}
    for view, asked in VIEWS.items():
        parts = [(looked_up if tool in asked else said)[tool] for tool in said]
        facts[view] = Facts(gap=true.gap, **{name: values for part in parts for name, values in part.items()})
    return facts, chemistry


def bayes_votes(
    meeting: Meeting, descriptor: PersonDescriptor, physics: Physics, seed: int = 0, draws: int = 400
) -> dict[str, float]:
    """Share of `draws` draws, given each of `VIEWS`, in which success has a probability above one half."""
    facts, chemistry = bayes_draws(meeting, descriptor, seed, draws)
    return {view: float(np.mean(physics.logit(drawn) + chemistry > 0)) for view, drawn in facts.items()}


def likely_reason(
    meeting: Meeting, descriptor: PersonDescriptor, physics: Physics, seed: int = 0, draws: int = 400
) -> str:
    """The factor that decides in most of `draws` draws given the text alone: the best guess of a meeting's reason."""
    facts, _ = bayes_draws(meeting, descriptor, seed, draws)
    effects = {name: np.broadcast_to(e, draws) for name, e in physics.effects(facts["text_only"]).items()}
    decides = np.abs(np.stack(list(effects.values()))).argmax(axis=0)
    return list(effects)[int(np.bincount(decides).argmax())]


def majority_decisions(success: Sequence[float]) -> list[bool]:
    """Whether the more frequent answer is right on each meeting."""
    yes = [p > 0.5 for p in success]
    usual = sum(yes) >= len(yes) / 2
    return [answer == usual for answer in yes]


def best_decisions(
    meetings: Sequence[Meeting],
    descriptor: PersonDescriptor,
    physics: Physics,
    seed: int = 0,
    draws: int = 400,
) -> dict[str, list[bool]]:
    """Whether the Bayes decision under each of `VIEWS`, and the majority class, is right on each meeting."""
    success = [m.success_probability for m in meetings]
    votes = [bayes_votes(m, descriptor, physics, seed, draws) for m in meetings]
    right = {view: [(v[view] > 0.5) == (p > 0.5) for v, p in zip(votes, success, strict=True)] for view in VIEWS}
    return {"majority": majority_decisions(success)} | right


def ceiling_accuracies(
    meetings: Sequence[Meeting],
    descriptor: PersonDescriptor,
    physics: Physics,
    seed: int = 0,
    draws: int = 400,
) -> dict[str, float]:
    """The share of right decisions of `best_decisions`, in [0, 1]."""
    right = best_decisions(meetings, descriptor, physics, seed, draws)
    return {view: float(np.mean(decisions)) for view, decisions in right.items()}
