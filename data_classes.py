"""The records that pass between the phases, and the course's public names.

Each record is a typed dataclass or enum with a comment on what each field holds. This module imports nothing from the
package. `ConferenceSimulator` and the other names in `PUBLIC` are imported on first use (PEP 562), so importing this
module loads neither torch nor npcpy.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field, fields
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


# Career level of each role, from 1 (entry) to 5 (top). Only the difference between two people matters.
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
    """The nine sessions of a three-day conference. Prompts use `label`, for example "Day1 Morning"."""

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
    person_type: PersonType | str  # a user's own attendee may have a free-text role; it then needs `seniority`
    interests: tuple[str, ...]
    seeking: str
    offering: tuple[str, ...]
    energy: float
    chronotype: str  # "morning", "neutral" or "evening"
    meetings_today: int
    introversion: float
    engagement: float
    # Left out of the repr because the repr seeds the descriptions. Simulated people have no value of their own, and
    # their descriptions must not change.
    seniority: int | None = field(default=None, repr=False)

    @property
    def rung(self) -> int:
        """The career level from 1 (entry) to 5 (top): the person's own `seniority`, or else the level of the role."""
        return SENIORITY[PersonType(self.person_type)] if self.seniority is None else self.seniority


@dataclass(frozen=True)
class Meeting:
    """Two attendees, a time slot, and how the meeting ends, which agents never see."""

    scenario_id: str
    person_a: Person
    person_b: Person
    time_slot: TimeSlot
    success_probability: float  # in [0, 1]
    reason: str  # the factor that decides
    succeeded: bool | None  # what happened, drawn once from the probability; None if the meeting has not taken place


@dataclass(frozen=True)
class TrainingRow:
    """One row of `data/sft_training_data.csv`; both probabilities lie in [0, 1]."""

    input_text: str  # the prompt
    target_probability: float  # what the model is trained to write: a rating, or yes or no as a number
    target_reason: str
    ground_truth_prob: float  # what the model is scored against; nothing is fitted on it


@dataclass(frozen=True)
class Scenario:
    """One question to an agent, and how it ends."""

    scenario_id: str
    persona: str  # name of the system prompt
    system_prompt: str
    user_prompt: str
    prediction_prompt: str  # the same question as the phase 1 model is asked it
    arguments: dict[str, str]  # arguments of every tool call; the engine fills them in for the model
    success_probability: float  # in [0, 1]; NaN if unknown
    reason: str  # the factor that decides; empty if unknown
    outcome: str  # what happened, YES or NO; empty if it has not happened
    subject: Any = None  # the environment's own record of the scenario, such as a `Meeting`


@dataclass(frozen=True)
class Recommendation:
    """The parsed final answer of an agent. A part that cannot be read is None."""

    recommendation: str | None  # YES, NO or any other word that the agent wrote, in capitals
    probability: float | None  # in [0, 1]
    reasoning: str | None

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_json(cls, value: Any) -> Recommendation | None:
        """Reads the object of a trajectory file, or the plain string of older files.

        Raises ValueError for anything else.
        """
        if value is None:
            return None
        if isinstance(value, str):
            return cls(value, None, None)
        if not isinstance(value, dict):
            raise ValueError(f"is {str(value)[:40]!r}, which is of the wrong type")
        said, probability, reasoning = (value.get(name) for name in ("recommendation", "probability", "reasoning"))
        is_number = isinstance(probability, int | float) and not isinstance(probability, bool)
        if not (said is None or isinstance(said, str)) or not (probability is None or is_number):
            raise ValueError(f"is {str(value)[:40]!r}, which is of the wrong type")
        return cls(said, probability, reasoning if isinstance(reasoning, str) else None)


