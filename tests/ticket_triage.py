"""A second environment, which shares nothing with the conference: should a support ticket be escalated?

A ticket has a text that everybody reads and two facts that only tools know: what the customer's account is worth and
how severe the fault behind the ticket is. The outcome follows from all three.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_classes import Scenario, TrainingRow, Trajectory
from meeting_agent.agent.environment import Predict, Tool
from meeting_agent.agent.tool_calls import ToolError, render_result

QUESTION = 'How likely is it an escalation? Respond with JSON: {"probability": 0.XX, "reason": "word"}'
AGENT_QUESTION = (
    "Is it an escalation? Call tools, then answer with JSON: "
    '{"probability": 0.XX, "recommendation": "YES" or "NO", "reasoning": "..."}'
)
PERSONAS = {"support lead": "You are a support lead. Look things up before you decide."}
TONES = {
    "Nothing works.": 0.9,
    "It is slow today.": 0.6,
    "A word is wrong on the page.": 0.2,
    "Thanks for the help.": 0.05,
}
FACTS = {"look_up_account": "account", "search_known_faults": "severity"}  # of a ticket, by the tool that tells it
RATINGS = {"look_up_account": ("account_score",), "search_known_faults": ("severity_score",)}


@dataclass(frozen=True)
class Ticket:
    number: int
    text: str
    account: float  # in [0, 1]: what the customer is worth
    severity: float  # in [0, 1]: of the fault behind it

    @property
    def name(self) -> str:
        return f"T{self.number}"

    @property
    def escalates(self) -> float:
        """The true probability in [0, 1]."""
        return min(0.99, max(0.01, 2.0 * (0.2 * TONES[self.text] + 0.4 * self.account + 0.4 * self.severity) - 0.5))


def tickets(key: str, count: int) -> list[Ticket]:
    rng = random.Random(key)
    first = {"train": 100, "traces": 400, "evaluation": 700}[key.partition("-")[0]]
    return [Ticket(first + i, rng.choice(list(TONES)), rng.random(), rng.random()) for i in range(count)]


def write_rows(path: Path, count: int) -> None:
    """Training data of this task, in the columns of any task."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("input_text", "target_probability", "target_reason", "ground_truth_prob"))
        for t in tickets("train-0", count):
            writer.writerow((f"{t.text} {t.number}\n\n{QUESTION}", f"{t.escalates:.2f}", "tone", f"{t.escalates:.4f}"))


def training_texts() -> Iterator[str]:
    """What a tokenizer for tickets is made from."""
    for messages, _ in TicketTriage().rehearsals(300, 0):
        yield from ("user\n", "model\n", "system\n", "tool\n", QUESTION)
        for message in messages:
            yield message["content"]
            for call in message.get("tool_calls", []):
                yield f'{{"name": "{call["function"]["name"]}", "arguments": {call["function"]["arguments"]}}}'


