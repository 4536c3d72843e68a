"""Baselines that see what tools say and use no language model: rules without learning, and what phase 2 teaches.

A rule calls a fixed set of tools and says YES if the mean of their naive scores is above one half. Nothing in it is
fitted. One rule's set has earned most in phase 2. Two models are fitted on the results of all tools in phase 2's own
scenarios and on what happened there, one row for each scenario.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain, combinations, islice

import numpy as np

from data_classes import Scenario, Trajectory
from meeting_agent.agent.environment import Environment
from meeting_agent.agent.summary import RolloutSummary, summarize
from meeting_agent.evaluation.statistics import score_probabilities
from meeting_agent.evaluation.tool_answers import (
    Results,
    all_numbers,
    call_every_tool,
    columns_of,
    matrix,
    predict_from,
    predictions,
    tools_that_ask,
)
from meeting_agent.inference.engine import Engine
from meeting_agent.training.advantages import tool_advantages

MAX_RULES = 1023  # all sets of ten tools; with more tools the largest sets are left out
MAX_ROWS = 5000  # scenarios that the models are fitted on; more take time and change little
NO_SCORE = 0.5  # the mean of a rule whose tools all failed, so it says NO


@dataclass
class ToolBaselines:
    """What the baselines answered on the held-out scenarios, in the order of the scenarios."""

    fixed_rules: list[dict] = field(default_factory=list)  # every rule: tools, accuracy, accuracy_ci95, calls
    probabilities: dict[str, list[float]] = field(default_factory=dict)  # baseline -> probabilities
    facts: dict[str, dict] = field(default_factory=dict)  # baseline -> `calls_mean`, and `tools` or fitted `rows`


def tool_baselines(
    environment: Environment,
    engine: Engine,
    groups: Sequence[list[Scenario]],
    known: Mapping[str, float],
    traces: Iterable[Trajectory],
    traces_settings: Mapping,
    seed: int,
) -> ToolBaselines:
    """Calls every tool on all scenarios, then scores all rules and fits both models.

    engine: the phase 1 model, which tools may ask.
    groups: the held-out scenarios in the lists that the environment yielded.
    known: prompt -> its probability, for the held-out scenarios.
    traces: the trajectories of phase 2, for the outcomes of its scenarios and the rewards of its tools. Read twice.
    traces_settings: the settings of phase 2, from which the environment makes its scenarios again.
    """
    happened = {t.scenario_id: t.happened == "YES" for t in traces}
    fitted: list[dict[str, float]] = []
    succeeded: list[bool] = []
    for group in environment.scenarios("traces", traces_settings["seed"], traces_settings["num_scenarios"]):
        played = [s for s in group if s.scenario_id in happened][: MAX_ROWS - len(fitted)]
        results = call_every_tool(environment, played, predict_from(predictions(engine, played), engine))
        fitted += map(all_numbers, results)
        succeeded += [happened[s.scenario_id] for s in played]
        if len(fitted) == MAX_ROWS:
            break
    predict = predict_from(known, engine)
    said = [results for group in groups for results in call_every_tool(environment, group, predict)]
    success = [s.success_probability for group in groups for s in group]

    tools, scores = naive_scores(environment, said)
    found = best_fixed_rule(scores, tools, success, tools_that_ask(environment, groups[0][0]))
    columns = columns_of(fitted)
    asked = matrix([all_numbers(results) for results in said], columns)
    if best := most_rewarded_tools(traces, tools):
        found.probabilities["advantage_argmax"] = rule_probabilities(scores[:, [tools.index(tool) for tool in best]])
        found.facts["advantage_argmax"] = {"calls_mean": float(len(best)), "tools": best}
    for name, model in fitted_models(seed).items() if fitted else ():
        found.probabilities[name] = fit_and_answer(model, matrix(fitted, columns), succeeded, asked)
        found.facts[name] = {"calls_mean": float(len(said[0])), "rows": len(fitted)}
    return found


def naive_scores(environment: Environment, said: Sequence[Results]) -> tuple[list[str], np.ndarray]:
    """The tools that ever get a naive score, and all scores, shape (scenarios, tools). NaN where there is none."""
    found = {
        tool: [np.nan if (score := environment.naive_score(tool, results[tool])) is None else score for results in said]
        for tool in said[0]
    }
    known = {tool: scores for tool, scores in found.items() if not np.isnan(scores).all()}
    return list(known), np.array(list(known.values()), dtype=float).reshape(len(known), len(said)).T


def best_fixed_rule(
    scores: np.ndarray, tools: Sequence[str], success: Sequence[float], learned: Set[str] = frozenset()
) -> ToolBaselines:
    """Scores the rules of all sets of tools. The best that learned nothing becomes the baseline `rule_best_fixed`.

    It is chosen by its accuracy on the very scenarios that it is scored on, which favours the rule. A rule with one of
    the `learned` tools, which ask the phase 1 model, has learned from labels. `scores` has shape (scenarios, tools).
    """
    every = range(len(tools))
    sets = chain.from_iterable(combinations(every, size) for size in range(1, len(tools) + 1))
    chosen = list(islice(sets, MAX_RULES))
    scored = [score_probabilities(rule_probabilities(scores[:, tried]), success) for tried in chosen]
    rules = [
        {
            "tools": [tools[i] for i in tried],
            "accuracy": found["accuracy"],
            "accuracy_ci95": found["accuracy_ci95"],
            "calls": len(tried),
        }
        for tried, found in zip(chosen, scored, strict=True)
    ]
    unlearned = [i for i, rule in enumerate(rules) if learned.isdisjoint(rule["tools"])]
    if not unlearned:
        return ToolBaselines(rules)
    best = max(unlearned, key=lambda i: scored[i]["accuracy"])  # among equals the one with the fewest calls
    facts = {"calls_mean": float(len(chosen[best])), "tools": rules[best]["tools"]}
    answers = rule_probabilities(scores[:, chosen[best]])
    return ToolBaselines(rules, {"rule_best_fixed": answers}, {"rule_best_fixed": facts})


def most_rewarded_tools(traces: Iterable[Trajectory], tools: Sequence[str]) -> list[str]:
    """The set of `tools` with the largest mean advantage over the trajectories of phase 2, in the order of `tools`.

    It is what a table knows of which tools to call, with rollouts of the policy before alignment alone. Sets that hold
    other tools do not count. Empty if no rollout with an answer called a set of these tools only.
    """
    groups: dict[tuple[str, int], list[RolloutSummary]] = defaultdict(list)
    for rollout in map(summarize, traces):
        if not rollout.failed and rollout.recommendation in ("YES", "NO"):
            groups[rollout.prompt].append(rollout)
    worth = tool_advantages(groups.values())
    sets = sorted((used for used in worth if used and used <= set(tools)), key=lambda used: (len(used), sorted(used)))
    best: frozenset[str] = max(
        sets, key=lambda used: worth[used], default=frozenset()
    )  # among equals, the fewest calls
    return [tool for tool in tools if tool in best]


def rule_probabilities(scores: np.ndarray) -> list[float]:
    """The mean of each row's scores, in [0, 1]. Failed tools are left out of the mean."""
    answered = ~np.isnan(scores)
    count = answered.sum(axis=1)
    means = np.where(answered, scores, 0.0).sum(axis=1) / np.maximum(count, 1)
    # Without rounding, a mean of exactly one half may come out as slightly more.
    return np.where(count > 0, means, NO_SCORE).clip(0, 1).round(6).tolist()


def fitted_models(seed: int) -> dict:
    """Unfitted scikit-learn classifiers that accept NaN. Their settings suit a few hundred rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return {
        "logistic_all_tools": make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=1000)),
        "boosting_all_tools": HistGradientBoostingClassifier(
            max_iter=150, learning_rate=0.06, max_leaf_nodes=8, l2_regularization=1.0, random_state=seed
        ),
    }


def fit_and_answer(model, known: np.ndarray, succeeded: Sequence[bool], asked: np.ndarray) -> list[float]:
    """P(YES) in [0, 1] for each row of `asked`. The share of YES where there is nothing to learn from."""
    seen = ~np.isnan(known).all(axis=0)  # scikit-learn refuses a column without any value
    if len(set(succeeded)) < 2 or not seen.any():
        return [float(np.mean(succeeded))] * len(asked)
    return model.fit(known[:, seen], succeeded).predict_proba(asked[:, seen])[:, 1].tolist()
