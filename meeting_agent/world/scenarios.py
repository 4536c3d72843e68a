"""Turns meetings into scenarios: prompt, persona and outcome."""

from __future__ import annotations

import random
from collections.abc import Iterator

from data_classes import Meeting, Scenario
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.prompts import prediction_prompt, scenario_prompt, system_prompt_configurations
from meeting_agent.world.simulator import ConferenceSimulator, conference_seed
from meeting_agent.world.tools import call_arguments

MAX_MEETINGS = 2400  # of one conference where nobody meets twice; there are names for 4900 people
SEEDS = 2**32  # larger than any seed of a user


def conference_sizes(count: int) -> list[int]:
    """The number of scenarios per conference for `count` scenarios, at most `MAX_MEETINGS` each."""
    return [min(MAX_MEETINGS, count - start) for start in range(0, count, MAX_MEETINGS)]


def conferences(purpose: str, seed: int, count: int, physics_seed: int = 0) -> Iterator[list[Scenario]]:
    for number, size in enumerate(conference_sizes(count)):
        yield make_scenarios(purpose, seed + number * SEEDS, size, physics_seed)


def make_scenarios(conference: str, seed: int, count: int, physics_seed: int = 0) -> list[Scenario]:
    """The first `count` meetings of a seed's conference `conference` ("sft", "traces" or "evaluation") as scenarios."""
    people = ConferenceSimulator(max(2, 2 * count), conference_seed(conference, seed), physics_seed)
    return put_into_words(people.meetings(count), f"{conference}-{seed}")


def put_into_words(
    meetings: list[Meeting], key: str = "", descriptor: PersonDescriptor | None = None, persona: str = ""
) -> list[Scenario]:
    """One scenario per meeting. The persona is `persona`, or drawn with `key` as the seed."""
    describe = (descriptor or PersonDescriptor()).generate_description
    rng = random.Random(f"personas-{key}")
    scenarios = []
    for m in meetings:
        said_a, said_b = describe(m.person_a, m.time_slot), describe(m.person_b, m.time_slot)
        scenarios.append(
            Scenario(
                scenario_id=m.scenario_id,
                persona=(asks := persona or rng.choice(list(system_prompt_configurations))),
                system_prompt=system_prompt_configurations[asks],
                user_prompt=scenario_prompt(m.person_a.name, said_a, m.person_b.name, said_b, m.time_slot),
                prediction_prompt=prediction_prompt(said_a, said_b, m.time_slot),
                arguments=call_arguments(m.person_a, m.person_b, m.time_slot),
                success_probability=m.success_probability,
                reason=m.reason,
                outcome="" if m.succeeded is None else "YES" if m.succeeded else "NO",
                subject=m,
            )
        )
    return scenarios
