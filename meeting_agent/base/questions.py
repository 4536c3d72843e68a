"""Questions about two complete descriptions: readings, what counts, a summary, and words to find in the text."""

from __future__ import annotations

import random

from data_classes import TimeSlot
from meeting_agent.base.readings import (
    BASIC_READINGS,
    DERIVED_READINGS,
    READINGS,
    Pair,
    Reading,
    energy_reading,
    shared_interests,
)
from meeting_agent.base.summary import Known, in_sum, stated
from meeting_agent.base.what_counts import WhatCounts
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.people import phrases, random_person
from meeting_agent.world.prompts import PREDICTION_QUESTION, pair_context

Chat = list[dict]

SCORE_FORMAT = 'Respond with JSON: {"score": 0.XX}'
ANSWER_FORMAT = 'Respond with JSON: {"answer": "words"}'


def number(value: float) -> str:
    """Writes two decimals, and 0.99 for 1.00, so that every fraction starts with the same two tokens."""
    return f"{min(0.99, max(0.0, value)):.2f}"


def random_pair(rng: random.Random) -> Pair:
    names = phrases()["names"]
    people = []
    for i in range(2):
        people.append(random_person(rng, i, f"{rng.choice(names['first'])} {rng.choice(names['last'])}"))
    describer = PersonDescriptor(temperature=rng.choice((0.4, 0.8, 0.8, 1.0)), seed=rng.getrandbits(32))
    slot = rng.choice(list(TimeSlot))
    a, b = people
    return Pair(a, b, describer.describe(a, slot), describer.describe(b, slot), slot)


def reading_question(name: str) -> str:
    return f"How much is {name}? {SCORE_FORMAT}"


def ask_reading(rng: random.Random, pair: Pair, name: str | None = None) -> tuple[str, str]:
    """Asks for one reading, by default a random one."""
    name = name or rng.choice(list(READINGS))
    return reading_question(name), f'{{"score": {number(READINGS[name](pair))}}}'


def ask_basics(rng: random.Random, pair: Pair) -> tuple[str, str]:
    return "Rate this pair. Respond with JSON.", rated(rng, pair, BASIC_READINGS, rng.randint(4, 9))


def ask_derived(rng: random.Random, pair: Pair) -> tuple[str, str]:
    return "Rate them together. Respond with JSON.", rated(rng, pair, DERIVED_READINGS, rng.randint(4, 10))


def rated(rng: random.Random, pair: Pair, readings: dict[str, Reading], count: int) -> str:
    """JSON with `count` of these readings, in random order."""
    chosen = rng.sample(list(readings), min(count, len(readings)))
    found = ", ".join(f'"{name}": {number(readings[name](pair))}' for name in chosen)
    return f"{{{found}}}"


def ask_weighed(rng: random.Random, pair: Pair) -> tuple[str, str]:
    """Asks phase 1's question with what counts. The readings are never written, so they come from the text."""
    counts = WhatCounts.draw(rng)
    values = {name: READINGS[name](pair) for name in counts.signs}
    reason = counts.by_weight(values)[0]
    answer = f'{{"probability": {number(counts.probability(values))}, "reason": "{reason}"}}'
    return f"{counts.line}\n{PREDICTION_QUESTION}", answer


def ask_reason(rng: random.Random, pair: Pair) -> tuple[str, str]:
    counts = WhatCounts.draw(rng)
    ordered = counts.by_weight({name: READINGS[name](pair) for name in counts.signs})
    return f"{counts.line} What decides most? {ANSWER_FORMAT}", f'{{"answer": "{ordered[0]}"}}'


def ask_stated(rng: random.Random, pair: Pair) -> tuple[str, str]:
    return "What do the texts state?", stated(pair)


def ask_summary(rng: random.Random, pair: Pair) -> tuple[str, str]:
    return "Sum it up.", in_sum(Known(pair))


def ask_words(rng: random.Random, pair: Pair) -> tuple[str, str]:
    who, said = rng.choice((("Person A", pair.said_a), ("Person B", pair.said_b)))
    kind = rng.randrange(5)
    if kind == 0:
        question, answer = f"What does {who} look for?", said.seeking or "not stated"
    elif kind == 1:
        question, answer = f"What does {who} offer?", ", ".join(sorted(said.offering)) or "not stated"
    elif kind == 2:
        question, answer = f"What is {who} interested in?", ", ".join(sorted(said.interests)) or "not stated"
    elif kind == 3:
        question, answer = "Which interests do they share?", ", ".join(shared_interests(pair)) or "none"
    else:
        a, b = energy_reading(pair.said_a, pair.slot), energy_reading(pair.said_b, pair.slot)
        question, answer = "Who will have more energy?", "Person A" if a > b else "Person B"
    return f"{question} {ANSWER_FORMAT}", f'{{"answer": "{answer}"}}'


QUESTIONS = {
    "reading": ask_reading,
    "basics": ask_basics,
    "derived": ask_derived,
    "weighed": ask_weighed,
    "decides": ask_reason,
    "stated": ask_stated,
    "summary": ask_summary,
    "words": ask_words,
}


def question_chat(rng: random.Random, skills: list[str]) -> Chat:
    """Asks one question for each of `skills` about the same pair of people."""
    pair = random_pair(rng)
    lead = pair_context(pair.said_a.text, pair.said_b.text, pair.slot) + "\n\n"
    chat = []
    for skill in skills:
        question, answer = QUESTIONS[skill](rng, pair)
        chat += [{"role": "user", "content": lead + question}, {"role": "assistant", "content": answer}]
        lead = ""
    return chat


def pair_chat(rng: random.Random, first: str) -> Chat:
    """Asks one to three questions about a pair, the first of them of the kind `first`."""
    more = rng.choices(("reading", "basics", "derived", "words", "stated"), k=rng.choice((0, 0, 1, 2)))
    return question_chat(rng, [first, *more])
