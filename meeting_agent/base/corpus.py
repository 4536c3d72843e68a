"""What the base model reads: descriptions, questions about them, arithmetic on scores, and tool dialogues.

It plays the part of instruction tuning. Nothing here knows an outcome: tool results in the dialogues are random
numbers, unrelated to the descriptions above them, and final answers are plain means of the scores in view, so the
model learns to read and to combine, and nothing about what makes a meeting succeed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence

import numpy as np

from data_classes import TimeSlot
from meeting_agent.agent.tool_calls import render_result
from meeting_agent.base.readings import (
    PAIR_READINGS,
    READINGS,
    Pair,
    energy_reading,
    engagement_reading,
    shared_interests,
)
from meeting_agent.common.text import listed
from meeting_agent.world.descriptions import Description, PersonDescriptor
from meeting_agent.world.people import (
    INTERESTS_PER_PERSON,
    OFFERS_PER_PERSON,
    all_interests,
    all_needs,
    phrases,
    random_person,
)
from meeting_agent.world.prompts import pair_context, scenario_prompt, system_prompt_configurations
from meeting_agent.world.tools import MAIN_SCORES

Chat = list[dict]

SCORE_FORMAT = 'Respond with JSON: {"score": 0.XX}'
ANSWER_FORMAT = 'Respond with JSON: {"answer": "words"}'


def number(value: float) -> str:
    """Two decimals, never 1.00: every fraction starts with the same two tokens."""
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


# ----------------------------------------------------------------------------- questions about two people


def ask_reading(rng: random.Random, pair: Pair, name: str | None = None) -> tuple[str, str]:
    """How much one reading is; by default any."""
    name = name or rng.choice(list(READINGS))
    return f"How much is {name}? {SCORE_FORMAT}", f'{{"score": {number(READINGS[name](pair))}}}'


def ask_list(rng: random.Random, pair: Pair) -> tuple[str, str]:
    chosen = rng.sample(list(READINGS), rng.randint(5, 12))
    answer = ", ".join(f'"{name}": {number(READINGS[name](pair))}' for name in chosen)
    return "Rate this pair. Respond with JSON.", f"{{{answer}}}"


def ask_means(rng: random.Random, pair: Pair) -> tuple[str, str]:
    """Several means, none of whose parts has been written before: they have to be read from the text."""
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
    """One pair of people, one question for each of `skills`."""
    pair = random_pair(rng)
    lead = pair_context(pair.said_a.text, pair.said_b.text, pair.slot) + "\n\n"
    chat = []
    for skill in skills:
        question, answer = QUESTIONS[skill](rng, pair)
        chat += [{"role": "user", "content": lead + question}, {"role": "assistant", "content": answer}]
        lead = ""
    return chat


# Readings that depend on a match, and what A and B must state for one.
MATCHES = {
    "need of A": ("seeking", "offering"),
    "need of B": ("offering", "seeking"),
    "needs": ("seeking", "seeking"),
    "interests": ("interests", "interests"),
}
PHRASE_TOPICS = ("energy", "engagement", "meetings", "introversion", "chronotype", "interests", "seeking", "offering")


def phrase_chat(rng: random.Random) -> Chat:
    """Loose phrases and what each tells: the vocabulary, learned where nothing distracts."""
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
    """One person alone: everything the text tells, in a random order."""
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
    """What two people want, give and like, and nothing else: a match has to be seen, since no word alone tells it.

    A simple one states one kind of thing. A model learns the others, and pairs in full, only once it has these.
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
    """Two people of whom one seeks what the other offers, or who share an interest, in half of all cases."""
    matches = rng.random() < 0.5
    if rng.random() < 0.6:  # interests have the most words
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
    """Which of a list of interests someone has: one match after the other, the densest way to learn them."""
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
    """A description of one to three kinds of facts that another person may match."""
    interests = rng.sample(all_interests(), rng.randint(1, INTERESTS_PER_PERSON)) if rng.random() < 0.6 else []
    seeking = rng.choice(all_needs()) if rng.random() < 0.8 else None
    offering = rng.sample(all_needs(), rng.randint(0 if interests or seeking else 1, OFFERS_PER_PERSON))
    return stated(rng, interests, seeking, offering)


def stated(
    rng: random.Random, interests: Sequence[str] = (), seeking: str | None = None, offering: Sequence[str] = ()
) -> Description:
    """A description that states these facts, in some order, and nothing else."""
    bank = phrases()
    sentences = [rng.choice(bank["offering"][o]) for o in offering]
    if seeking is not None:
        sentences.append(rng.choice(bank["seeking"][seeking]))
    if interests:
        words = [rng.choice(bank["interests"][i]) for i in interests]
        sentences.append(rng.choice(bank["interest_sentences"]["variants"]).format(list=listed(words)))
    rng.shuffle(sentences)
    return Description(" ".join(sentences), tuple(interests), seeking, tuple(offering), None, None, None, None, None)


