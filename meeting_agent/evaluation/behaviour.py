"""How the agents look things up and reason: all measures of their behaviour, for metrics and report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from data_classes import Scenario, Trajectory
from meeting_agent.agent.environment import Environment
from meeting_agent.agent.loop import MAX_ANSWER_TOKENS
from meeting_agent.evaluation.adaptivity import adaptivity
from meeting_agent.evaluation.agent_scores import was_right
from meeting_agent.evaluation.faithfulness import faithfulness
from meeting_agent.evaluation.fixed_sets import CHOSEN_ON, SCORED_ON, fixed_sets
from meeting_agent.evaluation.held_out import PHASES, HeldOut
from meeting_agent.evaluation.reasons import deciding_factors, reason_scores
from meeting_agent.evaluation.statistics import paired_comparison
from meeting_agent.inference.engine import open_engine
from meeting_agent.inference.predictor import Predictor

Trajectories = Callable[[], Iterable[Trajectory]]  # gives all rollouts of the evaluation from the start


class EvaluationSettings(Protocol):
    """The settings of phase 3 that plays of the evaluation need."""

    adapter_path: str
    eval_temperature: float
    eval_seed: int
    fp32: bool


def agent_behaviour(
    environment: Environment,
    predictor: Predictor,
    config: EvaluationSettings,
    groups: Sequence[list[Scenario]],
    held_out: HeldOut,
    trajectories: Trajectories,
    traces_summary: Mapping,
) -> dict[str, dict | list]:
    """The sections of `results/metrics.json` on the agents' behaviour, without those that the environment cannot have.

    trajectories: all rollouts of the evaluation.
    traces_summary: the summary that phase 2 wrote, for the agents' longest answer.

    Plays use scenarios of the first of `groups` only, since an environment's tools belong to one list.
    """
    max_answer_tokens = traces_summary["settings"].get("max_answer_tokens", MAX_ANSWER_TOKENS)
    aligned = open_engine(config.adapter_path, fp32=config.fp32)
    engines = {"sft": predictor.engine, "dpo": aligned}
    scenarios = {scenario.scenario_id: scenario for scenario in held_out.scenarios}
    sets, best = fixed_sets(environment, predictor, aligned, groups[0], max_answer_tokens)
    asked = groups[0][: CHOSEN_ON + SCORED_ON]  # the phase 1 model has answered these for the fixed sets
    reason = reason_scores(environment, predictor, asked)
    settings = (config.eval_temperature, config.eval_seed, max_answer_tokens)
    faithful = {
        PHASES[policy]: faithfulness(
            environment, predictor, engine, groups[0], (t for t in trajectories() if t.policy == policy), *settings
        )
        for policy, engine in engines.items()
    }
    sections: dict[str, dict | list] = {
        "adaptivity": adaptivity(environment, held_out.rollouts, held_out.scenarios),
        "fixed_sets": sets,
        "best_fixed_set": compared_with_agent(best, held_out, config.eval_seed),
        "faithfulness": {agent: found for agent, found in faithful.items() if found["n"]},
        "deciding_factor": deciding_factors(environment, scenarios, trajectories(), PHASES),
        "reason": reason,
    }
    return {name: found for name, found in sections.items() if found}


def compared_with_agent(best: Mapping, held_out: HeldOut, seed: int) -> dict:
    """The best fixed set with two more keys: how the agent after DPO compares on the same scenarios, and its calls."""
    if not best:
        return {}
    rollouts = {s.scenario_id: r for s, r in zip(held_out.scenarios, held_out.rollouts["dpo"], strict=True)}
    agent = [rollouts[name] for name in best["right"]]
    return {key: value for key, value in best.items() if key != "right"} | {
        "dpo_against": paired_comparison(was_right(agent), list(best["right"].values()), seed),
        "dpo_calls_mean": sum(len(rollout.tools) for rollout in agent) / len(agent),
    }
