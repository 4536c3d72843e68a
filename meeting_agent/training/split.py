"""Splits rows into training rows, selection rows (to select the epoch) and test rows (to report on)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from data_classes import TrainingRow
from meeting_agent.agent.environment import Environment
from meeting_agent.common.files import InputError


@dataclass(frozen=True)
class Split:
    """Training, selection and test rows. `data/sft_training_data.csv` has each attendee once."""

    train: list[TrainingRow]
    selection: list[TrainingRow]
    test: list[TrainingRow]


def read_rows(environment: Environment, path: str, at_most: int) -> list[TrainingRow]:
    """The first `at_most` rows of a file (0 reads all), without repeated prompts.

    A copy of a training row among the test rows would measure memory instead of prediction.
    """
    rows = environment.read_rows(Path(path))
    first: dict[str, TrainingRow] = {}
    for row in rows:
        first.setdefault(row.input_text, row)
    once = list(first.values())
    if len(once) < len(rows):
        print(f"warning: {path}: {len(rows) - len(once)} rows repeat the text of an earlier one and are left out")
    if len({row.ground_truth_prob > 0.5 for row in once}) == 1:
        print(f"warning: {path}: every meeting ends the same way, so accuracy will say nothing")
    return once[: at_most or None]


def split_rows(rows: list[TrainingRow], seed: int) -> Split:
    """Shuffles and splits rows 80 / 10 / 10. Raises InputError for fewer than 10 rows."""
    if len(rows) < 10:
        raise InputError(f"{len(rows)} rows are too few to train on: give at least 10")
    shuffled = random.Random(seed).sample(rows, len(rows))
    tenth = len(rows) // 10
    return Split(shuffled[2 * tenth :], shuffled[:tenth], shuffled[tenth : 2 * tenth])
