"""Writes `data/sft_training_data.csv`, with the labels that an organiser would have.

After half of the meetings somebody rated them, to one decimal and with an error. Of the others the organiser knows only
whether they succeeded. The exact probability, with the chemistry in it, is in the column `ground_truth_prob`, which
only measures.

python -m meeting_agent.world.training_data --seed 42 --rows 2000 --output data/sft_training_data.csv
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from data_classes import Meeting
from meeting_agent.common.files import write_csv
from meeting_agent.common.outputs import Output
from meeting_agent.common.settings import output_path, overwrite_setting, parse_settings, run_script, setting
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.outcome import physics_setting
from meeting_agent.world.prompts import prediction_prompt
from meeting_agent.world.simulator import ConferenceSimulator, conference_seed
from meeting_agent.world.training_rows import CSV_COLUMNS, SFT_ROWS

RATED = 0.5  # share of rows with a rating; the others hold yes or no
RATING_SD = 0.15  # standard deviation of a rating's error
LOWEST_RATING, HIGHEST_RATING = 0.1, 0.9
YES, NO = 0.99, 0.01  # the largest and the smallest probability that the model can write


@dataclass
class DataConfig:
    """Settings of the data generator."""

    seed: int = setting(42, "seed of the conference's attendees and meetings", 0, 2**32 - 1)
    physics_seed: int = physics_setting()
    rows: int = setting(SFT_ROWS, "number of meetings to write; no attendee occurs twice", 1, 2400)
    temperature: float = setting(
        0.8, "temperature of the descriptions; higher values leave out more and vary the wording", 0.0, 2.0
    )
    output: str = output_path("data/sft_training_data.csv", "file for the CSV")
    overwrite: bool = overwrite_setting()


def training_meetings(seed: int, rows: int, physics_seed: int = 0) -> list[Meeting]:
    """The meetings of a seed's CSV, one per row."""
    return ConferenceSimulator(2 * rows, conference_seed("sft", seed), physics_seed).meetings(rows)


def main() -> None:
    config = parse_settings(DataConfig, "Writes the training data of phase 1.")
    descriptor = PersonDescriptor(config.temperature)
    output = Output("--output", config.output, "training data", overwrite=config.overwrite)
    output.check()
    with output.writing() as folder:
        meetings = training_meetings(config.seed, config.rows, config.physics_seed)
        rows = (csv_row(meeting, descriptor) for meeting in meetings)
        write_csv(folder / output.path.name, CSV_COLUMNS, rows)
    print(f"{config.rows} rows in {config.output}")


def csv_row(meeting: Meeting, descriptor: PersonDescriptor) -> tuple[str, ...]:
    """One row: the prompt, the `label` with two decimals, the reason, the exact probability."""
    slot, exact = meeting.time_slot, meeting.success_probability
    a, b = (descriptor.generate_description(person, slot) for person in (meeting.person_a, meeting.person_b))
    return prediction_prompt(a, b, slot), f"{label(meeting):.2f}", meeting.reason, f"{exact:.6f}"


def label(meeting: Meeting) -> float:
    """What an organiser knows of a meeting: a rating from 0.1 to 0.9, or 0.99 for a success and 0.01 for a failure.

    The same meeting always has the same label.
    """
    rng = random.Random(f"label-{meeting.scenario_id}")
    if rng.random() < RATED:
        rating = round(meeting.success_probability + rng.gauss(0.0, RATING_SD), 1)
        return min(HIGHEST_RATING, max(LOWEST_RATING, rating))
    return YES if meeting.succeeded else NO


if __name__ == "__main__":
    run_script(main)
