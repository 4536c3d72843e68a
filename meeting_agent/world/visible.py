"""The attributes that descriptions state, as numbers, and baselines on them: they know what a perfect reader would."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from data_classes import Meeting, TimeSlot, TrainingRow
from meeting_agent.world.descriptions import Description, PersonDescriptor
from meeting_agent.world.energy import chronotype_shift
from meeting_agent.world.outcome import MENTORING, TOP_GAP
from meeting_agent.world.people import INTERESTS_PER_PERSON
from meeting_agent.world.prompts import prediction_prompt
from meeting_agent.world.scenarios import MAX_MEETINGS
from meeting_agent.world.training_data import training_meetings

WRITTEN_WITHIN = 1e-5  # the file of training rows holds six digits


def meetings_behind(
    rows: Sequence[TrainingRow],
    fitted: Sequence[TrainingRow],
    data_seed: int,
    descriptor: PersonDescriptor,
    physics_seed: int = 0,
) -> list[Meeting] | None:
    """The simulated meetings of the rows `fitted`, a part of `rows`. None if they are of another seed or physics.

    Warns of rows that have this seed's texts and other probabilities: phase 1 then learned another world.
    """
    if len(rows) > MAX_MEETINGS:
        return None
    describe = descriptor.generate_description
    behind = {
        prediction_prompt(describe(m.person_a, m.time_slot), describe(m.person_b, m.time_slot), m.time_slot): m
        for m in training_meetings(data_seed, len(rows), physics_seed)
    }
    if not all(row.input_text in behind for row in fitted):
        return None
    found = [behind[row.input_text] for row in fitted]
    gaps = [abs(m.success_probability - row.ground_truth_prob) for m, row in zip(found, fitted, strict=True)]
    if max(gaps, default=0.0) > WRITTEN_WITHIN:
        warn_once(
            f"warning: phase 1's rows have other probabilities than physics {physics_seed}, which phase 2 used: make "
            "both with the same --physics_seed; the report will have no baselines on the stated attributes"
        )
        return None
    return found


@functools.cache
def warn_once(line: str) -> None:
    print(line, flush=True)


def boosting_baseline(
    train: list[Meeting], targets: list[float], test: list[Meeting], descriptor: PersonDescriptor, seed: int
) -> list[float]:
    """The probability in [0, 1] of each test meeting, by gradient boosting on the attributes that its text states.

    The booster gets the attributes instead of words, so it knows what a perfect reader would. `targets` are the labels
    of the training rows, in [0, 1]: the booster learns from what phase 1 learns from, and not from the true
    probabilities.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    booster = HistGradientBoostingRegressor(max_iter=150, learning_rate=0.06, max_leaf_nodes=8, random_state=seed)
    return fit_and_answer(booster, train, targets, test, descriptor)


def ridge_baseline(
    train: list[Meeting], targets: list[float], test: list[Meeting], descriptor: PersonDescriptor
) -> list[float]:
    """Like `boosting_baseline`, by ridge regression. An attribute that a text leaves out gets its mean."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    ridge = make_pipeline(SimpleImputer(), StandardScaler(), Ridge(alpha=1.0))
    return fit_and_answer(ridge, train, targets, test, descriptor)


def fit_and_answer(
    model, train: list[Meeting], targets: list[float], test: list[Meeting], descriptor: PersonDescriptor
) -> list[float]:
    known, asked = (np.array([visible_attributes(m, descriptor) for m in meetings]) for meetings in (train, test))
    stated = ~np.isnan(known).all(axis=0)  # scikit-learn refuses an attribute that no meeting states
    model.fit(known[:, stated], targets)
    return model.predict(asked[:, stated]).clip(0, 1).tolist()


def visible_attributes(meeting: Meeting, descriptor: PersonDescriptor) -> list[float]:
    """All attributes that the two texts state, as numbers. Attributes that they leave out are NaN.

    The order of a pair does not matter, so what each person has is followed by the lower, the higher, the distance and
    the sum of both, where an attribute that one text leaves out counts as middling.
    """
    slot = meeting.time_slot
    a, b = descriptor.describe(meeting.person_a, slot), descriptor.describe(meeting.person_b, slot)
    shared = len(set(a.interests) & set(b.interests))
    gap = abs(meeting.person_a.rung - meeting.person_b.rung) / TOP_GAP
    mentoring = float(MENTORING in (a.seeking, b.seeking))
    needs = [gets(a, b), gets(b, a)]
    features = [float(slot.day), gap, mentoring, gap * mentoring, *needs, float(np.nansum(needs)), float(shared)]
    features += [float(shared == number) for number in range(INTERESTS_PER_PERSON + 1)]
    features += [float(len(words)) for d in (a, b) for words in (d.interests, d.offering)]
    for first, second, middle in zip(levels_of(a, slot), levels_of(b, slot), MIDDLE, strict=True):
        x, y = (middle if np.isnan(level) else level for level in (first, second))
        features += [first, second, min(x, y), max(x, y), abs(x - y), x + y]
    return features


MIDDLE = (2.0, 0.0, 1.0, 1.0, 2.0)  # of the levels of `levels_of`


def levels_of(said: Description, slot: TimeSlot) -> list[float]:
    """Energy, shift by the part of the day, meetings, introversion and engagement that a text states, or NaN."""
    shift = None if said.chronotype is None else chronotype_shift(said.chronotype, slot.part_of_day)
    stated = [said.energy_level, shift, said.meetings_level, said.introversion_level, said.engagement_level]
    return [np.nan if level is None else float(level) for level in stated]


def gets(seeker: Description, giver: Description) -> float:
    return np.nan if seeker.seeking is None else float(seeker.seeking in giver.offering)
