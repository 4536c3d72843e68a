"""The records that pass between the phases, and the course's public names.

Records are dataclasses and enums, typed, with a line on what each field holds. This module imports nothing of the
package; `ConferenceSimulator` and the other public names below are looked up where they are first used (PEP 562).
Importing it loads neither torch nor npcpy.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class PersonType(Enum):
    """The ten roles of the conference."""

    JUNIOR_FOUNDER = "junior_founder"
    SENIOR_FOUNDER = "senior_founder"
    JUNIOR_ENGINEER = "junior_engineer"
    SENIOR_ENGINEER = "senior_engineer"
    VC_PARTNER = "vc_partner"
    VC_ANALYST = "vc_analyst"
    SALES_EXEC = "sales_exec"
    PRODUCT_MANAGER = "product_manager"
    RESEARCHER = "researcher"
    EXECUTIVE = "executive"


# Rungs on the career ladder, 1 (entry) to 5 (top): only their differences matter.
SENIORITY = {
    PersonType.JUNIOR_ENGINEER: 1,
    PersonType.JUNIOR_FOUNDER: 2,
    PersonType.VC_ANALYST: 2,
    PersonType.PRODUCT_MANAGER: 3,
    PersonType.RESEARCHER: 3,
    PersonType.SALES_EXEC: 3,
    PersonType.SENIOR_ENGINEER: 4,
    PersonType.SENIOR_FOUNDER: 4,
    PersonType.EXECUTIVE: 5,
    PersonType.VC_PARTNER: 5,
}


class TimeSlot(Enum):
    """Three days of three sessions; `label` is how prompts write it ("Day1 Morning")."""

    DAY1_MORNING = "day1_morning"
    DAY1_AFTERNOON = "day1_afternoon"
    DAY1_EVENING = "day1_evening"
    DAY2_MORNING = "day2_morning"
    DAY2_AFTERNOON = "day2_afternoon"
    DAY2_EVENING = "day2_evening"
    DAY3_MORNING = "day3_morning"
    DAY3_AFTERNOON = "day3_afternoon"
    DAY3_EVENING = "day3_evening"

    @property
    def day(self) -> int:
        return int(self.value[3])

    @property
    def part_of_day(self) -> str:
        return self.value.partition("_")[2]

    @property
    def label(self) -> str:
        return f"Day{self.day} {self.part_of_day.capitalize()}"


@dataclass(frozen=True)
class Person:
    """One attendee. `energy`, `introversion` and `engagement` lie in [0, 1]."""

    person_id: int
    name: str
    person_type: PersonType | str  # of one's own attendees also words of their own; `seniority` then has a value
    interests: tuple[str, ...]
    seeking: str
    offering: tuple[str, ...]
    energy: float
    chronotype: str  # "morning", "neutral" or "evening"
    meetings_today: int
    introversion: float
    engagement: float
    # No part of the repr, which seeds the descriptions: the simulator's people, who have none, keep theirs.
    seniority: int | None = field(default=None, repr=False)

    @property
    def rung(self) -> int:
        """1 (entry) to 5 (top): the attendee's own, or else the role's."""
        return SENIORITY[PersonType(self.person_type)] if self.seniority is None else self.seniority


@dataclass(frozen=True)
class Meeting:
    """Two attendees in a slot, with the truth nobody at the conference knows beforehand."""

    scenario_id: str
    person_a: Person
    person_b: Person
    time_slot: TimeSlot
    success_probability: float
    reason: str


@dataclass(frozen=True)
class TrainingRow:
    """One row of `data/sft_training_data.csv`; both probabilities lie in [0, 1]."""

    input_text: str
    target_probability: float
    target_reason: str
    ground_truth_prob: float


@dataclass
class TrainingMetrics:
    """What a training run leaves behind: one entry of the trainer's log for each logged step or epoch."""

    history: list[dict]
    best_step: int
    seconds: float

    def curve(self, key: str) -> list[tuple[float, float]]:
        """(step, value) of every log entry that has `key`."""
        return [(entry["step"], entry[key]) for entry in self.history if key in entry]


# Where the course's other public names live.
PUBLIC = {
    "ConferenceSimulator": "meeting_agent.world.simulator",
    "PersonDescriptor": "meeting_agent.world.descriptions",
    "MeetingPredictor": "meeting_agent.world.predictor",
    "safe_extract_json": "meeting_agent.agent.answers",
    "get_true_outcome": "meeting_agent.agent.answers",
    "calculate_accuracy_metrics": "meeting_agent.agent.answers",
}


def __getattr__(name: str) -> Any:
    if name in PUBLIC:
        return getattr(importlib.import_module(PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
