"""What a task is to the method: scenarios, tools, reward, and the text that training needs.

Phases see an `Environment` and nothing of what it is about. The conference (`meeting_agent/conference.py`) is one; a
test plays another. Nothing of it is global: two can be open in one process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Protocol

from data_classes import Scenario, TrainingRow, Trajectory

Tool = Callable[..., Any]  # plain, with type hints and a Google-style docstring, which are its schema
Predict = Callable[[str], dict]  # prediction prompt -> {"probability", "reason"}


class Environment(Protocol):
    """A task that a small model learns to judge and agents learn to look into."""

    name: str  # what its scenarios are, in one word
    personas: Mapping[str, str]  # system prompts by name
    main_scores: Mapping[str, str]  # for each tool the field of its result that speaks for or against
    call_range: tuple[int, int]  # the fewest and the most tool calls of a good trajectory
    tool_labels: Mapping[str, str]  # what readers of the report see of each tool's name

    @property
    def inputs(self) -> dict[str, Path]:
        """Files of the user's that it reads, by the name of their setting."""

    # -- phase 1

    def read_rows(self, path: Path) -> list[TrainingRow]:
        """The training rows of a file, worded as predictions are asked; raises InputError for what cannot be used."""

    def variants(self, input_text: str) -> list[str]:
        """The same question in other words that must have the same answer, itself among them."""

    def rehearsals(self, count: int, seed: int) -> Iterator[tuple[list[dict], bool]]:
        """`count` chats that keep what a base can do (experience replay), each with whether tools are offered in it."""

    # -- phase 2

    def sizes(self, purpose: str, count: int) -> list[int]:
        """How many scenarios each list of `scenarios` will hold."""

    def scenarios(self, purpose: str, seed: int, count: int) -> Iterator[list[Scenario]]:
        """`count` scenarios for "traces" or "evaluation", which share none, in lists that are played one by one."""

    def tools(self, scenarios: Sequence[Scenario], predict: Predict) -> list[Tool]:
        """The tools, bound to what these scenarios are about; one of them may ask the phase 1 model."""

    def reward(self, trajectory: Trajectory) -> float:
        """How good a trajectory is, in [-1, 1]."""

    # -- phase 3

    def dialogues(self, rng: Random) -> Iterator[list[dict]]:
        """Tool dialogues that end in claims, without end, for pairs with a claim that no tool made; may be none."""

    def ceilings(self, scenarios: Sequence[Scenario]) -> dict[str, float]:
        """The best accuracy that anybody could reach, by what is seen ("text_only", "all_tools"); may be none."""

    def baselines(
        self,
        rows: Sequence[TrainingRow],
        fitted: Sequence[TrainingRow],
        scenarios: Sequence[Scenario],
        seed: int,
        data_seed: int,
    ) -> dict[str, list[float]]:
        """Probabilities of baselines that know the task, fitted on the `fitted` ones of all `rows`; may be none."""

    def error_patterns(
        self, prompts: list[str], reasons: list[str], probabilities: list[float], success: list[float]
    ) -> list[dict]:
        """Accuracy and error by groups of prompts, as {"by", "group", "n", "accuracy", "mae"}; may be none."""
