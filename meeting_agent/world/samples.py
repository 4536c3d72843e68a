"""Writes `data/sample_attendees.csv` and `data/sample_meetings.csv`, examples of a user's own files.

    python -m meeting_agent.world.samples

The people are made up. They belong to streams and mostly meet people of their own stream. Outcomes are drawn with the
simulator's probabilities. The files show the format; they say nothing about real people.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from data_classes import PersonType, TimeSlot
from meeting_agent.common.files import write_csv
from meeting_agent.common.outputs import Output
from meeting_agent.common.settings import output_path, overwrite_setting, parse_settings, run_script, setting
from meeting_agent.world import attendees
from meeting_agent.world import past_meetings as own_meetings
from meeting_agent.world.outcome import CHEMISTRY_SD, physics
from meeting_agent.world.people import (
    CHRONOTYPES,
    MAX_MEETINGS_A_DAY,
    OFFERS_PER_PERSON,
    all_interests,
    all_needs,
    phrases,
)

STREAM = 12  # people per stream
ACROSS = 0.05  # share of meetings between streams
# Roles and interests that the simulator does not know, like those of a real organiser.
OWN_ROLES = (("Community manager", 2), ("City planner", 3), ("Foundation director", 5))
OWN_INTERESTS = ("urban farming", "open hardware")


@dataclass
class SampleConfig:
    """Settings of the sample files."""

    seed: int = setting(7, "seed of the people, the meetings and their outcomes", 0, 2**32 - 1)
    people: int = setting(60, "number of attendees", 2 * STREAM, 1000)
    meetings: int = setting(240, "number of meetings", 1, 10_000)
    folder: str = output_path("data", "folder for the two files")
    overwrite: bool = overwrite_setting()


def main() -> None:
    config = parse_settings(SampleConfig, "Writes sample files of attendees and past meetings.")
    rng = random.Random(f"samples-{config.seed}")
    first, second = "sample_attendees.csv", "sample_meetings.csv"
    path = Path(config.folder) / first
    output = Output("--folder", path, "sample data", beside=[second], overwrite=config.overwrite)
    output.check()
    with output.writing() as folder:
        columns = (*attendees.COLUMNS, "chronotype", "introversion")
        write_csv(folder / first, columns, sample_people(rng, config.people))
        meetings = sample_meetings(rng, folder / first, config.meetings)
        write_csv(folder / second, own_meetings.COLUMNS, meetings)
    print(f"{config.people} attendees in {path}, {config.meetings} meetings in {path.with_name(second)}")


def sample_people(rng: random.Random, count: int) -> Iterable[list[object]]:
    names = phrases()["names"]
    chosen = rng.sample([f"{first} {last}" for first in names["first"] for last in names["last"]], count)
    for number, name in enumerate(chosen):
        role, seniority = rng.choice(list(PersonType)).value, ""
        if number % 20 == 7:
            role, rung = OWN_ROLES[number // 20 % len(OWN_ROLES)]
            seniority = str(rung)
        interests = rng.sample([*all_interests(), *(OWN_INTERESTS if number % 5 == 0 else ())], 3)
        offering = rng.sample(all_needs(), OFFERS_PER_PERSON)
        yield [
            *(name, role, seniority, ";".join(interests), rng.choice(all_needs()), ";".join(offering)),
            *(f"{rng.random():.2f}", f"{rng.random():.2f}", rng.randint(0, MAX_MEETINGS_A_DAY)),
            *(rng.choice(CHRONOTYPES), f"{rng.random():.2f}"),
        ]


def sample_meetings(rng: random.Random, people: Path, count: int) -> Iterable[list[object]]:
    known = attendees.read_attendees(people)
    met: set[tuple] = set()
    while len(met) < count:
        a, within = rng.choice(known), rng.random() >= ACROSS
        others = [p for p in known if (p.person_id // STREAM == a.person_id // STREAM) == within]
        b, slot = rng.choice(others), rng.choice(list(TimeSlot))
        if a is b or (frozenset((a, b)), slot) in met:
            continue
        met.add((frozenset((a, b)), slot))
        p = physics(0).probability(a, b, slot, rng.gauss(0.0, CHEMISTRY_SD))
        yield [a.name, b.name, slot.value, "yes" if rng.random() < p else "no"]


if __name__ == "__main__":
    run_script(main)
