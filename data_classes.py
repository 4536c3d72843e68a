"""The conference: its people, its physics, its words, and the small helpers that every phase shares.

The simulator plays the part of the real world. A meeting succeeds with probability

    sigmoid( sum over factors of WEIGHTS[f] * (factor_f - FACTOR_MEANS[f])  +  chemistry )

where chemistry is noise between two people that nobody can observe. `PersonDescriptor` turns a person into the few
impressions an onlooker would note down; whatever it leaves out is what the agent's tools are for.

Importing this module loads neither torch nor npcpy.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import random
import tomllib
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from meeting_agent.common.files import InputError
from meeting_agent.common.text import identifier
from meeting_agent.tables.rows import Row, read_table

PHRASES_PATH = Path(__file__).resolve().parent / "data" / "phrases.toml"

INTERESTS_PER_PERSON = 3
OFFERS_PER_PERSON = 2
MOST_MEETINGS_A_DAY = 6


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

    @classmethod
    def named(cls, text: str) -> TimeSlot:
        """The slot that a person writes as "day2_morning" or "Day2 Morning"; raises ValueError for any other text."""
        return cls(identifier(text))

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


# ----------------------------------------------------------------------------- what people are like


@functools.cache
def phrases() -> dict:
    """The vocabulary of the conference, from `data/phrases.toml`."""
    return tomllib.loads(PHRASES_PATH.read_text(encoding="utf-8"))


def all_interests() -> list[str]:
    return list(phrases()["interests"])


def all_needs() -> list[str]:
    return list(phrases()["seeking"])


def listed(words: list[str]) -> str:
    """Words as English lists them: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


CHRONOTYPES = ("morning", "neutral", "evening")


def random_person(rng: random.Random, person_id: int, name: str) -> Person:
    """Draw one attendee; every attribute is independent of the others, so that ceilings can be computed exactly."""
    return Person(
        person_id=person_id,
        name=name,
        person_type=rng.choice(list(PersonType)),
        interests=tuple(sorted(rng.sample(all_interests(), INTERESTS_PER_PERSON))),
        seeking=rng.choice(all_needs()),
        offering=tuple(sorted(rng.sample(all_needs(), OFFERS_PER_PERSON))),
        energy=rng.random(),
        chronotype=rng.choice(CHRONOTYPES),
        meetings_today=rng.randint(0, MOST_MEETINGS_A_DAY),
        introversion=rng.random(),
        engagement=rng.random(),
    )


# ----------------------------------------------------------------------------- what tools and readers can judge

CHRONOTYPE_SHIFT = 0.2  # energy gained in one's own part of the day, lost in the opposite one
FATIGUE_PER_MEETING = 0.05  # for somebody of average introversion
ENERGY_PER_DAY = 0.05
ENERGY_OFFSET = 0.2  # centres the energy of a random person at a random slot on one half


def chronotype_shift(chronotype: str, part_of_day: str) -> float:
    """+0.2 in the part of the day that suits, -0.2 in the opposite one, 0 otherwise."""
    if chronotype == "neutral" or part_of_day == "afternoon":
        return 0.0
    return CHRONOTYPE_SHIFT if chronotype == part_of_day else -CHRONOTYPE_SHIFT


def energy_at(person: Person, slot: TimeSlot) -> float:
    """Energy of a person in a slot, in [0, 1]: rest, time of day, day, and meetings so far (which tire introverts)."""
    fatigue = FATIGUE_PER_MEETING * person.meetings_today * (0.5 + person.introversion)
    shift = chronotype_shift(person.chronotype, slot.part_of_day)
    level = person.energy + shift - fatigue - ENERGY_PER_DAY * (slot.day - 1) + ENERGY_OFFSET
    return min(1.0, max(0.0, level))


def interest_overlap(shared: int) -> float:
    """Topic overlap in [0, 1] from the number of shared interests."""
    return (0.0, 0.6, 1.0)[min(shared, 2)]


def need_fit(a_gets: bool, b_gets: bool) -> float:
    """How well the two serve each other's needs, in [0, 1]."""
    return (0.0, 0.6, 1.0)[int(a_gets) + int(b_gets)]


def seniority_match(a: Person, b: Person) -> float:
    """1 for equal seniority, 0 for the two ends of the ladder."""
    return 1.0 - abs(a.rung - b.rung) / 4


