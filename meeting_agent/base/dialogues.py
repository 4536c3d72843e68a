"""Tool dialogues and parts of them: an agent says what the texts state, calls tools, sums up and answers.

Tool results are random and unrelated to the descriptions in the prompt. The final probability follows what counts
(`what_counts.py`), which the dialogue's own prompt states at random. No outcome decides it.
"""

from __future__ import annotations

import json
import random

from data_classes import TimeSlot
from meeting_agent.agent.tool_calls import render_result
from meeting_agent.base.exercises import few_facts
from meeting_agent.base.questions import Chat, number, random_pair
from meeting_agent.base.readings import FACTORS, PAIR_READINGS, Pair
from meeting_agent.base.summary import PREDICTION, Known, in_sum, stated
from meeting_agent.base.what_counts import WhatCounts
from meeting_agent.world.people import MAX_MEETINGS_A_DAY, all_interests, all_needs, phrases
from meeting_agent.world.prompts import pair_context, scenario_prompt, system_prompt_configurations

WHAT_TOOLS_SHOW = {
    "predict_meeting_success_tool": "the prediction",
    "extract_common_interests_and_topics": "the topics",
    "assess_time_slot_fit_and_energy": "the energy",
    "predict_follow_up_potential": "the follow-up",
}
OPENING_THOUGHTS = ("First, {what}.", "I start with {what}.", "Let me check {what}.")
NEXT_THOUGHTS = ("Next, {what}.", "Now {what}.", "Then {what}.")
# The tool that a persona often calls first. The other calls are random: training has to find out which tools help.
FIRST_CHOICE = {
    "data-driven": "predict_meeting_success_tool",
    "empathic": "assess_time_slot_fit_and_energy",
    "strategic": "extract_common_interests_and_topics",
    "optimistic": "predict_follow_up_potential",
}
ALL_READINGS = (*PAIR_READINGS, PREDICTION)
CALL_COUNTS = ((2, 0.35), (3, 0.4), (4, 0.21), (5, 0.04))


def random_result(rng: random.Random, tool: str) -> dict:
    """A tool result with the right fields and random values."""

    def rating() -> float:
        return round(rng.uniform(0, 9.9), 1)

    if tool == "predict_meeting_success_tool":
        return {"probability": float(number(rng.random())), "reason": rng.choice(sorted(set(FACTORS.values())))}
    if tool == "extract_common_interests_and_topics":
        shared = sorted(rng.sample(all_interests(), rng.choice((0, 0, 1, 1, 2, 3))))
        found = {"shared": shared, "one_in": rng.randint(2, 9) if shared else 0}
        for side in "ab":
            found |= {f"seeks_{side}": rng.choice(all_needs()), f"finds_{side}": rng.choice(("yes", "no"))}
        return found
    if tool == "assess_time_slot_fit_and_energy":
        meetings = {f"meetings_{side}": rng.randint(0, MAX_MEETINGS_A_DAY) for side in "ab"}
        return {"energy_a": rating(), "energy_b": rating()} | meetings
    follow_ups = {f"follow_ups_{side}": rng.randint(0, 10) for side in "ab"}
    return {"engagement_a": rating(), "engagement_b": rating()} | follow_ups | {"seniority_steps": rng.randrange(5)}


def plan_calls(rng: random.Random, persona: str) -> list[str]:
    count = rng.choices([n for n, _ in CALL_COUNTS], [w for _, w in CALL_COUNTS])[0]
    names = list(WHAT_TOOLS_SHOW)
    rng.shuffle(names)
    favourite = FIRST_CHOICE.get(persona)
    if favourite and rng.random() < 0.4:
        names.remove(favourite)
        names.insert(0, favourite)
    plan = names[: min(count, 4)]
    if count == 5 or rng.random() < 0.03:
        plan.append(rng.choice(plan))  # a repeated call, whose result is known already
    return plan


