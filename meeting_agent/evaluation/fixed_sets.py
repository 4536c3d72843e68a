"""Fixed tool sets with the agent's own answer: how good is the policy if it may not choose what to look up?

Every set of tools is called in a fixed order, in the agent's message format and with real results. The policy then
writes only its closing turn. All sets are played on some scenarios, and the best one of these again on others, because
the best of many looks better than it is on the scenarios that it was chosen on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain, combinations, islice

from data_classes import Scenario
from meeting_agent.agent.environment import Environment, Tool
from meeting_agent.agent.tool_calls import tool_schemas
from meeting_agent.evaluation.agent_scores import is_right
from meeting_agent.evaluation.statistics import wilson_interval
from meeting_agent.evaluation.tool_answers import forced_call
from meeting_agent.inference.chat_format import render
from meeting_agent.inference.engine import Engine, Request
from meeting_agent.inference.prediction import read_probability
from meeting_agent.inference.predictor import Predictor

CHOSEN_ON, SCORED_ON = 80, 240  # scenarios; every set is played on the first, the best one on the others
FEWEST, MOST = 2, 4  # tools of a set
MAX_SETS = 50  # with many tools the largest sets are left out


def fixed_sets(
    environment: Environment,
    predictor: Predictor,
    engine: Engine,
    scenarios: Sequence[Scenario],
    max_answer_tokens: int,
) -> tuple[list[dict], dict]:
    """Scores of every set, and of the best one on scenarios that it was not chosen on.

    `scenarios` are of one list of the environment; the first ones are used, at most half of them to choose. A score has
    `tools`, `accuracy`, `accuracy_ci95`, `calls_mean` and `n`. That of the best set also has `right`: scenario id ->
    whether its answer is right. Decoding is greedy.
    """
    split = min(CHOSEN_ON, len(scenarios) // 2)
    first, second = scenarios[:split], scenarios[split : split + SCORED_ON]
    predictor.clear()
    predictor.predict_many([scenario.prediction_prompt for scenario in [*first, *second]])
    tools = environment.tools([*first, *second], predictor.predict_prompt)
    sets = sets_of([tool.__name__ for tool in tools])
    if not first or not sets:
        return [], {}

    def right(names: Sequence[str], played: Sequence[Scenario]) -> list[bool]:
        numbers = closing_numbers(environment, engine, tools, names, played, max_answer_tokens)
        return is_right(numbers, [scenario.success_probability for scenario in played])

    found = [scored(names, right(names, first)) for names in sets]
    best = max(found, key=lambda score: score["accuracy"])["tools"]  # among equals the one with the fewest calls
    again = right(best, second)
    by_id = {scenario.scenario_id: one for scenario, one in zip(second, again, strict=True)}
    return found, scored(best, again) | {"right": by_id}


def sets_of(tools: Sequence[str]) -> list[tuple[str, ...]]:
    sizes = range(min(FEWEST, len(tools)), min(MOST, len(tools)) + 1)
    return list(islice(chain.from_iterable(combinations(tools, size) for size in sizes), MAX_SETS))


def closing_numbers(
    environment: Environment,
    engine: Engine,
    tools: Sequence[Tool],
    names: Sequence[str],
    scenarios: Sequence[Scenario],
    max_answer_tokens: int,
) -> list[float | None]:
    """The policy's closing probability on each scenario after it has called the tools `names`. None if unreadable.

    Only the number counts, because forced closings may end in other words than the policy's own. Sets that begin with
    the same calls share what the engine has read of a scenario.
    """
    schemas = tool_schemas(tools)
    by_name = {tool.__name__: tool for tool in tools}
    forced = [forced_dialogue(environment, scenario, [by_name[name] for name in names]) for scenario in scenarios]
    requests = [
        Request(
            render(engine.tokenizer, messages, schemas, ask=True) + words,
            max_answer_tokens,
            session=f"fixed-{scenario.scenario_id}",
            ends_at_number=True,
        )
        for scenario, (messages, words) in zip(scenarios, forced, strict=True)
    ]
    answers = engine.generate(requests)
    return [read_probability(words + answer.text) for (_, words), answer in zip(forced, answers, strict=True)]


def forced_dialogue(environment: Environment, scenario: Scenario, tools: Sequence[Tool]) -> tuple[list[dict], str]:
    """The question and a turn for every call, and the words that open the last turn."""
    results: list[tuple[str, dict]] = []
    messages: list[dict] = [
        {"role": "system", "content": scenario.system_prompt},
        {"role": "user", "content": scenario.user_prompt},
    ]
    for number, tool in enumerate(tools):
        arguments, result = forced_call(tool, scenario)
        function = {"name": tool.__name__, "arguments": json.dumps(arguments)}
        call = {"id": f"call_{number}", "type": "function", "function": function}
        thought = environment.forced_words(results, tool.__name__)
        messages.append({"role": "assistant", "content": thought, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
        results.append((tool.__name__, json.loads(result)))
    return messages, environment.forced_words(results, None)


def scored(tools: Sequence[str], right: Sequence[bool]) -> dict:
    return {
        "tools": list(tools),
        "accuracy": sum(right) / len(right),
        "accuracy_ci95": list(wilson_interval(sum(right), len(right))),
        "calls_mean": float(len(tools)),
        "n": len(right),
    }