# ----------------------------------------------------------------------------- what makes a meeting succeed

WEIGHTS = {"interests": 2.6, "needs": 2.6, "energy": 5.4, "engagement": 5.6, "seniority": 1.4}
# Expected value of each factor over random pairs, which centres the success rate on one half.
FACTOR_MEANS = {"interests": 0.4983, "needs": 0.448, "energy": 0.5, "engagement": 0.5, "seniority": 0.635}
CHEMISTRY_SD = 0.42  # in logits


def success_factors(a: Person, b: Person, slot: TimeSlot) -> dict[str, float]:
    """Every factor of a meeting's success, each in [0, 1]."""
    return {
        "interests": interest_overlap(len(set(a.interests) & set(b.interests))),
        "needs": need_fit(a.seeking in b.offering, b.seeking in a.offering),
        "energy": (energy_at(a, slot) + energy_at(b, slot)) / 2,
        "engagement": (a.engagement + b.engagement) / 2,
        "seniority": seniority_match(a, b),
    }


def success_contributions(factors: dict[str, float]) -> dict[str, float]:
    """What each factor adds to the logit of success, against an average pair."""
    return {name: WEIGHTS[name] * (factors[name] - FACTOR_MEANS[name]) for name in WEIGHTS}


def success_probability(a: Person, b: Person, slot: TimeSlot, chemistry: float) -> float:
    """Probability in (0, 1) that the meeting succeeds; `chemistry` is in logits."""
    return 1.0 / (1.0 + math.exp(-sum(success_contributions(success_factors(a, b, slot)).values()) - chemistry))


CONFERENCES = ("sft", "traces", "evaluation")


def conference_seed(purpose: str, seed: int) -> int:
    """The simulator seed of one of `CONFERENCES`: no two purposes ever share one, whatever the user's seeds."""
    return seed * len(CONFERENCES) + CONFERENCES.index(purpose)


class ConferenceSimulator:
    """A conference of `num_attendees` people; `seed` decides who comes, never what makes meetings succeed."""

    def __init__(self, num_attendees: int = 500, seed: int = 42):
        names = phrases()["names"]
        most = len(names["first"]) * len(names["last"])
        if not 2 <= num_attendees <= most:
            raise ValueError(f"num_attendees must lie in 2..{most}, got {num_attendees}")
        self.seed = seed
        self._rng = random.Random(f"conference-{seed}")
        full_names = [f"{first} {last}" for first, last in itertools.product(names["first"], names["last"])]
        chosen = self._rng.sample(full_names, num_attendees)
        self.attendees: dict[int, Person] = {i: random_person(self._rng, i, name) for i, name in enumerate(chosen)}

    def meetings(self, count: int) -> list[Meeting]:
        """The first `count` meetings of this conference, the same for the same seed.

        Attendees meet in rounds: nobody meets twice before everybody has met once, so up to half as many meetings
        as there are attendees are independent of each other.
        """
        rng = random.Random(f"meetings-{self.seed}")
        slots = list(TimeSlot)
        waiting: list[int] = []
        meetings: list[Meeting] = []
        while len(meetings) < count:
            if len(waiting) < 2:
                waiting = sorted(self.attendees)
                rng.shuffle(waiting)
            meetings.append(self._meeting(rng, waiting.pop(), waiting.pop(), rng.choice(slots)))
        return meetings

    def _meeting(self, rng: random.Random, id_a: int, id_b: int, slot: TimeSlot) -> Meeting:
        a, b = self.attendees[id_a], self.attendees[id_b]
        contributions = success_contributions(success_factors(a, b, slot))
        return Meeting(
            scenario_id=f"c{self.seed}-{id_a}-{id_b}-{slot.value}",
            person_a=a,
            person_b=b,
            time_slot=slot,
            success_probability=success_probability(a, b, slot, rng.gauss(0.0, CHEMISTRY_SD)),
            reason=max(contributions, key=lambda name: abs(contributions[name])),
        )


# ----------------------------------------------------------------------------- how people are put into words

ENERGY_LEVELS = 5
ENGAGEMENT_LEVELS = 5
INTROVERSION_LEVELS = 3
MEETINGS_PER_LEVEL = ((0, 1), (2, 3), (4, 5, 6))