class TicketTriage:
    name = "ticket"
    personas: Mapping[str, str] = PERSONAS
    ratings: Mapping[str, tuple[str, ...]] = RATINGS
    call_range = (1, 2)
    tool_labels: Mapping[str, str] = {"look_up_account": "account", "search_known_faults": "faults"}
    ceiling_tools: Mapping[str, tuple[str, ...]] = {}
    inputs: dict[str, Path] = {}  # noqa: RUF012

    def forced_words(self, results, following: str | None) -> str:
        return '{"probability": 0.' if following is None else "I will check."

    def read_rows(self, path: Path) -> list[TrainingRow]:
        with Path(path).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return [
            TrainingRow(
                r["input_text"], float(r["target_probability"]), r["target_reason"], float(r["ground_truth_prob"])
            )
            for r in rows
        ]

    def variants(self, input_text: str) -> list[str]:
        return [input_text]

    def rehearsals(self, count: int, seed: int) -> Iterator[tuple[list[dict], bool]]:
        rng = random.Random(f"rehearsal-{seed}")
        for _ in range(count):
            yield self._dialogue(rng, rng.randrange(100, 1000)), True

    def _dialogue(self, rng: random.Random, number: int) -> list[dict]:
        """How an agent looks into a ticket: one or both tools, then the mean of what they said."""
        ticket = Ticket(number, rng.choice(list(TONES)), rng.random(), rng.random())
        messages = [
            {"role": "system", "content": PERSONAS["support lead"]},
            {"role": "user", "content": f"{ticket.name}. {ticket.text}\n\n{AGENT_QUESTION}"},
        ]
        tools = {tool.__name__: tool for tool in self._tools([ticket])}
        found: list[tuple[str, float]] = []
        for i, name in enumerate(rng.sample(list(tools), rng.choice((1, 2, 2)))):
            call = {"name": name, "arguments": f'{{"ticket": "{ticket.name}"}}'}
            calls = [{"id": f"call_{i}", "type": "function", "function": call}]
            result = render_result(tools[name](ticket.name))
            messages.append({"role": "assistant", "content": "I will check.", "tool_calls": calls})
            messages.append({"role": "tool", "tool_call_id": f"call_{i}", "content": result})
            found.append((RATINGS[name][0], round(getattr(ticket, FACTS[name]), 2)))
        p = min(0.99, sum(score for _, score in found) / len(found))
        said = ", ".join(f"{field} {score}" for field, score in found)
        answer = f'{{"probability": {p:.2f}, "recommendation": "{"YES" if p > 0.5 else "NO"}", "reasoning": "{said}"}}'
        return [*messages, {"role": "assistant", "content": answer}]

    def sizes(self, purpose: str, count: int) -> list[int]:
        return [count]

    def scenarios(self, purpose: str, seed: int, count: int) -> Iterator[list[Scenario]]:
        yield [
            Scenario(
                scenario_id=t.name,
                persona="support lead",
                system_prompt=PERSONAS["support lead"],
                user_prompt=f"{t.name}. {t.text}\n\n{AGENT_QUESTION}",
                prediction_prompt=f"{t.text} {t.number}\n\n{QUESTION}",
                arguments={"ticket": t.name},
                success_probability=t.escalates,
                reason="",
                outcome="YES" if random.Random(f"outcome-{t.name}").random() < t.escalates else "NO",
                subject=t,
            )
            for t in tickets(f"{purpose}-{seed}", count)
        ]

    def tools(self, scenarios: Sequence[Scenario], predict: Predict) -> list[Tool]:
        return self._tools([scenario.subject for scenario in scenarios])

    def _tools(self, known: Sequence[Ticket]) -> list[Tool]:
        by_name = {ticket.name: ticket for ticket in known}

        def find(name: str) -> Ticket:
            if name not in by_name:
                raise ToolError(f"unknown ticket {name[:20]!r}")
            return by_name[name]

        def look_up_account(ticket: str) -> dict:
            """What the customer's account is worth.

            Args:
                ticket: The number of the ticket.
            """
            return {"account_score": round(find(ticket).account, 2)}

        def search_known_faults(ticket: str) -> dict:
            """How severe the fault behind a ticket is.

            Args:
                ticket: The number of the ticket.
            """
            return {"severity_score": round(find(ticket).severity, 2)}

        return [look_up_account, search_known_faults]

    def naive_score(self, tool: str, result: Mapping[str, Any]) -> float | None:
        return result.get(RATINGS[tool][0])

    def reward(self, trajectory: Trajectory) -> float:
        if trajectory.recommendation not in ("YES", "NO"):
            return -1.0
        return 1.0 if trajectory.recommendation == trajectory.happened else 0.0

    def expected_reward(self, trajectory: Trajectory, probability: float) -> float:
        return max(probability, 1 - probability) if trajectory.recommendation in ("YES", "NO") else -1.0

    def dialogues(self, rng: random.Random) -> Iterator[list[dict]]:
        while True:
            yield self._dialogue(rng, rng.randrange(100, 1000))

    def ceilings(self, scenarios: Sequence[Scenario]) -> dict[str, list[bool]]:
        yes = [s.success_probability > 0.5 for s in scenarios]
        usual = 2 * sum(yes) >= len(yes)
        return {"majority": [answer == usual for answer in yes]}

    def baselines(self, rows, fitted, scenarios, seed: int, data_seed: int) -> dict[str, list[float]]:
        return {}

    def reading_questions(self, scenario: Scenario) -> list[str]:
        return []

    def error_patterns(self, prompts, reasons, probabilities, success) -> list[dict[str, Any]]:
        return []

    def left_out(self, scenario: Scenario) -> dict[str, bool]:
        return {}

    def opposite(self, scenario: Scenario, tool: str, result: Mapping[str, Any]) -> tuple[dict, int] | None:
        """The score mirrored; more of it always escalates more."""
        ((field, score),) = result.items()
        return None if abs(score - 0.5) < 0.2 else ({field: round(1.0 - score, 2)}, 1 if score < 0.5 else -1)

    def named_factor(self, reasoning: str) -> str | None:
        return None

    def factor_effects(self, scenario: Scenario) -> dict[str, float]:
        return {}

    def likely_reasons(self, scenarios: Sequence[Scenario]) -> list[str]:
        return []
