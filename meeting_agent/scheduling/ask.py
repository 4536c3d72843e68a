"""Answers live whether two people should meet: the SFT model's prediction, then every step of the aligned agent.

    python -m meeting_agent.scheduling.ask --attendees data/sample_attendees.csv \\
        --person_a "Ayo Garcia" --person_b "Lara Larsen"
    python -m meeting_agent.scheduling.ask --person_a "A serial founder. Looks fresh." --person_b "A VC partner."

The agent's tools look up people, so it needs records: with `--attendees` the two people are names in that file. For two
descriptions only the SFT model answers. (We tried to offer the agent only its prediction tool. The embedded model still
called the other tools, and none of 40 such dialogues ended with a readable answer.)
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from data_classes import Person, TimeSlot
from meeting_agent.common.files import InputError
from meeting_agent.common.settings import input_path, parse_settings, run_script, setting
from meeting_agent.common.text import clean_text, comparison_key
from meeting_agent.world.attendees import by_key, read_attendees, under_known_names
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.predictor import MeetingPredictor
from meeting_agent.world.prompts import scenario_prompt, system_prompt_configurations
from meeting_agent.world.slots import named_slot
from meeting_agent.world.tools import ConferenceTools, call_arguments
from meeting_agent.world.training_rows import LONGEST_TEXT


@dataclass
class AskConfig:
    """Settings of a question."""

    person_a: str = setting("", "a description, or with --attendees a name in that file")
    person_b: str = setting("", "the same for the other person")
    time_slot: str = setting("day1_morning", "day1_morning to day3_evening")
    attendees: str = input_path("", "CSV of attendees; without it only the SFT model answers, and no agent runs")
    persona: str = setting("balanced", f"the agent's persona, one of {', '.join(system_prompt_configurations)}")
    sft_model_path: str = input_path("models/sft_prediction_model_gemma_270m", "the adapter that phase 1 wrote")
    adapter_path: str = input_path("models/dpo_aligned_adapter", "the agent's adapter, which phase 3 wrote")


def main() -> None:
    config = parse_settings(
        AskConfig,
        "Answers live whether two people should meet: the SFT model's probability, then every step of the aligned "
        "agent. The agent looks up people, so it needs --attendees and two names in it. For two descriptions only the "
        "SFT model answers.",
    )
    slot = slot_of(config.time_slot)
    if config.persona not in system_prompt_configurations:
        raise InputError(f"--persona is {config.persona!r}: give one of {', '.join(system_prompt_configurations)}")
    people = look_up(config) if config.attendees else []
    describe = PersonDescriptor().generate_description
    said = [describe(p, slot) for p in people] or [one_line(config, flag) for flag in ("person_a", "person_b")]
    predictor = MeetingPredictor(config.sft_model_path)
    for letter, text in zip("AB", said, strict=True):
        print(f"Person {letter}: {text}")
    answer = predictor.predict(said[0], said[1], slot)
    print(f"\nSFT model: {answer['probability']:.0%} for {slot.label}, because of {answer['reason']}\n", flush=True)
    if people:
        run_agent(config, predictor, people, said, slot)
    else:
        print("The agent needs records of people: give --attendees and two names to run it.")


def slot_of(text: str) -> TimeSlot:
    try:
        return named_slot(text)
    except ValueError as error:
        raise InputError(f"--time_slot is {text[:60]!r}, {error}") from None


def one_line(config: AskConfig, flag: str) -> str:
    text = clean_text(getattr(config, flag))
    if not comparison_key(text):
        raise InputError(f"--{flag} is empty: give a description, or with --attendees a name")
    if len(text) > LONGEST_TEXT or any(unicodedata.category(c) == "Cc" for c in text):
        raise InputError(f"--{flag}: give one line of {LONGEST_TEXT} characters at most, without control characters")
    return text


def look_up(config: AskConfig) -> list[Person]:
    """The two attendees with the names that the agent sees. Raises InputError for unknown or equal names."""
    known = by_key(under_known_names(read_attendees(Path(config.attendees))))
    names = [one_line(config, flag) for flag in ("person_a", "person_b")]
    people = []
    for flag, name in zip(("person_a", "person_b"), names, strict=True):
        if (person := known.get(comparison_key(name))) is None:
            raise InputError(f"--{flag} is {name[:60]!r}: give a name in {config.attendees}")
        if person.name != name:
            print(f"The agent knows {name} as {person.name}.")
        people.append(person)
    if people[0] is people[1]:
        raise InputError(f"both are {names[0]!r}: give two people")
    return people


# ----------------------------------------------------------------------------- the agent, step by step


def run_agent(
    config: AskConfig, predictor: MeetingPredictor, people: list[Person], said: list[str], slot: TimeSlot
) -> None:
    """Runs the aligned agent on the scenario with greedy decoding, and prints each step when it is made."""
    from meeting_agent.agent.answers import parse_recommendation
    from meeting_agent.agent.loop import AgentLoop
    from meeting_agent.inference.bases import base_of_adapter
    from meeting_agent.inference.engine import Engine
    from meeting_agent.inference.provider import ARGUMENTS_HEADER, MODEL, PROVIDER, serve_engine

    tools = ConferenceTools({p.name: p for p in people}, predictor.predict_prompt).functions
    engine = Engine(base_of_adapter(Path(config.adapter_path)), config.adapter_path)
    batcher = serve_engine(engine)
    agent = AgentLoop(config.persona, system_prompt_configurations[config.persona], tools, MODEL, PROVIDER)
    question = scenario_prompt(people[0].name, said[0], people[1].name, said[1], slot)
    headers = {ARGUMENTS_HEADER: json.dumps(call_arguments(people[0], people[1], slot))}
    (run,) = batcher.play([lambda: agent.run(question, headers, on_message=show)])
    found = parse_recommendation(run["messages"][-1].get("content") or "")
    shown = "" if found is None or found.probability is None else f" ({found.probability:.0%})"
    print(f"\nRecommendation: {(found and found.recommendation) or 'none that can be read'}{shown}", flush=True)


def show(message: dict) -> None:
    """Prints one message of the agent or of a tool."""
    if message["role"] == "tool":
        print(f"  result   {message['content']}", flush=True)
        return
    calls = message.get("tool_calls") or []
    if message["content"]:
        print(f"{'thought' if calls else 'answer '}    {message['content']}", flush=True)
    for call in calls:
        function = call["function"]
        try:
            arguments = ", ".join(map(repr, json.loads(function["arguments"]).values()))
        except (ValueError, AttributeError):
            arguments = function["arguments"]
        print(f"  call     {function['name']}({arguments})", flush=True)


if __name__ == "__main__":
    run_script(main)
