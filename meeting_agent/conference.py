"""The conference as an environment: should two attendees meet in a given time slot?

Only this module joins the world, its records and the corpus of the embedded base.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_classes import Meeting, Scenario, TrainingRow, Trajectory
from meeting_agent.agent.answers import get_true_outcome
from meeting_agent.agent.environment import AgentForm, Predict, Tool
from meeting_agent.agent.tool_calls import no_prediction
from meeting_agent.base.corpus import sample_short
from meeting_agent.base.dialogues import (
    NEXT_THOUGHTS,
    OPENING_THOUGHTS,
    WHAT_TOOLS_SHOW,
    dialogue_chat,
    main_factor,
)
from meeting_agent.base.questions import reading_question
from meeting_agent.base.summary import SUMMARY_OPENING
from meeting_agent.world import ceilings, counterfactuals, error_patterns, past_meetings, reward, scenarios, visible
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.outcome import Facts, physics
from meeting_agent.world.people import phrases
from meeting_agent.world.prompts import PREDICTION_QUESTION, scenario_prompt, system_prompt_configurations
from meeting_agent.world.slots import named_slot
from meeting_agent.world.tools import RATINGS, TOOL_LABELS, ConferenceTools, naive_score
from meeting_agent.world.training_rows import as_asked, in_parts, read_training_rows, swap_people

ZERO_LABEL_READINGS = ("interests", "needs", "mean energy", "mean engagement")  # what people would ask first
FAILING_CALLS = 0.25  # share of failing calls in the dialogues that get a made-up claim


class Conference:
    """The simulated conference, or a conference of the user's own attendees and their past meetings (two files)."""

    name = "meeting"
    personas: Mapping[str, str] = system_prompt_configurations
    ratings: Mapping[str, tuple[str, ...]] = RATINGS
    call_range = (reward.MIN_CALLS, reward.MAX_CALLS)
    tool_labels: Mapping[str, str] = TOOL_LABELS
    ceiling_tools: Mapping[str, tuple[str, ...]] = ceilings.VIEWS

    def __init__(
        self,
        attendees: str = "",
        meetings: str = "",
        physics_seed: int = 0,
        toolset: type[ConferenceTools] = ConferenceTools,
        descriptor: PersonDescriptor | None = None,
        outcome: str = "drawn",
        call_price: float = reward.CALL_PRICE,
    ):
        """Raises InputError for files that cannot be used. A subclass of `ConferenceTools` may add tools.

        `physics_seed` decides what makes a meeting of the simulator succeed (see `world/outcome.py`). `outcome` and
        `call_price` decide the reward (see `world/reward.py`).
        """
        reward.check_outcome(outcome)
        self.own = past_meetings.read_own_meetings(attendees, meetings)
        self.inputs = {"attendees": Path(attendees), "meetings": Path(meetings)} if self.own else {}
        self.toolset, self.descriptor = toolset, descriptor or PersonDescriptor()
        self.physics_seed = physics_seed
        self.outcome, self.call_price = outcome, call_price

    @classmethod
    def as_set(cls, attendees: str, meetings: str, settings: Mapping[str, Any]) -> Conference:
        """The conference of phase 2's settings. Phase 3 reads them from phase 2's summary, so both have one reward."""
        known = ("physics_seed", "outcome", "call_price")
        return cls(attendees, meetings, **{name: settings[name] for name in known if name in settings})

    # ------------------------------------------------------------------------- phase 1

    def read_rows(self, path: Path) -> list[TrainingRow]:
        return [replace(row, input_text=as_asked(row.input_text)) for row in read_training_rows(path)]

    def variants(self, input_text: str) -> list[str]:
        """The prompt, and the prompt with the two people swapped: the order of a pair does not matter."""
        return [input_text, swap_people(input_text)]

    def as_agent(self, row: TrainingRow) -> AgentForm | None:
        """The row with names and a persona, both drawn by its text, and an answer that opens with a summary."""
        if (parts := in_parts(row.input_text)) is None:
            return None
        rng = random.Random(f"agent-{row.input_text}")
        names = phrases()["names"]
        a, b = (f"{rng.choice(names['first'])} {rng.choice(names['last'])}" for _ in "ab")
        said_a, said_b, tail = parts
        try:
            slot = named_slot(tail.partition("\n")[0])
        except ValueError:
            return None
        persona = rng.choice(list(system_prompt_configurations.values()))
        question = scenario_prompt(a, said_a, b, said_b, slot)
        verdict = get_true_outcome(row.target_probability)
        number = f"{min(0.99, max(0.01, row.target_probability)):.2f}"
        return AgentForm(
            [{"role": "system", "content": persona}, {"role": "user", "content": question}],
            SUMMARY_OPENING,
            f'{{"probability": {number}, "recommendation": "{verdict}", "reasoning": "{main_factor(row.target_reason)}',
        )

    def rehearsals(self, count: int, seed: int) -> Iterator[tuple[list[dict], bool]]:
        """Chats of the embedded base's own corpus. Half of them are tool dialogues with random results.

        Their answers follow what their own prompts say counts. They contain no outcome.
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

    def naive_score(self, tool: str, result: Mapping[str, Any]) -> float | None:
        return naive_score(tool, result)

    def reward(self, trajectory: Trajectory) -> float:
        return reward.calculate_reward(trajectory, self.outcome, self.call_price)

    # ------------------------------------------------------------------------- phase 3

    def forced_words(self, results: Sequence[tuple[str, Mapping[str, Any]]], following: str | None) -> str:
        """As in the corpus: what comes next, and a summary before the answer."""
        if following is None:
            return SUMMARY_OPENING
        thoughts = NEXT_THOUGHTS if results else OPENING_THOUGHTS
        return thoughts[0].format(what=WHAT_TOOLS_SHOW.get(following, following))

    def expected_reward(self, trajectory: Trajectory, probability: float) -> float:
        return reward.expected_reward(trajectory, probability, self.call_price)

    def dialogues(self, rng: random.Random) -> Iterator[list[dict]]:
        """Dialogues of the embedded base's corpus with many failed calls, which rollouts rarely contain.

        Agents misquote results after DPO without them. Tool results are random, so the dialogues teach nothing about
        which tool to call.
        """
        while True:
            yield dialogue_chat(rng, FAILING_CALLS)

    def ceilings(self, scenarios: Sequence[Scenario]) -> dict[str, list[bool]]:
        """Decisions by Monte Carlo over the hidden attributes.

        The true probabilities of the user's own meetings are unknown, so for them only the majority class is returned.
        """
        if self.own:
            return {"majority": ceilings.majority_decisions([s.success_probability for s in scenarios])}
        meetings = [s.subject for s in scenarios]
        return ceilings.best_decisions(meetings, self.descriptor, physics(self.physics_seed))

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
        targets, test = [row.target_probability for row in fitted], [s.subject for s in scenarios]
        return {
            "boosting_visible": visible.boosting_baseline(meetings, targets, test, self.descriptor, seed),
            "ridge_visible": visible.ridge_baseline(meetings, targets, test, self.descriptor),
        }

    def reading_questions(self, scenario: Scenario) -> list[str]:
        """The base's own corpus questions about the two descriptions, in place of the prediction question."""
        context = scenario.prediction_prompt.removesuffix(PREDICTION_QUESTION)
        return [context + reading_question(name) for name in ZERO_LABEL_READINGS]

    def error_patterns(
        self, prompts: list[str], reasons: list[str], probabilities: list[float], success: list[float]
    ) -> list[dict]:
        return error_patterns.error_patterns(prompts, reasons, probabilities, success)

    def left_out(self, scenario: Scenario) -> dict[str, bool]:
        return counterfactuals.left_out(scenario.subject, self.descriptor)

    def opposite(self, scenario: Scenario, tool: str, result: Mapping[str, Any]) -> tuple[dict, int] | None:
        """What the tool says of two people who are the opposite in what it measures.

        None for the user's own meetings, whose physics nobody knows.
        """
        if self.own:
            return None
        meeting = scenario.subject
        choices = counterfactuals.opposite_people(meeting, tool)
        people, way = counterfactuals.furthest(meeting, choices, physics(self.physics_seed))
        if people is None:
            return None
        ask = getattr(self.toolset({p.name: p for p in people}, no_prediction, self.descriptor), tool)
        return dict(result) | ask(**scenario.arguments), way

    def named_factor(self, reasoning: str) -> str | None:
        return counterfactuals.named_factor(reasoning)

    def factor_effects(self, scenario: Scenario) -> dict[str, float]:
        """The effects of the true facts in logits. Empty for the user's own meetings."""
        if self.own:
            return {}
        m = scenario.subject
        effects = physics(self.physics_seed).effects(Facts.of(m.person_a, m.person_b, m.time_slot))
        return {name: float(effect) for name, effect in effects.items()}

    def likely_reasons(self, scenarios: Sequence[Scenario]) -> list[str]:
        """Empty for the user's own meetings."""
        world = physics(self.physics_seed)
        return [] if self.own else [ceilings.likely_reason(s.subject, self.descriptor, world) for s in scenarios]
