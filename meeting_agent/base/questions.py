"""Questions about two complete descriptions: readings, means of readings, and words to find in the text."""

from __future__ import annotations

import random

from data_classes import TimeSlot
from meeting_agent.base.readings import PAIR_READINGS, READINGS, Pair, energy_reading, shared_interests
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.people import phrases, random_person
from meeting_agent.world.prompts import pair_context

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


def ask_list(rng: random.Random, pair: Pair) -> tuple[str, str]:
    chosen = rng.sample(list(READINGS), rng.randint(5, 12))
    answer = ", ".join(f'"{name}": {number(READINGS[name](pair))}' for name in chosen)
    return "Rate this pair. Respond with JSON.", f"{{{answer}}}"


def ask_means(rng: random.Random, pair: Pair) -> tuple[str, str]:
    """Asks for means of readings. The answer never states the readings, so the model must take them from the text."""
    parts = [rng.sample(PAIR_READINGS, rng.choice((2, 3, 4, 4))) for _ in range(rng.randint(1, 7))]
    means = [sum(READINGS[name](pair) for name in chosen) / len(chosen) for chosen in parts]
    answer = ", ".join(f'"{"+".join(chosen)}": {number(m)}' for chosen, m in zip(parts, means, strict=True))
    return "Rate the means. Respond with JSON.", f"{{{answer}}}"


def ask_standout(rng: random.Random, pair: Pair) -> tuple[str, str]:
    chosen = rng.sample(PAIR_READINGS, rng.randint(2, 4))
    answer = max(chosen, key=lambda name: abs(READINGS[name](pair) - 0.5))
    return f"What stands out most: {', '.join(chosen)}? {ANSWER_FORMAT}", f'{{"answer": "{answer}"}}'


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
    "list": ask_list,
    "means": ask_means,
    "standout": ask_standout,
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
    """Asks one to three questions about a pair. For means that come first, no earlier answer can be copied."""
    more = rng.choices(("reading", "list", "standout", "words"), (2, 2, 1, 1), k=rng.randint(0, 2))
    return question_chat(rng, [first, *more])