def arithmetic_chat(rng: random.Random) -> Chat:
    chat = []
    for _ in range(rng.randint(3, 6)):
        values = [number(rng.random()) for _ in range(rng.randint(2, 4))]
        mean = number(sum(map(float, values)) / len(values))
        chat += [
            {"role": "user", "content": f"Mean of {', '.join(values)}?"},
            {"role": "assistant", "content": mean},
        ]
    return chat


# ----------------------------------------------------------------------------- tool dialogues

OPENING_THOUGHTS = ("First, {what}.", "I start with {what}.", "Let me check {what}.")
NEXT_THOUGHTS = ("Next, {what}.", "Now {what}.", "Then {what}.")
WHAT_TOOLS_SHOW = {
    "predict_meeting_success_tool": "the prediction",
    "extract_common_interests_and_topics": "the topics",
    "assess_time_slot_fit_and_energy": "the energy",
    "predict_follow_up_potential": "the follow-up",
}
# Tools a persona likes to start with; the rest is chance. Which tools pay is for the agent to find out.
FIRST_CHOICE = {
    "data-driven": "predict_meeting_success_tool",
    "empathic": "assess_time_slot_fit_and_energy",
    "strategic": "extract_common_interests_and_topics",
    "optimistic": "predict_follow_up_potential",
}
CALL_COUNTS = ((2, 0.3), (3, 0.42), (4, 0.22), (5, 0.06))


def word_for(score: float) -> str:
    return "high" if score >= 0.6 else "low" if score < 0.4 else "middling"


def random_result(rng: random.Random, tool: str, draw: Callable[[], float] | None = None) -> dict:
    """A tool's answer with the right fields and random values, by default even over [0, 1]."""
    draw = draw or rng.random
    first, second = draw(), draw()
    mean = (first + second) / 2
    main = mean if rng.random() < 0.5 else draw()
    if tool == "predict_meeting_success_tool":
        return {"probability": round(main, 2), "reason": rng.choice(PAIR_READINGS)}
    if tool == "extract_common_interests_and_topics":
        shared = sorted(rng.sample(all_interests(), rng.choice((0, 1, 1, 2))))
        score = rng.choice((0.0, 0.3, 0.5, 0.6, 0.8, 1.0, main))
        return {"compatibility_score": round(score, 2), "shared_interests": shared, "needs_met": rng.randrange(3)}
    if tool == "assess_time_slot_fit_and_energy":
        tired = [f"person_{who} is tired" for who, e in (("a", first), ("b", second)) if e < 0.3]
        return {
            "fit_score": round(main, 2),
            "energy_a": round(first, 2),
            "energy_b": round(second, 2),
            "red_flags": tired,
        }
    return {
        "relationship_potential": round(main, 2),
        "engagement_a": round(first, 2),
        "engagement_b": round(second, 2),
        "follow_up_probability": round(first * second, 2),
    }


def plan_calls(rng: random.Random, persona: str) -> list[str]:
    count = rng.choices([n for n, _ in CALL_COUNTS], [w for _, w in CALL_COUNTS])[0]
    names = list(MAIN_SCORES)
    rng.shuffle(names)
    favourite = FIRST_CHOICE.get(persona)
    if favourite and rng.random() < 0.4:
        names.remove(favourite)
        names.insert(0, favourite)
    plan = names[: min(count, 4)]
    if count == 5 or rng.random() < 0.05:
        plan.append(rng.choice(plan))  # now and then a call is repeated, which tells nothing new
    return plan


def dialogue_chat(rng: random.Random, draw: Callable[[], float] | None = None, failing: float = 0.0) -> Chat:
    """An agent that calls a few tools in some order and answers with the mean of the scores they gave.

    `draw` gives the scores. A share `failing` of the calls misspells a name and hears so; half of those are made again,
    the others given up, and the answer does without.
    """
    pair = random_pair(rng)
    persona = rng.choice(list(system_prompt_configurations))
    a, b = pair.person_a.name, pair.person_b.name
    chat: Chat = [
        {"role": "system", "content": system_prompt_configurations[persona]},
        {"role": "user", "content": scenario_prompt(a, pair.said_a.text, b, pair.said_b.text, pair.slot)},
    ]
    known: dict[str, dict] = {}
    thought = ""
    for name in plan_calls(rng, persona):
        next_step = rng.choice(NEXT_THOUGHTS if known else OPENING_THOUGHTS).format(what=WHAT_TOOLS_SHOW[name])
        if failing and rng.random() < failing:
            wrong = f"{a.split()[0]} {rng.choice(phrases()['names']['last'])}"
            call = tool_call(name, wrong, b, pair.slot)
            chat.append({"role": "assistant", "content": thought + next_step, "tool_calls": [call]})
            error = f"unknown attendee {wrong!r}: use the names as the question gives them"
            chat.append({"role": "tool", "content": json.dumps({"error": error})})
            thought = ""
            if known and rng.random() < 0.5:
                continue
        call = tool_call(name, a, b, pair.slot)
        chat.append({"role": "assistant", "content": thought + next_step, "tool_calls": [call]})
        result = known.setdefault(name, random_result(rng, name, draw))
        chat.append({"role": "tool", "content": render_result(result)})
        thought = f"{observation(name, result)}. "
    chat.append({"role": "assistant", "content": thought + final_answer(known)})
    return chat


