"""The conference as an environment: should two attendees meet in a given time slot?

Only this module joins the world, its records and the corpus of the embedded base.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from data_classes import Meeting, Scenario, TrainingRow, Trajectory
from meeting_agent.agent.environment import Predict, Tool
from meeting_agent.base.corpus import sample_short
from meeting_agent.base.dialogues import dialogue_chat
from meeting_agent.base.questions import reading_question
from meeting_agent.world import ceilings, error_patterns, past_meetings, reward, scenarios, visible
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.outcome import physics
from meeting_agent.world.prompts import PREDICTION_QUESTION, system_prompt_configurations
from meeting_agent.world.tools import MAIN_SCORES, TOOL_LABELS, ConferenceTools
from meeting_agent.world.training_rows import as_asked, read_training_rows, swap_people

ZERO_LABEL_READINGS = ("topics", "energy", "engagement")  # together they cover all that the base was taught to read
FAILING_CALLS = 0.25  # share of failing calls in the dialogues that get a made-up claim


class Conference:
    """The simulated conference, or a conference of the user's own attendees and their past meetings (two files)."""

    name = "meeting"
    personas: Mapping[str, str] = system_prompt_configurations
    main_scores: Mapping[str, str] = MAIN_SCORES
    call_range = (reward.MIN_CALLS, reward.MAX_CALLS)
    tool_labels: Mapping[str, str] = TOOL_LABELS

    def __init__(
        self,
        attendees: str = "",
        meetings: str = "",
        physics_seed: int = 0,
        toolset: type[ConferenceTools] = ConferenceTools,
        descriptor: PersonDescriptor | None = None,
    ):
        """Raises InputError for files that cannot be used. A subclass of `ConferenceTools` may add tools.

        `physics_seed` decides what makes a meeting of the simulator succeed (see `world/outcome.py`).
        """
        self.own = past_meetings.read_own_meetings(attendees, meetings)
        self.inputs = {"attendees": Path(attendees), "meetings": Path(meetings)} if self.own else {}
        self.toolset, self.descriptor = toolset, descriptor or PersonDescriptor()
        self.physics_seed = physics_seed

    # ------------------------------------------------------------------------- phase 1

    def read_rows(self, path: Path) -> list[TrainingRow]:
        return [replace(row, input_text=as_asked(row.input_text)) for row in read_training_rows(path)]

    def variants(self, input_text: str) -> list[str]:
        """The prompt, and the prompt with the two people swapped: the order of a pair does not matter."""
        return [input_text, swap_people(input_text)]

    def rehearsals(self, count: int, seed: int) -> Iterator[tuple[list[dict], bool]]:
        """Chats of the embedded base's own corpus. Half of them are tool dialogues.

        Their tool results are random, and their answers are readings of a text or means of numbers. They contain no
        outcome. But in the default world such a mean is close to the best decision (docs/engineer.md, "Limits").
        """
        rng = random.Random(f"rehearsal-{seed}")
        for _ in range(count // 2):
            yield dialogue_chat(rng), True
        for _ in range(count - count // 2):
            yield sample_short(rng, 1.0), False

    # ------------------------------------------------------------------------- phase 2

    def sizes(self, purpose: str, count: int) -> list[int]:
        if self.own:
            return [min(count, len(self._own_meetings(purpose)))]
        return scenarios.conference_sizes(count)

    def scenarios(self, purpose: str, seed: int, count: int) -> Iterator[list[Scenario]]:
        """Meetings of the user's own attendees if there are any, else of the simulator."""
        if self.own:
            key = f"own-{seed}" if purpose == "traces" else f"own-{purpose}-{seed}"
            yield scenarios.put_into_words(self._own_meetings(purpose)[:count], key, self.descriptor)
        else:
            yield from scenarios.conferences(purpose, seed, count, self.physics_seed)

    def _own_meetings(self, purpose: str) -> list[Meeting]:
        assert self.own is not None
        return self.own.played if purpose == "traces" else self.own.held_out

    def tools(self, scenarios: Sequence[Scenario], predict: Predict) -> list[Tool]:
        people = [p for s in scenarios for p in (s.subject.person_a, s.subject.person_b)]
        return self.toolset({p.name: p for p in people}, predict, self.descriptor).functions

    def reward(self, trajectory: Trajectory) -> float:
        return reward.calculate_reward(trajectory)

    # ------------------------------------------------------------------------- phase 3

    def expected_reward(self, trajectory: Trajectory, probability: float) -> float:
        return reward.expected_reward(trajectory, probability)

    def dialogues(self, rng: random.Random) -> Iterator[list[dict]]:
        """Dialogues of the embedded base's corpus with many failed calls and many scores near 0 and 1.

        Rollouts rarely contain these, and agents misquote them after DPO. Tool results are random, so the dialogues
        teach nothing about which tool to call.
        """
        while True:
            yield dialogue_chat(rng, lambda: rng.random() ** rng.choice((0.25, 1, 4)), FAILING_CALLS)

    def ceilings(self, scenarios: Sequence[Scenario]) -> dict[str, float]:
        """Ceilings by Monte Carlo over the hidden attributes.

        The true probabilities of the user's own meetings are unknown, so for them only the majority share is returned.
        """
        if self.own:
            return {"majority": ceilings.majority_share([s.success_probability for s in scenarios])}
        meetings = [s.subject for s in scenarios]
        return ceilings.ceiling_accuracies(meetings, self.descriptor, physics(self.physics_seed))

    def baselines(
        self,
        rows: Sequence[TrainingRow],
        fitted: Sequence[TrainingRow],
        scenarios: Sequence[Scenario],
        seed: int,
        data_seed: int,
    ) -> dict[str, list[float]]:
        """Ridge regression and gradient boosting on the attributes that the texts state.

        Empty unless rows and scenarios come from the simulator.
        """
        meetings = (
            None if self.own else visible.meetings_behind(rows, fitted, data_seed, self.descriptor, self.physics_seed)
        )
        if meetings is None:
            return {}
        test = [s.subject for s in scenarios]
        return {
            "boosting_visible": visible.boosting_baseline(meetings, test, self.descriptor, seed),
            "ridge_visible": visible.ridge_baseline(meetings, test, self.descriptor),
        }

    def reading_questions(self, scenario: Scenario) -> list[str]:
        """The base's own corpus questions about the two descriptions, in place of the prediction question."""
        context = scenario.prediction_prompt.removesuffix(PREDICTION_QUESTION)
        return [context + reading_question(name) for name in ZERO_LABEL_READINGS]

    def error_patterns(
        self, prompts: list[str], reasons: list[str], probabilities: list[float], success: list[float]
    ) -> list[dict]:
        return error_patterns.error_patterns(prompts, reasons, probabilities, success)
