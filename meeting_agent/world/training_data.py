"""Writes `data/sft_training_data.csv`.

python -m meeting_agent.world.training_data --seed 42 --rows 2000 --output data/sft_training_data.csv
"""

from __future__ import annotations

import csv
from dataclasses import dataclass

from data_classes import Meeting
from meeting_agent.common.outputs import Output
from meeting_agent.common.settings import output_path, overwrite_setting, parse_settings, run_script, setting
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.prompts import prediction_prompt
from meeting_agent.world.simulator import ConferenceSimulator, conference_seed
from meeting_agent.world.training_rows import CSV_COLUMNS, SFT_ROWS


@dataclass
class DataConfig:
    """Settings of the data generator."""

    seed: int = setting(42, "decides who comes to the conference", 0, 2**32 - 1)
    rows: int = setting(SFT_ROWS, "meetings to write; no attendee occurs twice", 1, 2400)
    temperature: float = setting(0.8, "how terse and varied the descriptions are, 0 to 2", 0.0, 2.0)
    output: str = output_path("data/sft_training_data.csv", "where the CSV goes")
    overwrite: bool = overwrite_setting()


def training_meetings(seed: int, rows: int) -> list[Meeting]:
    """The meetings behind the CSV of a seed, one row each."""
    return ConferenceSimulator(2 * rows, conference_seed("sft", seed)).meetings(rows)


def main() -> None:
    config = parse_settings(DataConfig, "Writes the training data of phase 1.")
    descriptor = PersonDescriptor(config.temperature)
    describe = descriptor.generate_description
    output = Output("--output", config.output, "training data", overwrite=config.overwrite)
    output.check()
    with output.writing() as folder, (folder / output.path.name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for m in training_meetings(config.seed, config.rows):
            text = prediction_prompt(describe(m.person_a, m.time_slot), describe(m.person_b, m.time_slot), m.time_slot)
            shown = f"{min(0.99, max(0.01, m.success_probability)):.2f}"
            writer.writerow([text, shown, m.reason, f"{m.success_probability:.6f}"])
    print(f"{config.rows} rows in {config.output}")


if __name__ == "__main__":
    run_script(main)
