"""Reasons: is the factor that an agent, or the phase 1 model, names truly one that decides?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from data_classes import Scenario, Trajectory
from meeting_agent.agent.environment import Environment
from meeting_agent.evaluation.statistics import wilson_interval
from meeting_agent.inference.predictor import Predictor

TOP = 2  # factors that may pass for the deciding one


def names_top_factor(environment: Environment, scenario: Scenario, rollout: Trajectory) -> bool | None:
    """Whether the factor that a rollout's reasoning names is among the `TOP` strongest. None if it names none."""
    said = rollout.final_recommendation_parsed
    named = environment.named_factor(said.reasoning) if said and said.reasoning else None
    if named is None:
        return None
    effects = environment.factor_effects(scenario)
    return named in sorted(effects, key=lambda factor: -abs(effects[factor]))[:TOP]


def deciding_factor(found: Iterable[bool | None], factors: int) -> dict:
    """Scores of what `names_top_factor` found in the rollouts of one policy, in a world of so many `factors`.

    Returns `n` rollouts, `named` (the share in [0, 1] that names a factor), `chance` (what a random factor would
    reach) and, if any is named, `in_top_two` (the share of these) with its 95% interval.
    """
    answers = list(found)
    named = [answer for answer in answers if answer is not None]
    scores: dict = {"n": len(answers), "named": len(named) / len(answers), "chance": min(1.0, TOP / factors)}
    if named:
        right = sum(named)
        scores |= {"in_top_two": right / len(named), "in_top_two_ci95": list(wilson_interval(right, len(named)))}
    return scores


def reason_scores(environment: Environment, predictor: Predictor, scenarios: Sequence[Scenario]) -> dict:
    """How often the phase 1 model's `reason` is the true one, against the most frequent reason and the best guess.

    Empty if the environment knows no best guess. Returns `n` and shares in [0, 1]: `accuracy` with its 95% interval,
    `majority` and `ceiling`.
    """
    likely = environment.likely_reasons(scenarios)
    if not likely:
        return {}
    true = [scenario.reason for scenario in scenarios]
    said = [answer["reason"] for answer in predictor.predict_many([s.prediction_prompt for s in scenarios])]
    n, right = len(true), matches(said, true)
    return {
        "n": n,
        "accuracy": right / n,
        "accuracy_ci95": list(wilson_interval(right, n)),
        "majority": max(Counter(true).values()) / n,
        "ceiling": matches(likely, true) / n,
    }


def matches(said: Sequence[str], true: Sequence[str]) -> int:
    return sum(a == b for a, b in zip(said, true, strict=True))


def deciding_factors(
    environment: Environment, scenarios: Mapping[str, Scenario], rollouts: Iterable[Trajectory], policies: Mapping
) -> dict[str, dict]:
    """Agent -> `deciding_factor` of its rollouts; empty if the environment knows no effects of factors.

    `scenarios` are by id. `policies` maps the policy of a rollout to its agent's name. One rollout is in memory at a
    time.
    """
    factors = len(environment.factor_effects(next(iter(scenarios.values()))))
    if not factors:
        return {}
    found: dict[str, list[bool | None]] = {agent: [] for agent in policies.values()}
    for rollout in rollouts:
        found[policies[rollout.policy]].append(names_top_factor(environment, scenarios[rollout.scenario_id], rollout))
    return {agent: deciding_factor(answers, factors) for agent, answers in found.items() if answers}
