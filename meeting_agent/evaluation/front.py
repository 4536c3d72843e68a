"""The front of accuracy and calls: fixed tool sets, the agents, and an oracle that knows what a look-up is worth.

The oracle sees what the text leaves out and how sure the phase 1 model is. In each such cell it asks the tools with the
highest accuracy minus price times calls, and then decides as well as anybody could with their results. Cells are fitted
on one half of the scenarios and scored on the other, both ways. Each price gives one point.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence

from data_classes import Scenario
from meeting_agent.agent.environment import Environment

PRICES = (0.0, 0.01, 0.02, 0.04, 0.08)  # of a call, in units of accuracy
BINS = 5  # of the phase 1 model's confidence
Right = Mapping[tuple[str, ...], Sequence[bool]]  # tools -> whether the decision with them is right, by scenario


def cells_of(
    environment: Environment, scenarios: Sequence[Scenario], probabilities: Sequence[float | None]
) -> list[Hashable]:
    """What the oracle knows of each scenario: which facts the text leaves out, and the bin of |p - 0.5|."""

    def confidence(p: float | None) -> int:
        return 0 if p is None else min(BINS - 1, int(2 * BINS * abs(p - 0.5)))

    return [
        (tuple(environment.left_out(scenario).values()), confidence(p))
        for scenario, p in zip(scenarios, probabilities, strict=True)
    ]


def oracle_points(right: Right, cells: Sequence[Hashable], prices: Sequence[float] = PRICES) -> list[dict]:
    """One dict per price: `price`, `accuracy` in [0, 1] and `calls_mean` of the oracle, over all scenarios.

    `right` and `cells` are in the same order of scenarios, of which there are at least two.
    """
    points = []
    for price in prices:
        calls, correct = 0, 0
        for half in (0, 1):
            fitted = [i for i in range(len(cells)) if i % 2 != half]
            usual = best_tools(right, fitted, price)
            by_cell: dict[Hashable, list[int]] = defaultdict(list)
            for i in fitted:
                by_cell[cells[i]].append(i)
            chosen = {cell: best_tools(right, members, price) for cell, members in by_cell.items()}
            for i in range(half, len(cells), 2):
                tools = chosen.get(cells[i], usual)
                calls, correct = calls + len(tools), correct + right[tools][i]
        points.append({"price": price, "accuracy": correct / len(cells), "calls_mean": calls / len(cells)})
    return points


def best_tools(right: Right, members: Sequence[int], price: float) -> tuple[str, ...]:
    """The tools with the highest accuracy minus `price` times calls on these scenarios; among equals the fewest."""
    return max(
        sorted(right, key=len),
        key=lambda tools: sum(right[tools][i] for i in members) / len(members) - price * len(tools),
    )
