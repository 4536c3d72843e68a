"""Makes a schedule: which of the user's own attendees should meet, in one slot or over several.

    python -m meeting_agent.scheduling.schedule --attendees data/sample_attendees.csv --slot day2_morning

Three filters select pairs, each more expensive than the one before: what the records have in common (for all pairs),
the phase 1 model's prediction from descriptions (for some pairs), and the aligned agent with its tools (for a few pairs
per person). The schedule is then the matching with the highest expected number of successes. A person who has met is
more tired in later slots of that day, and nobody meets the same person twice.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

import numpy as np

from data_classes import Meeting, Person, Recommendation, TimeSlot
from meeting_agent.agent.claims import grounded_claims, tool_results
from meeting_agent.common.files import InputError, write_csv
from meeting_agent.common.outputs import Output, check_outputs
from meeting_agent.common.settings import (
    input_path,
    output_path,
    overwrite_setting,
    parse_settings,
    run_script,
    setting,
)
from meeting_agent.common.text import listed
from meeting_agent.inference.bases import check_adapter
from meeting_agent.scheduling.calibration import Calibration, read_calibration
from meeting_agent.scheduling.matching import Pair, best_matching, best_partners, disjoint_matchings
from meeting_agent.world.attendees import read_attendees, under_known_names
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.people import MAX_MEETINGS_A_DAY
from meeting_agent.world.predictor import MeetingPredictor
from meeting_agent.world.prompts import prediction_prompt
from meeting_agent.world.scenarios import put_into_words
from meeting_agent.world.slots import named_slot
from meeting_agent.world.tools import finds, naive_score

PERSONA = "balanced"
COLUMNS = ("time_slot", "person_a", "person_b", "probability", "recommendation", "reason", "evidence")
WIDE = 12  # partners per person for the phase 1 model
LENGTH = timedelta(minutes=30)
STARTS = {"morning": time(10), "afternoon": time(14), "evening": time(18)}


@dataclass
class ScheduleConfig:
    """Settings of the schedule."""

    attendees: str = input_path("data/sample_attendees.csv", "CSV of the attendees (README, 'Your own')")
    slot: str = setting("day2_morning", "the slot to fill, or several slots in order, separated by commas")
    sft_model_path: str = input_path("models/sft_prediction_model_gemma_270m", "the adapter that phase 1 wrote")
    adapter_path: str = input_path("models/dpo_aligned_adapter", "the aligned adapter that phase 3 wrote")
    calibration: str = input_path("trajectories/evaluation_traces.json", "trajectories of phase 3's evaluation")
    output: str = output_path("build/schedule.csv", "file for the schedule; the calendar beside it ends with .ics")
    candidates: int = setting(3, "number of partners per person that agents evaluate", 1, 50)
    min_probability: float = setting(0.0, "minimum probability of success of a meeting", 0.0, 1.0)
    first_day: str = setting("2026-12-01", "date of Day1 in the calendar")
    overwrite: bool = overwrite_setting()


@dataclass(frozen=True)
class ScheduledMeeting:
    """One meeting of the schedule."""

    person_a: str  # name
    person_b: str
    slot: TimeSlot
    probability: float  # calibrated probability of success, in [0, 1]
    recommendation: str  # the agent's, or "no answer"
    reason: str  # shared interests; may be empty
    evidence: str  # the agent's grounded claims


def main() -> None:
    config = parse_settings(ScheduleConfig, __doc__.splitlines()[0])
    slots, first_day = read_slots(config.slot), read_date(config.first_day)
    known = under_known_names(read_attendees(Path(config.attendees)))
    check_config(config)
    scheduler = Scheduler(config.sft_model_path, config.adapter_path, read_calibration(Path(config.calibration)))
    own_names = {person.name: name for name, person in known.items()}
    meetings = [
        replace(m, person_a=own_names[m.person_a], person_b=own_names[m.person_b])
        for m in scheduler.day(list(known.values()), slots, config.candidates, config.min_probability)
    ]
    output = schedule_output(config)
    with output.writing() as folder:
        table, calendar = (folder / name for name in output.names)
        write_csv(table, COLUMNS, map(csv_row, meetings))
        write_calendar(calendar, meetings, first_day)
    print_table(meetings)
    print(f"{len(meetings)} meetings, {sum(m.probability for m in meetings):.1f} expected to succeed: {config.output}")


def read_slots(text: str) -> list[TimeSlot]:
    try:
        slots = [named_slot(name) for name in text.split(",")]
    except ValueError as error:
        raise InputError(f"--slot is {text[:60]!r}, {error}") from None
    if len(set(slots)) < len(slots):
        raise InputError("--slot names one slot twice: leave it out once")
    return slots


def read_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"--first_day is {text!r}: give a date as 2026-12-01") from None


def check_config(config: ScheduleConfig) -> None:
    for path, phase in ((config.sft_model_path, "starter_sft.py"), (config.adapter_path, "starter_agentic_rlft.py")):
        check_adapter(path, phase)
    read = ("attendees", "sft_model_path", "adapter_path", "calibration")
    check_outputs([schedule_output(config)], {f"--{name}": getattr(config, name) for name in read})


def schedule_output(config: ScheduleConfig) -> Output:
    """The table, and the calendar beside it: plan.ics for plan.csv, and plan.2026.ics for plan.2026."""
    path = Path(config.output)
    calendar = f"{path.stem if path.suffix == '.csv' else path.name}.ics"
    return Output("--output", path, "a schedule", beside=[calendar], overwrite=config.overwrite)


def common_ground(a: Person, b: Person) -> float:
    """Naive score in [0, 1] of what two people have in common by their records. It only selects pairs to look into."""
    shared = set(a.interests) & set(b.interests)
    found = {"shared": shared, "finds_a": finds(a, b), "finds_b": finds(b, a)}
    return naive_score("extract_common_interests_and_topics", found) or 0.0


class Scheduler:
    """Makes schedules with the phase 1 model and the aligned agent, which are loaded once."""

    def __init__(self, sft_model_path: str, adapter_path: str, calibration: Calibration):
        from meeting_agent.inference.bases import base_of_adapter
        from meeting_agent.inference.engine import Engine

        self.predictor = MeetingPredictor(sft_model_path)
        self.engine = Engine(base_of_adapter(Path(adapter_path)), adapter_path)
        self.calibration = calibration

    def day(
        self, people: Sequence[Person], slots: Sequence[TimeSlot], candidates: int, min_probability: float = 0.0
    ) -> list[ScheduledMeeting]:
        """The meetings of all slots, one slot after the other. A person who has met is more tired later that day."""
        met: set[Pair] = set()
        meetings: list[ScheduledMeeting] = []
        now = list(people)
        for before, slot in zip([None, *slots], slots, strict=False):
            if before and before.day != slot.day:
                now = [replace(person, meetings_today=0) for person in people]
            chosen = self.slot(now, slot, candidates, met, min_probability)
            for person in itertools.chain(*chosen):
                meetings_today = min(MAX_MEETINGS_A_DAY, now[person].meetings_today + 1)
                now[person] = replace(now[person], meetings_today=meetings_today)
            met.update(chosen)
            meetings += chosen.values()
        return meetings

    def slot(
        self,
        people: Sequence[Person],
        slot: TimeSlot,
        candidates: int,
        met: Collection[Pair] = (),
        min_probability: float = 0.0,
    ) -> dict[Pair, ScheduledMeeting]:
        """Pair of indices -> meeting, for the best meetings of one slot."""
        considered = self.considered(people, slot, met)
        shortlist = disjoint_matchings(considered, candidates)
        found = dict(zip(shortlist, self.look_into(people, slot, shortlist), strict=True))
        likely = {pair: m.probability for pair, m in found.items() if m.probability >= min_probability}
        return {pair: found[pair] for pair in best_matching(likely)}

    def considered(self, people: Sequence[Person], slot: TimeSlot, met: Collection[Pair] = ()) -> dict[Pair, float]:
        """The pairs with the most in common, and their weights: `common_ground` plus half of the prediction."""
        scores = np.full((len(people), len(people)), np.nan)
        for a, b in itertools.combinations(range(len(people)), 2):
            if (a, b) not in met:
                scores[a, b] = scores[b, a] = common_ground(people[a], people[b])
        pairs = best_partners(scores, WIDE)
        return {
            pair: scores[pair] + 0.5 * says
            for pair, says in zip(pairs, self.predicted(people, slot, pairs), strict=True)
        }

    def predicted(self, people: Sequence[Person], slot: TimeSlot, pairs: Sequence[Pair]) -> list[float]:
        """The phase 1 model's probability in [0.01, 0.99] for each pair."""
        from meeting_agent.inference.prediction import predict_probabilities

        said = [PersonDescriptor().generate_description(person, slot) for person in people]
        return predict_probabilities(
            self.predictor.engine, [prediction_prompt(said[a], said[b], slot) for a, b in pairs]
        )

    def look_into(self, people: Sequence[Person], slot: TimeSlot, pairs: Sequence[Pair]) -> list[ScheduledMeeting]:
        """Runs one agent on each pair, with greedy decoding."""
        from meeting_agent.agent.rollouts import CONCURRENT_AGENTS, RolloutCollector
        from meeting_agent.conference import Conference

        meetings_to_judge = [
            Meeting(f"{people[a].name} and {people[b].name}", people[a], people[b], slot, math.nan, "", succeeded=None)
            for a, b in pairs
        ]
        scenarios = put_into_words(meetings_to_judge, persona=PERSONA)
        collector = RolloutCollector(Conference(), self.predictor, scenarios, temperature=0.0, seed=0)
        meetings = []
        play = collector.agents_on(self.engine)
        for start in range(0, len(scenarios), CONCURRENT_AGENTS):
            jobs = [(scenario, 0) for scenario in scenarios[start : start + CONCURRENT_AGENTS]]
            meetings += [self.judged(s.subject, run["messages"]) for (s, _), run in zip(jobs, play(jobs), strict=True)]
        return meetings

    def judged(self, meeting: Meeting, messages: list[dict]) -> ScheduledMeeting:
        """The result of an agent's conversation. Without an answer the probability is 0."""
        from meeting_agent.agent.answers import parse_recommendation

        answer = messages[-1].get("content") or ""
        said = parse_recommendation(answer) or Recommendation(None, None, None)
        answered = said.probability is not None and messages[-1]["role"] == "assistant"
        shared = [topic for result in tool_results(messages) for topic in result.get("shared", [])]
        return ScheduledMeeting(
            meeting.person_a.name,
            meeting.person_b.name,
            meeting.time_slot,
            self.calibration.success(said.probability or 0.0, messages) if answered else 0.0,
            said.recommendation if answered and said.recommendation else "no answer",
            f"both like {listed(list(dict.fromkeys(shared)))}" if shared else "",
            ", ".join(f"{field} {value}" for field, value in dict.fromkeys(grounded_claims(messages))),
        )


