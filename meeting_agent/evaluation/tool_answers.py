"""Every tool of an environment, called once on every scenario, with its results as a table of numbers.

A column is a field of a tool's result, named `tool.field`:

| value in the result | number in the table |
|---|---|
| a number, true or false | the number, 1 or 0 |
| yes, no, unknown | 1, 0, NaN |
| a list | its length |
| another word | 1 in a column `tool.field=word`, 0 in those of other words |
| null, an object, or a field that this result lacks | NaN |

A failed call leaves NaN in all columns of its tool, and 0 in those of words. Fields that end in `_a` and `_b` describe
two sides of the same thing. So `energy_a` and `energy_b` give three more columns: `energy_gap`, `energy_low` and
`energy_high`. Words of two sides give a column `tool.field=word`, 1 if one of the sides has the word.
"""

from __future__ import annotations

import inspect
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from data_classes import Scenario
from meeting_agent.agent.environment import Environment, Predict, Tool
from meeting_agent.agent.tool_calls import answer_call
from meeting_agent.inference.engine import Engine
from meeting_agent.inference.prediction import predict_probabilities

LARGEST = 1e9  # a tool may return any integer, and a float cannot hold all of them
FIRST_SIDE, SECOND_SIDE = "_a", "_b"
ANSWERS = {"yes": 1.0, "no": 0.0, "unknown": math.nan}
MOST_WORDS = 12  # a field with more different words holds text, and no word of it is a column

Results = Mapping[str, dict]  # tool -> its result, empty if the call failed


def call_every_tool(environment: Environment, scenarios: Sequence[Scenario], predict: Predict) -> list[Results]:
    """The results of all tools for each of `scenarios`, which must be of one list."""
    tools = environment.tools(scenarios, predict)
    return [{tool.__name__: result_of(tool, scenario) for tool in tools} for scenario in scenarios]


def predictions(engine: Engine, scenarios: Sequence[Scenario]) -> dict[str, float]:
    """Prompt -> the phase 1 model's probability, for all scenarios in one batch."""
    prompts = [scenario.prediction_prompt for scenario in scenarios]
    return dict(zip(prompts, predict_probabilities(engine, prompts), strict=True))


def predict_from(known: Mapping[str, float], engine: Engine) -> Predict:
    """The phase 1 model as tools call it, which is asked only what is not in `known`.

    It gives no reasons: they take most of a prediction's time, and words have no column.
    """

    def predict(prompt: str) -> dict:
        probability = known[prompt] if prompt in known else predict_probabilities(engine, [prompt])[0]
        return {"probability": probability, "reason": ""}

    return predict


def tools_that_ask(environment: Environment, scenario: Scenario) -> set[str]:
    """The names of the tools that ask the phase 1 model: their results come from labels."""
    asked: list[str] = []

    def predict(prompt: str) -> dict:
        asked.append(prompt)
        return {"probability": 0.5, "reason": ""}

    found = set()
    for tool in environment.tools([scenario], predict):
        asked.clear()
        result_of(tool, scenario)
        if asked:
            found.add(tool.__name__)
    return found


def result_of(tool: Tool, scenario: Scenario) -> dict:
    """What an agent reads after it calls this tool on the scenario. Empty if the call failed."""
    result = json.loads(forced_call(tool, scenario)[1])
    return result if isinstance(result, dict) and "error" not in result else {}


def all_numbers(results: Results) -> dict[str, float]:
    """The numbers in the results of all tools by column."""
    return {column: value for tool, result in results.items() for column, value in numbers(tool, result).items()}


def forced_call(tool: Tool, scenario: Scenario) -> tuple[dict[str, str], str]:
    """The arguments of a right call of this tool on the scenario, and what the agent reads after it, as JSON."""
    known = inspect.signature(tool).parameters
    arguments = {name: value for name, value in scenario.arguments.items() if name in known}
    call = {"function": {"name": tool.__name__, "arguments": json.dumps(arguments)}}
    return arguments, answer_call({tool.__name__: tool}, call)


def numbers(tool: str, result: Mapping[str, object]) -> dict[str, float]:
    """The numbers in one result by column. Columns of words that the result does not hold are missing."""
    found = {field: number for field, value in result.items() if (number := as_number(value)) is not None}
    for field in list(found):
        stem = field.removesuffix(FIRST_SIDE)
        if stem != field and stem + SECOND_SIDE in found:
            sides = np.array([found[field], found[stem + SECOND_SIDE]])
            found |= {f"{stem}_gap": float(np.ptp(sides)), f"{stem}_low": sides.min(), f"{stem}_high": sides.max()}
    for field, value in result.items():
        if isinstance(value, str) and value and value not in ANSWERS:
            found |= {
                f"{field}={value}": 1.0,
                f"{field.removesuffix(FIRST_SIDE).removesuffix(SECOND_SIDE)}={value}": 1.0,
            }
    return {f"{tool}.{field}": float(value) for field, value in found.items()}


def as_number(value: object) -> float | None:
    if isinstance(value, list):
        return float(len(value))
    if isinstance(value, str):
        return ANSWERS.get(value)
    return float(min(LARGEST, max(-LARGEST, value))) if isinstance(value, int | float) else None


def columns_of(rows: Sequence[Mapping[str, float]]) -> list[str]:
    """The columns of the rows, without those of fields that hold more than `MOST_WORDS` different words."""
    columns = sorted({column for row in rows for column in row})
    words = Counter(column.partition("=")[0] for column in columns if "=" in column)
    return [column for column in columns if words[column.partition("=")[0]] <= MOST_WORDS]


def matrix(rows: Sequence[Mapping[str, float]], columns: Sequence[str]) -> np.ndarray:
    """An array of shape (rows, columns), with NaN where a row lacks a column, and 0 in columns of words."""
    found = [[row.get(column, 0.0 if "=" in column else np.nan) for column in columns] for row in rows]
    return np.array(found, dtype=float).reshape(len(rows), len(columns))