def call_chat(rng: random.Random) -> Chat:
    """Two people by name and the one call that is asked for, whose arguments are copied from the prompt."""
    pair = random_pair(rng)
    a, b = pair.person_a.name, pair.person_b.name
    said_a, said_b = few_facts(rng).text, few_facts(rng).text
    tool = rng.choice(list(MAIN_SCORES))
    context = pair_context(f"{a}. {said_a}", f"{b}. {said_b}", pair.slot)
    return [
        {"role": "user", "content": f"{context}\n\nCall the tool for {WHAT_TOOLS_SHOW[tool].removeprefix('the ')}."},
        {"role": "assistant", "content": "", "tool_calls": [tool_call(tool, a, b, pair.slot)]},
    ]


def tool_call(tool: str, a: str, b: str, slot: TimeSlot) -> dict:
    arguments = {"person_a": a, "person_b": b, "time_slot": slot.label}
    return {"type": "function", "function": {"name": tool, "arguments": json.dumps(arguments)}}


def results_chat(rng: random.Random) -> Chat:
    """The end of a dialogue alone: tool results, what each says, and the answer that combines them."""
    names = rng.sample(list(MAIN_SCORES), rng.randint(2, 4))
    known = {name: random_result(rng, name) for name in names}
    seen = " ".join(f"{observation(name, result)}." for name, result in known.items())
    return [
        {"role": "user", "content": "\n".join(render_result(result) for result in known.values())},
        {"role": "assistant", "content": f"{seen} {final_answer(known)}"},
    ]


def observation(tool: str, result: dict) -> str:
    """The main score of a tool's answer, quoted and judged: "fit_score 0.71 is high"."""
    field = MAIN_SCORES[tool]
    return f"{field} {result[field]:.2f} is {word_for(result[field])}"


def final_answer(known: dict[str, dict]) -> str:
    """The closing JSON: the mean of the scores, YES above one half, and every score named once."""
    scores = [result[MAIN_SCORES[name]] for name, result in known.items()]
    mean = number(sum(scores) / len(scores))
    reasoning = ", ".join(observation(name, result) for name, result in known.items())
    recommendation = "YES" if float(mean) > 0.5 else "NO"
    return f'{{"probability": {mean}, "recommendation": "{recommendation}", "reasoning": "{reasoning}"}}'


# ----------------------------------------------------------------------------- the curriculum

# Shares of documents at points of progress, linear in between. Phrases come first; then what two people have in common,
# which no pair in full teaches until its simplest form is known; then pairs in full, means, and combining of results.
# The columns are the kinds of SHORT_CHATS.
CURRICULUM = (
    (0.00, (50, 30, 10, 0, 0, 0, 0, 0, 0, 10)),
    (0.03, (50, 30, 10, 0, 0, 0, 0, 0, 0, 10)),
    (0.04, (15, 15, 5, 35, 30, 0, 0, 0, 0, 0)),
    (0.16, (10, 10, 5, 25, 45, 5, 0, 0, 0, 0)),
    (0.28, (5, 5, 10, 10, 15, 30, 10, 5, 5, 5)),
    (0.45, (2, 3, 6, 4, 6, 20, 20, 27, 7, 5)),
    (1.00, (1, 3, 6, 3, 5, 17, 20, 33, 7, 5)),
)
# Share of rows that open with a tool dialogue: these are learned by 0.45 and then only kept up, reading takes longer.
DIALOGUES = ((0.0, 0.0), (0.16, 0.0), (0.28, 0.15), (0.45, 0.3), (1.0, 0.15))


def dialogue_share(progress: float) -> float:
    return float(np.interp(progress, [at for at, _ in DIALOGUES], [share for _, share in DIALOGUES]))


def document_shares(progress: float) -> list[float]:
    """Weight of each of `SHORT_CHATS` at a progress in [0, 1]."""
    points = [at for at, _ in CURRICULUM]
    return [float(np.interp(progress, points, column)) for column in zip(*(w for _, w in CURRICULUM), strict=True)]


def sample_short(rng: random.Random, progress: float) -> Chat:
    """A document without tools."""
    return rng.choices(list(SHORT_CHATS.values()), document_shares(progress))[0](rng)


def pair_chat(rng: random.Random, first: str) -> Chat:
    """A pair in full and up to three questions; a mean asked first has no earlier answers to copy from."""
    more = rng.choices(("reading", "list", "standout", "words"), (2, 2, 1, 1), k=rng.randint(0, 2))
    return question_chat(rng, [first, *more])


SHORT_CHATS: dict[str, Callable[[random.Random], Chat]] = {
    "phrase": phrase_chat,
    "person": person_chat,
    "call": call_chat,
    "lookup": lookup_chat,
    "simple match": lambda rng: match_chat(rng, simple=True),
    "match": lambda rng: match_chat(rng, simple=False),
    "pair": lambda rng: pair_chat(rng, "list"),
    "means first": lambda rng: pair_chat(rng, "means"),
    "results": results_chat,
    "arithmetic": arithmetic_chat,
}