def csv_row(m: ScheduledMeeting) -> list[str]:
    """The meeting as a row with the columns `COLUMNS`."""
    row = (m.slot.value, m.person_a, m.person_b, f"{m.probability:.3f}", m.recommendation, m.reason, m.evidence)
    return [no_formula(text) for text in row]


def no_formula(text: str) -> str:
    """Escapes text that a spreadsheet would run as a formula, because strangers write the names."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def write_calendar(path: Path, meetings: list[ScheduledMeeting], first_day: date) -> None:
    """Writes the meetings as an iCalendar file (RFC 5545) in local time without a time zone."""
    from icalendar import Calendar, Event

    calendar = Calendar()
    calendar.add("prodid", "-//meeting_agent//schedule//EN")
    calendar.add("version", "2.0")
    for m in meetings:
        start = datetime.combine(first_day + timedelta(days=m.slot.day - 1), STARTS[m.slot.part_of_day])
        event = Event()
        event.add("uid", uuid5(NAMESPACE_OID, f"{start} {m.person_a} {m.person_b}"))
        event.add("dtstamp", datetime.now(UTC))
        event.add("dtstart", start)
        event.add("dtend", start + LENGTH)
        event.add("summary", f"{m.person_a} and {m.person_b}")
        event.add("description", f"Probability of success {m.probability:.2f}. {m.reason}\n{m.evidence}")
        calendar.add_component(event)
    path.write_bytes(calendar.to_ical())


def print_table(meetings: list[ScheduledMeeting]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("slot", "who", "with", "success", "reason", "evidence")
    for m in meetings:
        words = (m.slot.label, m.person_a, m.person_b, f"{m.probability:.2f}", m.reason, m.evidence)
        table.add_row(*map(Text, words))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


if __name__ == "__main__":
    run_script(main)
