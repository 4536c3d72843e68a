"""The evaluation: every phase answers the same held-out scenarios and is scored on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from data_classes import Scenario, Trajectory
from meeting_agent.agent.blocks import Part, UnfinishedRollouts, block_count, play_missing_blocks
from meeting_agent.agent.environment import Environment
from meeting_agent.agent.rollouts import CONCURRENT_AGENTS, RolloutCollector
from meeting_agent.agent.summary import RolloutSummary, summarize
from meeting_agent.common.files import write_csv
from meeting_agent.evaluation.agent_scores import (
    agent_statistics,
    is_grounded,
    is_right,
    was_right,
)
from meeting_agent.evaluation.front import cells_of, oracle_points
from meeting_agent.evaluation.statistics import paired_comparison, score_probabilities, share_interval
from meeting_agent.evaluation.tool_baselines import ToolBaselines
from meeting_agent.inference.engine import Engine
from meeting_agent.inference.predictor import Predictor

# Pairs (after, before) that are compared on the same scenarios.
COMPARISONS = (
    ("sft", "base"),
    ("sft", "tfidf_logistic"),
    ("sft", "boosting_visible"),
    ("agent", "sft"),
    ("dpo", "agent"),
    ("dpo", "sft"),
    ("dpo", "rule_best_fixed"),
    ("dpo", "advantage_argmax"),
    ("dpo", "logistic_all_tools"),
    ("dpo", "boosting_all_tools"),
    ("sft", "zero_label_readings"),
    ("sft", "ridge_visible"),
    ("sft", "embedding_logistic"),
)
CALIBRATION = ("accuracy", "accuracy_drawn", "brier", "ece", "log_score")
PHASES = {"sft": "agent", "dpo": "dpo"}  # policy -> its name as an agent in metrics and report
Probabilities = Sequence[float | None]  # None if an answer could not be read


def play_held_out(
    environment: Environment,
    predictor: Predictor,
    policies: Mapping[str, Engine],
    groups: Sequence[list[Scenario]],
    temperature: float,
    seed: int,
    max_answer_tokens: int,
    unfinished: UnfinishedRollouts,
    processes,
) -> None:
    """Collects one rollout of every held-out scenario per policy, and writes them in blocks to disk.

    A killed run resumes after its finished blocks. Memory does not grow with the number of scenarios.
    """

    def play(policy: str, scenarios: list[Scenario], wanted: list[int]) -> Iterable[list[Trajectory]]:
        collector = RolloutCollector(environment, predictor, scenarios, temperature, seed, max_answer_tokens)
        agents = collector.agents_on(policies[policy])
        return collector.collect(agents, 1, policy, CONCURRENT_AGENTS, wanted)

    parts: list[Part] = [
        (block_count(len(scenarios), 1, CONCURRENT_AGENTS), partial(play, policy, scenarios))
        for policy in policies
        for scenarios in groups
    ]
    play_missing_blocks(parts, sum(blocks for blocks, _ in parts), unfinished, processes)


@dataclass
class HeldOut:
    """The answers of all phases and baselines on the held-out scenarios, in the order of the scenarios."""

    scenarios: list[Scenario]
    probabilities: dict[str, Probabilities]  # phase (base, sft, agent, dpo) -> probabilities
    greedy: Probabilities  # of the phase 1 model with plain greedy decoding, without RAIL
    rollouts: dict[str, list[RolloutSummary]]  # phase (agent, dpo) -> rollouts
    baselines: dict[str, Probabilities]  # baseline that sees the text alone -> probabilities
    tools: ToolBaselines = field(default_factory=ToolBaselines)  # baselines that see what tools say
    behaviour: dict = field(default_factory=dict)  # sections of the metrics on how agents look things up and reason

    @property
    def predictions(self) -> dict[str, float]:
        """Prediction prompt -> the phase 1 model's probability."""
        answers = zip(self.scenarios, self.probabilities["sft"], strict=True)
        return {scenario.prediction_prompt: p for scenario, p in answers if p is not None}

    @property
    def success(self) -> list[float]:
        return [s.success_probability for s in self.scenarios]

    @property
    def outcomes(self) -> list[bool]:
        """Whether each scenario ended in a success."""
        return [s.outcome == "YES" for s in self.scenarios]


def held_out_answers(
    scenarios: list[Scenario],
    predictor: Predictor,
    base: Engine,
    trajectories: Iterable[Trajectory],
    baselines: dict[str, Probabilities],
) -> HeldOut:
    """Makes the predictions of base and phase 1 model, and joins them with the agents' rollouts."""
    from meeting_agent.inference.prediction import greedy_answers, predict_probabilities

    rollouts: dict[str, list[RolloutSummary]] = {"agent": [], "dpo": []}
    for trajectory in trajectories:
        rollouts[PHASES[trajectory.policy]].append(summarize(trajectory))
    prompts = [s.prediction_prompt for s in scenarios]
    sft = predict_probabilities(predictor.engine, prompts)
    probabilities: dict[str, Probabilities] = {
        "base": predict_probabilities(base, prompts),
        "sft": sft,
        **{name: [r.probability for r in summaries] for name, summaries in rollouts.items()},
    }
    return HeldOut(scenarios, probabilities, greedy_answers(predictor.engine, prompts), rollouts, baselines)