@dataclass
class Trajectory:
    """One rollout: what one agent did in one scenario. Phase 2 and the evaluation write it."""

    id: str  # made of scenario, policy and sample; unique in a file
    scenario_id: str
    system_prompt_name: str  # the persona
    sample_index: int  # 0 for the first rollout of a scenario
    initial_user_prompt: str
    messages: list[dict]  # OpenAI's chat format: system prompt, question, then turns of the agent and tool results
    tools_used: list[str]  # names of the called tools, in call order
    total_iterations: int | None  # number of the agent's turns
    completed_naturally: bool  # whether the agent ended with a final answer
    tokens: int | None  # number of tokens that the agent wrote
    final_recommendation_parsed: Recommendation | None  # None if nothing can be read
    ground_truth: float | None  # the true probability of success, in [0, 1]
    true_outcome: str  # the likelier outcome: YES if the true probability is above 0.5, else NO
    happened: str  # the outcome that was drawn, YES or NO
    policy: str  # the policy that acted: "sft" is the phase 1 model, "dpo" is the policy after DPO
    seed: int | None  # seed of the sampling
    reward: float  # in [-1, 1]
    failure: str | None = None  # the kind of error, if the server failed and retries did not help
    cut_by: str | None = None  # "length" or "content_filter", if the final answer is incomplete

    @property
    def recommendation(self) -> str | None:
        return self.final_recommendation_parsed.recommendation if self.final_recommendation_parsed else None

    @property
    def probability(self) -> float | None:
        return self.final_recommendation_parsed.probability if self.final_recommendation_parsed else None

    def to_json(self) -> dict[str, Any]:
        said = self.final_recommendation_parsed
        value = vars(self) | {"final_recommendation_parsed": said.to_json() if said else None}
        return {k: v for k, v in value.items() if k not in ("failure", "cut_by") or v is not None}

    @classmethod
    def from_json(cls, value: Any) -> Trajectory:
        """Reads one object of a trajectory file. Raises ValueError that names the unusable field."""
        if not isinstance(value, dict):
            raise ValueError("is no object")
        for name, kind in TRAJECTORY_FIELDS.items():
            if name not in value:
                raise ValueError(f"{name} is missing")
            if not isinstance(value[name], kind) or (isinstance(value[name], bool) and kind is not bool):
                raise ValueError(f"{name} is {str(value[name])[:40]!r}, which is of the wrong type")
        if not -1.0 <= value["reward"] <= 1.0:
            raise ValueError(f"reward is {value['reward']}, not in -1..1")
        try:
            said = Recommendation.from_json(value.get("final_recommendation_parsed"))
        except ValueError as error:
            raise ValueError(f"final_recommendation_parsed {error}") from None
        roles = [
            m.get("role") if isinstance(m, dict) and isinstance(m.get("content"), str) else None
            for m in value["messages"]
        ]
        is_too_short = len(roles) < 3 and "failure" not in value  # a server may fail at the first turn
        if roles[:2] != ["system", "user"] or is_too_short or not {"assistant", "tool"} >= set(roles[2:]):
            raise ValueError("messages are not a system prompt, a question and what the agent and its tools said")
        known = {f.name for f in fields(cls)}
        return cls(
            **(
                TRAJECTORY_DEFAULTS
                | {"happened": value["true_outcome"]}  # in files of other programs an outcome is what happened
                | {k: v for k, v in value.items() if k in known}
                | {"final_recommendation_parsed": said}
            )
        )


# Fields that every trajectory in a file must have, and defaults for the fields that other programs may leave out.
TRAJECTORY_FIELDS: dict[str, Any] = {
    "id": str,
    "scenario_id": str,
    "system_prompt_name": str,
    "initial_user_prompt": str,
    "messages": list,
    "tools_used": list,
    "final_recommendation_parsed": object,
    "true_outcome": str,
    "reward": (int, float),
}
TRAJECTORY_DEFAULTS: dict[str, Any] = {
    "sample_index": 0,
    "total_iterations": None,
    "completed_naturally": True,
    "tokens": None,
    "ground_truth": None,
    "policy": "sft",
    "seed": None,
}


@dataclass(frozen=True)
class PreferencePair:
    """A chosen and a rejected trajectory of one prompt, in TRL's conversational preference format with tools."""

    scenario_id: str
    chosen_id: str
    rejected_id: str
    prompt: list[dict]  # system prompt and question
    chosen: list[dict]  # turns and tool results of the better trajectory
    rejected: list[dict]  # the same of the worse trajectory
    tools: list[dict]  # OpenAI tool schemas
    chosen_reward: float  # in [-1, 1]
    rejected_reward: float  # in [-1, 1]

    @classmethod
    def of(cls, chosen: Trajectory, rejected: Trajectory, tools: list[dict]) -> PreferencePair:
        return cls(
            scenario_id=chosen.scenario_id,
            chosen_id=chosen.id,
            rejected_id=rejected.id,
            prompt=chosen.messages[:2],
            chosen=chosen.messages[2:],
            rejected=rejected.messages[2:],
            tools=tools,
            chosen_reward=chosen.reward,
            rejected_reward=rejected.reward,
        )

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass
class TrainingMetrics:
    """The result of a training run."""

    history: list[dict]  # the trainer's log: one entry for each logged step or epoch
    best_step: int  # the step whose weights were kept
    seconds: float  # duration of the training

    def curve(self, key: str) -> list[tuple[float, float]]:
        """(step, value) for every log entry that has `key`."""
        return [(entry["step"], entry[key]) for entry in self.history if key in entry]


# The course's other public names, and the module of each.
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
