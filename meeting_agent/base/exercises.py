"""Short exercises of one skill each: what a phrase means, what a person states, what two people have in common."""

from __future__ import annotations

import random
from collections.abc import Sequence

from meeting_agent.base.questions import Chat, number, random_pair
from meeting_agent.base.readings import READINGS, Pair, energy_reading, engagement_reading, shared_interests
from meeting_agent.base.summary import Rating, compared
from meeting_agent.common.text import listed
from meeting_agent.world.descriptions import Description
from meeting_agent.world.people import (
    INTERESTS_PER_PERSON,
    OFFERS_PER_PERSON,
    all_interests,
    all_needs,
    phrases,
)

# Readings that depend on a match, and what A and B must state so that the text settles them.
MATCHES = {
    "need of A": ("seeking", "offering"),
    "need of B": ("offering", "seeking"),
    "one need": ("seeking", "seeking"),
    "interests": ("interests", "interests"),
}
PHRASE_TOPICS = ("energy", "engagement", "meetings", "introversion", "chronotype", "interests", "seeking", "offering")


def phrase_chat(rng: random.Random) -> Chat:
    """Lists phrases without context and what each one means. This teaches the vocabulary."""
    bank = phrases()
    chat = []
    for _ in range(2):
        said, answers = [], []
        for topic in rng.sample(PHRASE_TOPICS, rng.randint(3, 6)):
            if "levels" in bank[topic]:
                levels = bank[topic]["levels"]
                level = rng.randrange(len(levels))
                said.append(rng.choice(levels[level]))
                answers.append(f'"{topic}": {number((level + 0.5) / len(levels))}')
            else:
                name = rng.choice(list(bank[topic]))
                said.append(rng.choice(bank[topic][name]))
                answers.append(f'"{topic}": "{name}"')
        chat += [
            {"role": "user", "content": " ".join(said)},
            {"role": "assistant", "content": f"{{{', '.join(answers)}}}"},
        ]
    return chat


def person_chat(rng: random.Random) -> Chat:
    """Describes one person and lists everything that the text states, in random order."""
    pair = random_pair(rng)
    said = pair.said_a
    facts = [
        f'"energy": {number(energy_reading(said, pair.slot))}',
        f'"engagement": {number(engagement_reading(said))}',
        f'"seeking": "{said.seeking or "not stated"}"',
        f'"offering": "{", ".join(sorted(said.offering)) or "not stated"}"',
        f'"interests": "{", ".join(sorted(said.interests)) or "not stated"}"',
    ]
    rng.shuffle(facts)
    return [
        {"role": "user", "content": f"Person A: {said.text}\nTime: {pair.slot.label}"},
        {"role": "assistant", "content": f"{{{', '.join(facts)}}}"},
    ]


def match_chat(rng: random.Random, simple: bool) -> Chat:
    """States what two people seek, offer and like, and nothing else. No single word gives the match away.

    A `simple` chat states one kind of fact. A model learns the other chats, and complete pairs, only after these.
    """
    said_a, said_b = one_kind_each(rng) if simple else (few_facts(rng), few_facts(rng))
    people = random_pair(rng)
    pair = Pair(people.person_a, people.person_b, said_a, said_b, people.slot)
    names = [name for name, (side_a, side_b) in MATCHES.items() if getattr(said_a, side_a) and getattr(said_b, side_b)]
    facts = [f'"{name}": {number(READINGS[name](pair))}' for name in names]
    if said_a.interests and said_b.interests:
        shared = shared_interests(pair)
        facts.append(f'"common": {number(float(bool(shared)))}')
        if not simple:
            facts.append(f'"shared": "{", ".join(shared) or "none"}"')
    rng.shuffle(facts)
    return [
        {"role": "user", "content": f"Person A: {said_a.text}\nPerson B: {said_b.text}\n\nRate the match."},
        {"role": "assistant", "content": f"{{{', '.join(facts)}}}"},
    ]


def one_kind_each(rng: random.Random) -> tuple[Description, Description]:
    """Describes two people by their interests, or by a need and an offer. Half of these pairs match."""
    matches = rng.random() < 0.5
    if rng.random() < 0.6:  # there are more words for interests than for needs
        count_a, count_b = rng.choice((1, 1, 2, 3)), rng.choice((1, 1, 2, 3))
        drawn = rng.sample(all_interests(), count_a + count_b)
        interests_a, interests_b = drawn[count_b:], drawn[:count_b]
        if matches:
            interests_b[rng.randrange(count_b)] = rng.choice(interests_a)
        return stated(rng, interests=interests_a), stated(rng, interests=interests_b)
    sought, other = rng.sample(all_needs(), 2)
    seeker, giver = stated(rng, seeking=sought), stated(rng, offering=[sought if matches else other])
    return (seeker, giver) if rng.random() < 0.5 else (giver, seeker)


def lookup_chat(rng: random.Random) -> Chat:
    """Marks which of six interests a person has. No other chat holds as many matches in as few tokens."""
    theirs = rng.sample(all_interests(), rng.randint(1, INTERESTS_PER_PERSON))
    marked = []
    for _ in range(6):
        interest = rng.choice(theirs) if rng.random() < 0.4 else rng.choice(all_interests())
        marked.append(f"{rng.choice(phrases()['interests'][interest])} {number(float(interest in theirs))}")
    return [
        {"role": "user", "content": f"Person A: {stated(rng, interests=theirs).text}\n\nWhich of these fit?"},
        {"role": "assistant", "content": f"Interested in {', '.join(marked)}."},
    ]


def few_facts(rng: random.Random) -> Description:
    """A description with one to three kinds of facts that another person may match."""
    interests = rng.sample(all_interests(), rng.randint(1, INTERESTS_PER_PERSON)) if rng.random() < 0.6 else []
    seeking = rng.choice(all_needs()) if rng.random() < 0.8 else None
    offering = rng.sample(all_needs(), rng.randint(0 if interests or seeking else 1, OFFERS_PER_PERSON))
    return stated(rng, interests, seeking, offering)


def stated(
    rng: random.Random, interests: Sequence[str] = (), seeking: str | None = None, offering: Sequence[str] = ()
) -> Description:
    """A description that states only these facts, in random order."""
    bank = phrases()
    sentences = [rng.choice(bank["offering"][o]) for o in offering]
    if seeking is not None:
        sentences.append(rng.choice(bank["seeking"][seeking]))
    if interests:
        words = [rng.choice(bank["interests"][i]) for i in interests]
        sentences.append(rng.choice(bank["interest_sentences"]["variants"]).format(list=listed(words)))
    rng.shuffle(sentences)
    return Description(" ".join(sentences), tuple(interests), seeking, tuple(offering), None, None, None, None, None)


def compare_chat(rng: random.Random) -> Chat:
    """Compares ratings: the lower one and the difference, of measured ratings and of estimates."""
    chat = []
    for _ in range(rng.randint(3, 6)):
        measured = rng.random() < 0.6
        a, b = (Rating(round(rng.uniform(0, 9.9), 1) if measured else float(rng.randint(0, 9)), measured) for _ in "ab")
        chat += [
            {"role": "user", "content": f"Compare {a} and {b}."},
            {"role": "assistant", "content": f"{a}, {b}, {compared(a, b)}."},
        ]
    return chat