def warn_if_unreadable(held_out: HeldOut, what: str) -> None:
    """Warns if no answer of an agent can be read. The base may not know the words in `what`."""
    for name in held_out.rollouts:
        if all(p is None for p in held_out.probabilities[name]):
            print(
                f"warning: no answer of the agents on {what} can be read: use a base that knows its words", flush=True
            )


def held_out_scores(held_out: HeldOut, environment: Environment, seed: int) -> dict:
    """Scores of ceilings, baselines and phases, and paired comparisons, in the format of `results/metrics.json`."""
    success, outcomes, probabilities = held_out.success, held_out.outcomes, held_out.probabilities
    phases = {name: score_probabilities(probabilities[name], success, outcomes) for name in ("base", "sft")}
    phases["sft"]["greedy"] = score_probabilities(held_out.greedy, success, outcomes)
    phases["sft"]["errors"] = environment.error_patterns(
        [s.prediction_prompt for s in held_out.scenarios],
        [s.reason for s in held_out.scenarios],
        [p for p in probabilities["sft"] if p is not None],
        success,
    )
    phases |= {name: agent_statistics(found, environment.call_range) for name, found in held_out.rollouts.items()}
    baselines = held_out.baselines | held_out.tools.probabilities
    right = {name: is_right(p, success) for name, p in (probabilities | baselines).items()}
    right |= {name: was_right(rollouts) for name, rollouts in held_out.rollouts.items()}
    decisions = environment.ceilings(held_out.scenarios)
    ceilings = {name: float(np.mean(decided)) for name, decided in decisions.items()}
    views = {"sft": "text_only", "agent": "all_tools", "dpo": "all_tools"}
    # They can be equal on few scenarios.
    known = {name: view for name, view in views.items() if view in ceilings and ceilings[view] > ceilings["majority"]}
    scored = {
        name: score_probabilities(p, success, outcomes) | held_out.tools.facts.get(name, {})
        for name, p in baselines.items()
    }
    return {
        "ceilings": ceilings,
        "ceilings_ci95": {name: share_interval(float, decided) for name, decided in decisions.items()},
        "baselines": scored,
        "fixed_rules": held_out.tools.fixed_rules,
        "phases": phases,
        "calibration": calibration_scores(phases | scored, success, outcomes),
        "paired": {
            f"{after}_vs_{before}": paired_comparison(right[after], right[before], seed)
            for after, before in COMPARISONS
            if after in right and before in right
        },
        "grounding": paired_comparison(
            is_grounded(held_out.rollouts["dpo"]), is_grounded(held_out.rollouts["agent"]), seed
        ),
        "attainable": {
            name: attainable_share(phases[name]["accuracy"], ceilings["majority"], ceilings[view])
            for name, view in known.items()
        },
        "attainable_ci95": {
            name: share_interval(attainable_share, right[name], decisions["majority"], decisions[view])
            for name, view in known.items()
        },
        **front_section(environment, held_out, decisions),
        **held_out.behaviour,
    }


def calibration_scores(models: Mapping[str, dict], success: list[float], outcomes: list[bool]) -> dict[str, dict]:
    """What each model's scores say of its probabilities, measured on what happened.

    The best scores that anybody can expect are those of the true probability itself. They are left out where nobody
    knows it, as with meetings whose record says yes or no.
    """
    if any(0.0 < p < 1.0 for p in success):
        models = {**models, "true_probability": score_probabilities(success, success, outcomes)}
    return {name: {key: m[key] for key in CALIBRATION if key in m} for name, m in models.items()}


def attainable_share(accuracy: float, majority: float, ceiling: float) -> float:
    """(accuracy - majority) / (ceiling - majority).

    0 is as good as always giving the majority answer; 1 is the best possible with the ceiling's information. Resamples
    of few scenarios may have no gain to attain; they count as 0.
    """
    return (accuracy - majority) / (ceiling - majority) if ceiling > majority else 0.0


def front_section(environment: Environment, held_out: HeldOut, decisions: Mapping[str, Sequence[bool]]) -> dict:
    """The oracle's points of the front as the section `oracle`, if the environment knows what each look-up is worth."""
    right = {tools: decisions[view] for view, tools in environment.ceiling_tools.items() if view in decisions}
    if not right or len(held_out.scenarios) < 2:
        return {}
    cells = cells_of(environment, held_out.scenarios, held_out.probabilities["sft"])
    return {"oracle": oracle_points(right, cells)}


def write_scenarios(path: Path, held_out: HeldOut) -> None:
    """Writes a CSV with one row per held-out scenario: true probability, what happened, the answers of every phase."""
    answers = [f"{name}_recommendation" for name in held_out.rollouts]
    rows = []
    for i, scenario in enumerate(held_out.scenarios):
        said = ["" if p[i] is None else f"{p[i]:.4f}" for p in held_out.probabilities.values()]
        advice = [rollouts[i].recommendation or "" for rollouts in held_out.rollouts.values()]
        truth = [f"{scenario.success_probability:.4f}", scenario.outcome]
        rows.append([scenario.scenario_id, *truth, *said, *advice])
    write_csv(path, ["scenario_id", "success_probability", "happened", *held_out.probabilities, *answers], rows)
