"""The interface between a task and the method: scenarios, tools, reward, and the text that training needs.

The phases see only an `Environment` and know nothing about its subject. `meeting_agent/conference.py` is one
environment, and the tests use a second one. Environments have no global state, so one process can open two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Protocol

from data_classes import Scenario, TrainingRow, Trajectory

Tool = Callable[..., Any]  # a function whose schema is made from its type hints and its Google-style docstring
Predict = Callable[[str], dict]  # prediction prompt -> {"probability", "reason"}


@dataclass(frozen=True)
class AgentForm:
    """A training row in the form of an agent's final answer."""

    messages: list[dict]  # system prompt and question, in OpenAI's chat format
    opening: str  # how the agent's turn begins; the model goes on up to its answer
    answer: str  # the final JSON up to the words that name the label's reason


class Environment(Protocol):
    """A task: a small model learns to predict its outcomes, and agents learn which tools to call for it."""

    name: str  # one word for a scenario, such as "meeting"
    personas: Mapping[str, str]  # name -> system prompt
    ratings: Mapping[str, tuple[str, ...]]  # tool -> the fractions of its result that answers call high or low
    call_range: tuple[int, int]  # minimum and maximum number of tool calls in a good trajectory
    tool_labels: Mapping[str, str]  # tool -> its label in the report
    ceiling_tools: Mapping[str, tuple[str, ...]]  # ceiling of `ceilings` -> the tools that its predictor asks

    @property
    def inputs(self) -> dict[str, Path]:
        """The user's files that the environment reads: setting -> path."""

    # -- phase 1

    def read_rows(self, path: Path) -> list[TrainingRow]:
        """The training rows of a file, with prompts worded like `prediction_prompt`.

        Raises InputError for a file that cannot be used.
        """

    def variants(self, input_text: str) -> list[str]:
        """Other wordings of the same question that must have the same answer, `input_text` included."""

    def as_agent(self, row: TrainingRow) -> AgentForm | None:
        """The row as an agent's last turn. None if its text has no such form."""

    def rehearsals(self, count: int, seed: int) -> Iterator[tuple[list[dict], bool]]:
        """`count` pairs (messages, whether tools are offered) that keep a base's abilities (experience replay)."""

    # -- phase 2

    def sizes(self, purpose: str, count: int) -> list[int]:
        """The length of each list that `scenarios` yields."""

    def scenarios(self, purpose: str, seed: int, count: int) -> Iterator[list[Scenario]]:
        """`count` scenarios in lists that are run one after another.

        `purpose` is "traces" or "evaluation"; the two share no scenario.
        """

    def tools(self, scenarios: Sequence[Scenario], predict: Predict) -> list[Tool]:
        """The tools, bound to the subjects of these scenarios. A tool may call `predict`, the phase 1 model."""

    def naive_score(self, tool: str, result: Mapping[str, Any]) -> float | None:
        """The score in [0, 1] that a reader without experience gives a tool's result; only baselines use it.

        None for an error, and for a tool whose results speak neither for nor against.
        """

    def reward(self, trajectory: Trajectory) -> float:
        """The reward of a trajectory, in [-1, 1]."""

    # -- phase 3

    def forced_words(self, results: Sequence[tuple[str, Mapping[str, Any]]], following: str | None) -> str:
        """What an agent writes after these (tool, result) and before it calls the tool `following`.

        Without `following`: how its last turn begins, up to a place between two tokens; no call comes after it. Agents
        that are made to call certain tools must write as they do when they choose.
        """

    def expected_reward(self, trajectory: Trajectory, probability: float) -> float:
        """The reward in [-1, 1] to expect if the outcome is YES with `probability` and the likelier answer is given.

        Deductions are those of `reward`.
        """

    def dialogues(self, rng: Random) -> Iterator[list[dict]]:
        """An endless stream of tool dialogues whose final answers hold claims; may be empty.

        Phase 3 makes pairs of a dialogue and its copy with a made-up claim.
        """

    def ceilings(self, scenarios: Sequence[Scenario]) -> dict[str, list[bool]]:
        """Whether the best possible decision on each scenario is right, by kind of information; may be empty.

        Kinds of information are for example "text_only" and "all_tools"; "majority" is the more frequent answer.
        """

    def baselines(
        self,
        rows: Sequence[TrainingRow],
        fitted: Sequence[TrainingRow],
        scenarios: Sequence[Scenario],
        seed: int,
        data_seed: int,
    ) -> dict[str, list[float]]:
        """Baseline -> its probability for each of `scenarios`, in [0, 1]; may be empty.

        The baselines know the task and are fitted on `fitted`, a part of `rows`.
        """

    def reading_questions(self, scenario: Scenario) -> list[str]:
        """Questions whose answers, without any label, hint at the outcome of a scenario; may be empty.

        A question asks for JSON: {"score": 0.XX}, where more is better. The untouched base answers them, and the mean
        of its answers is the baseline `zero_label_readings`.
        """

    def error_patterns(
        self, prompts: list[str], reasons: list[str], probabilities: list[float], success: list[float]
    ) -> list[dict]:
        """Accuracy and mean absolute error by group of prompts.

        Returns dicts with the keys `by`, `group`, `n`, `accuracy` and `mae`; may be empty.
        """

    # -- phase 3, how agents look things up and reason

    def left_out(self, scenario: Scenario) -> Mapping[str, bool]:
        """Tool -> whether the text leaves out what this tool shows, for tools whose facts a text may state.

        May be empty.
        """

    def opposite(self, scenario: Scenario, tool: str, result: Mapping[str, Any]) -> tuple[dict, int] | None:
        """The result that `tool` would give in an opposite world, and which way the true probability moves there.

        The way is +1 (up) or -1 (down). None if the opposite is unknown or moves the probability too little.
        """

    def named_factor(self, reasoning: str) -> str | None:
        """The factor that an agent's reasoning names as the deciding one. None if it names none."""

    def factor_effects(self, scenario: Scenario) -> Mapping[str, float]:
        """Factor -> how far it truly moves the outcome of the scenario, up or down; may be empty."""

    def likely_reasons(self, scenarios: Sequence[Scenario]) -> list[str]:
        """The most probable `reason` of each scenario given its text alone; may be empty."""
