"""Tool dialogues and parts of them: an agent calls tools and combines their scores.

Tool results are random and unrelated to the descriptions in the prompt. The final answer is the mean of the scores in
the dialogue, and no outcome decides it. In the default world that mean is a good decision all the same.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from data_classes import TimeSlot
from meeting_agent.agent.tool_calls import render_result
from meeting_agent.base.exercises import few_facts
from meeting_agent.base.questions import Chat, number, random_pair
from meeting_agent.base.readings import PAIR_READINGS
from meeting_agent.world.people import all_interests, phrases
from meeting_agent.world.prompts import pair_context, scenario_prompt, system_prompt_configurations
from meeting_agent.world.tools import MAIN_SCORES

OPENING_THOUGHTS = ("First, {what}.", "I start with {what}.", "Let me check {what}.")
NEXT_THOUGHTS = ("Next, {what}.", "Now {what}.", "Then {what}.")
WHAT_TOOLS_SHOW = {
    "predict_meeting_success_tool": "the prediction",
    "extract_common_interests_and_topics": "the topics",
    "assess_time_slot_fit_and_energy": "the energy",
    "predict_follow_up_potential": "the follow-up",
}
# The tool that a persona often calls first. The other calls are random: training has to find out which tools help.
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
    """A tool result with the right fields and random values, by default uniform over [0, 1]."""
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
        plan.append(rng.choice(plan))  # a repeated call, whose result is known already
    return plan


def dialogue_chat(rng: random.Random, draw: Callable[[], float] | None = None, failing: float = 0.0) -> Chat:
    """An agent calls a few tools in random order and answers with the mean of their scores.

    `draw` returns the scores. A share `failing` of the calls misspells a name and gets an error. The agent repeats half
    of the failed calls and answers without the others.
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
    """The user asks for one tool call, whose arguments the prompt states."""
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
    """The end of a dialogue: tool results, what each of them says, and the answer that combines them."""
    names = rng.sample(list(MAIN_SCORES), rng.randint(2, 4))
    known = {name: random_result(rng, name) for name in names}
    seen = " ".join(f"{observation(name, result)}." for name, result in known.items())
    return [
        {"role": "user", "content": "\n".join(render_result(result) for result in known.values())},
        {"role": "assistant", "content": f"{seen} {final_answer(known)}"},
    ]


def observation(tool: str, result: dict) -> str:
    """Quotes and judges the main score of a tool result: "fit_score 0.71 is high"."""
    field = MAIN_SCORES[tool]
    return f"{field} {result[field]:.2f} is {word_for(result[field])}"


def final_answer(known: dict[str, dict]) -> str:
    """The final JSON: the mean of the scores, YES if it is above one half, and an observation for every score."""
    scores = [result[MAIN_SCORES[name]] for name, result in known.items()]
    mean = number(sum(scores) / len(scores))
    reasoning = ", ".join(observation(name, result) for name, result in known.items())
    recommendation = "YES" if float(mean) > 0.5 else "NO"
    return f'{{"probability": {mean}, "recommendation": "{recommendation}", "reasoning": "{reasoning}"}}'