def level_of(value: float, levels: int) -> int:
    """The impression, 0 to levels - 1, that a value in [0, 1] makes."""
    return min(levels - 1, int(value * levels))


@dataclass(frozen=True)
class Description:
    """A description and what it gives away. None or an empty tuple means that the text does not say."""

    text: str
    interests: tuple[str, ...]
    seeking: str | None
    offering: tuple[str, ...]
    energy_level: int | None
    chronotype: str | None
    meetings_level: int | None
    introversion_level: int | None
    engagement_level: int | None


class PersonDescriptor:
    """Writes what an onlooker would note about an attendee.

    temperature 0 mentions everything in the plainest words; higher values leave more out and vary the wording.
    The same person, slot, temperature and seed always give the same text.
    """

    def __init__(self, temperature: float = 0.8, seed: int = 0):
        if not 0.0 <= temperature <= 2.0:
            raise ValueError(f"temperature must lie in 0..2, got {temperature}")
        self.temperature = temperature
        self.seed = seed

    def generate_description(self, person: Person, time_slot: TimeSlot) -> str:
        return self.describe(person, time_slot).text

    def describe(self, person: Person, time_slot: TimeSlot) -> Description:
        rng = random.Random(f"{self.seed}-{self.temperature}-{person!r}-{time_slot.value}")
        bank = phrases()
        # What is left out is left out whatever its value: silence carries no hint.
        interests = [i for i in person.interests if self._mention(rng, 0.25)]
        offering = [o for o in person.offering if self._mention(rng, 0.3)]
        rng.shuffle(interests)
        seeking = (person.seeking or None) if self._mention(rng, 0.25) else None
        energy = level_of(person.energy, ENERGY_LEVELS) if self._mention(rng, 0.2) else None
        meetings = next(i for i, group in enumerate(MEETINGS_PER_LEVEL) if person.meetings_today in group)
        meetings_level = meetings if self._mention(rng, 0.45) else None
        introversion = level_of(person.introversion, INTROVERSION_LEVELS) if self._mention(rng, 0.6) else None
        engagement = level_of(person.engagement, ENGAGEMENT_LEVELS) if self._mention(rng, 0.2) else None
        chronotype = person.chronotype if self._mention(rng, 0.5) else None

        # Who looks for or offers something that is not in the vocabulary is described in these words.
        sentences = []
        if interests:
            words = [self._pick(rng, bank["interests"].get(i, [i])) for i in interests]
            sentences.append(self._pick(rng, bank["interest_sentences"]["variants"]).format(list=listed(words)))
        sentences += [self._pick(rng, bank["offering"].get(o, [f"Offers {o}."])) for o in offering]
        if seeking is not None:
            sentences.append(self._pick(rng, bank["seeking"].get(seeking, [f"Looking for {seeking}."])))
        if chronotype is not None:
            sentences.append(self._pick(rng, bank["chronotype"][chronotype]))
        for topic, level in (
            ("energy", energy),
            ("meetings", meetings_level),
            ("introversion", introversion),
            ("engagement", engagement),
        ):
            if level is not None:
                sentences.append(self._pick(rng, bank[topic]["levels"][level]))
        if self.temperature > 0:
            rng.shuffle(sentences)
        named = person.person_type
        role = self._pick(rng, bank["roles"][named.value] if isinstance(named, PersonType) else [named]) + "."
        return Description(
            text=" ".join([role, *sentences]),
            interests=tuple(interests),
            seeking=seeking,
            offering=tuple(offering),
            energy_level=energy,
            chronotype=chronotype,
            meetings_level=meetings_level,
            introversion_level=introversion,
            engagement_level=engagement,
        )

    def _mention(self, rng: random.Random, omitted_at_one: float) -> bool:
        return rng.random() >= min(0.9, omitted_at_one * self.temperature)

    def _pick(self, rng: random.Random, variants: list[str]) -> str:
        reach = max(1, round(len(variants) * min(1.0, 0.25 + self.temperature)))
        return variants[rng.randrange(reach) if self.temperature > 0 else 0]


# ----------------------------------------------------------------------------- the training data

CSV_COLUMNS = ("input_text", "target_probability", "target_reason", "ground_truth_prob")
SFT_ROWS = 2000