def dialogue_chat(rng: random.Random, failing: float = 0.0) -> Chat:
    """An agent calls a few tools in random order, sums up and answers by what its system prompt says counts.

    A share `failing` of the calls misspells a name and gets an error. The agent repeats half of the failed calls and
    answers without the others.
    """
    pair = random_pair(rng)
    persona = rng.choice(list(system_prompt_configurations))
    counts = WhatCounts.draw(rng, ALL_READINGS)
    a, b = pair.person_a.name, pair.person_b.name
    chat: Chat = [
        {"role": "system", "content": f"{system_prompt_configurations[persona]} {counts.line}"},
        {"role": "user", "content": scenario_prompt(a, pair.said_a.text, b, pair.said_b.text, pair.slot)},
    ]
    known: dict[str, dict] = {}
    thought = f"{stated(pair)} "
    for name in plan_calls(rng, persona):
        thought += rng.choice(NEXT_THOUGHTS if known else OPENING_THOUGHTS).format(what=WHAT_TOOLS_SHOW[name])
        if failing and rng.random() < failing:
            wrong = f"{a.split()[0]} {rng.choice(phrases()['names']['last'])}"
            chat.append({"role": "assistant", "content": thought, "tool_calls": [tool_call(name, wrong, b, pair.slot)]})
            error = f"unknown attendee {wrong!r}: use the names as the question gives them"
            chat.append({"role": "tool", "content": json.dumps({"error": error})})
            if known and rng.random() < 0.5:
                thought = ""
                continue
            thought = rng.choice(NEXT_THOUGHTS).format(what=WHAT_TOOLS_SHOW[name])
        chat.append({"role": "assistant", "content": thought, "tool_calls": [tool_call(name, a, b, pair.slot)]})
        chat.append({"role": "tool", "content": render_result(known.setdefault(name, random_result(rng, name)))})
        thought = ""
    return [*chat, {"role": "assistant", "content": closing(pair, known, counts)}]


def call_chat(rng: random.Random) -> Chat:
    """The user asks for one tool call, whose arguments the prompt states."""
    pair = random_pair(rng)
    a, b = pair.person_a.name, pair.person_b.name
    said_a, said_b = few_facts(rng).text, few_facts(rng).text
    tool = rng.choice(list(WHAT_TOOLS_SHOW))
    context = pair_context(f"{a}. {said_a}", f"{b}. {said_b}", pair.slot)
    return [
        {"role": "user", "content": f"{context}\n\nCall the tool for {WHAT_TOOLS_SHOW[tool].removeprefix('the ')}."},
        {"role": "assistant", "content": "", "tool_calls": [tool_call(tool, a, b, pair.slot)]},
    ]


def tool_call(tool: str, a: str, b: str, slot: TimeSlot) -> dict:
    arguments = {"person_a": a, "person_b": b, "time_slot": slot.label}
    return {"type": "function", "function": {"name": tool, "arguments": json.dumps(arguments)}}


def results_chat(rng: random.Random) -> Chat:
    """The end of a dialogue: two texts, tool results, and the answer that combines them."""
    pair = random_pair(rng)
    tools = rng.sample(list(WHAT_TOOLS_SHOW), rng.randint(1, 4))
    known = {name: random_result(rng, name) for name in tools}
    counts = WhatCounts.draw(rng, ALL_READINGS)
    context = pair_context(pair.said_a.text, pair.said_b.text, pair.slot)
    results = "\n".join(render_result(result) for result in known.values())
    return [
        {"role": "user", "content": f"{context}\n\n{results}\n\n{counts.line} Should they meet?"},
        {"role": "assistant", "content": closing(pair, known, counts)},
    ]


def sum_chat(rng: random.Random) -> Chat:
    """The last step alone: a summary as the prompt, and the answer that follows what counts."""
    pair = random_pair(rng)
    tools = rng.sample(list(WHAT_TOOLS_SHOW), rng.randint(1, 4))
    known = known_from(pair, {name: random_result(rng, name) for name in tools})
    counts = WhatCounts.draw(rng, ALL_READINGS)
    return [
        {"role": "user", "content": f"{counts.line} {in_sum(known)} Should they meet?"},
        {"role": "assistant", "content": final_answer(known, counts)},
    ]


def known_from(pair: Pair, results: dict[str, dict]) -> Known:
    return Known(pair, {field: value for result in results.values() for field, value in result.items()})


def closing(pair: Pair, results: dict[str, dict], counts: WhatCounts) -> str:
    known = known_from(pair, results)
    return f"{in_sum(known)} {final_answer(known, counts)}"


def final_answer(known: Known, counts: WhatCounts) -> str:
    """The final JSON: the probability by what counts, YES above one half, the factor that decides and its facts."""
    values = known.values()
    probability = number(counts.probability(values))
    recommendation = "YES" if float(probability) > 0.5 else "NO"
    facts = known.facts()
    first, *others = counts.by_weight(values)
    reasoning = f"{main_factor(first)} {facts[first]}."
    if others:
        reasoning += f" Also {others[0]}: {facts[others[0]]}."
    return f'{{"probability": {probability}, "recommendation": "{recommendation}", "reasoning": "{reasoning}"}}'


def main_factor(factor: str) -> str:
    """How the reasoning of a final answer begins."""
    return f"Mainly {factor}:"