@dataclass(frozen=True)
class TrainingRow:
    """One row of `data/sft_training_data.csv`; both probabilities lie in [0, 1]."""

    input_text: str
    target_probability: float
    target_reason: str
    ground_truth_prob: float


LONGEST_TEXT = 20_000  # characters of a field; two full descriptions have about 1,000


def read_training_rows(path: str | Path) -> list[TrainingRow]:
    """Reads a table with the four columns; raises InputError naming the column, or the row as the file counts them."""
    texts = ("input_text", "target_reason")
    rows = read_table(Path(path), CSV_COLUMNS, "--sft_data_path", longest=LONGEST_TEXT, several_lines=texts)
    if not rows:
        raise InputError(f"{path} has no rows")
    return [_training_row(row) for row in rows]


def _training_row(row: Row) -> TrainingRow:
    if not row.text("input_text"):
        raise InputError(f"{row.where}: input_text is empty")
    target, truth = row.number("target_probability", 0, 1), row.outcome("ground_truth_prob")
    return TrainingRow(row.text("input_text"), target, row.text("target_reason"), truth)


# ----------------------------------------------------------------------------- judging answers


def get_true_outcome(p: float) -> str:
    """YES if a probability lies above one half, else NO."""
    return "YES" if p > 0.5 else "NO"


def calculate_accuracy_metrics(results: list[dict]) -> dict:
    """Accuracy in [0, 1] of dicts with `prediction` (YES, NO or anything unparseable, which is wrong) and `actual`."""
    correct = sum(r["prediction"] == r["actual"] for r in results)
    total = len(results)
    return {"accuracy": correct / total if total else 0.0, "total_scenarios": total, "correct_count": correct}


LONGEST_ANSWER = 4_000


def safe_extract_json(text: object) -> dict | None:
    """The last JSON object in a model's output, or None; never raises, never evaluates anything.

    Prose, code fences and unfinished objects around it are passed over. Only the last `LONGEST_ANSWER` characters
    count: a server may send megabytes of brackets.
    """
    if not isinstance(text, str):
        return None
    text = text[-LONGEST_ANSWER:]
    decoder, found, at = json.JSONDecoder(), None, 0
    while (at := text.find("{", at)) != -1:
        try:
            value, at = decoder.raw_decode(text, at)
            found = value if isinstance(value, dict) else found
        except (ValueError, RecursionError):
            at += 1
    return found


@dataclass
class TrainingMetrics:
    """What a training run leaves behind: one entry of the trainer's log for each logged step or epoch."""

    history: list[dict]
    best_step: int
    seconds: float

    def curve(self, key: str) -> list[tuple[float, float]]:
        """(step, value) of every log entry that has `key`."""
        return [(entry["step"], entry[key]) for entry in self.history if key in entry]


class MeetingPredictor:
    """The SFT model as a function from two descriptions and a slot to a probability and a reason.

    `model_path` is the adapter that phase 1 wrote, or any causal LM; `fp32` is full precision also where the machine
    computes bfloat16. Answers are kept, so asking again costs nothing.
    """

    def __init__(self, model_path: str | Path, base_model_name: str | None = None, fp32: bool = False):
        from meeting_agent.inference.engine import open_engine

        self.engine = open_engine(str(model_path), base_model_name, fp32)
        self._answers: dict[str, dict] = {}

    def predict(self, person_a_desc: str, person_b_desc: str, time_slot: TimeSlot) -> dict:
        """`probability` in [0.01, 0.99] (an expectation over the model's digits) and `reason`, a word."""
        from meeting_agent.world.prompts import prediction_prompt

        return self.predict_many([prediction_prompt(person_a_desc, person_b_desc, time_slot)])[0]

    def forget(self) -> None:
        """Drops the answers kept so far."""
        self._answers.clear()

    def predict_many(self, prompts: list[str]) -> list[dict]:
        """`predict` for prompts made by `prediction_prompt`, in batches."""
        from meeting_agent.inference.prediction import predict_prompts

        new = list(dict.fromkeys(p for p in prompts if p not in self._answers))
        self._answers |= dict(zip(new, predict_prompts(self.engine, new), strict=True))
        return [self._answers[p] for p in prompts]
