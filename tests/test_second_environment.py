"""All three phases on a task that the package has never heard of, and two conferences in one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from meeting_agent.agent.environment import Environment
from meeting_agent.agent.rollouts import RolloutCollector
from meeting_agent.agent.tool_calls import no_prediction, tool_schemas
from meeting_agent.agent.trajectory_file import TraceFile
from meeting_agent.common.files import read_json
from meeting_agent.conference import Conference
from meeting_agent.inference.predictor import Predictor
from starter_agentic_rlft import (
    RLFTConfig,
    create_preference_dataset_from_traces,
    evaluate_model_performance,
    train_model_with_dpo,
    train_on_outcomes,
)
from starter_agentic_traces import TraceConfig, generate_agent_traces_for_training
from starter_sft import SFTConfig, run_sft_fine_tuning
from tests.ticket_base import build_base
from tests.ticket_triage import TicketTriage, write_rows


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> Path:
    """The folder in which the three phases ran, one after the other, as in `main` of the scripts."""
    here = tmp_path_factory.mktemp("triage")
    environment: Environment = TicketTriage()
    write_rows(here / "tickets.csv", 300)
    build_base(here / "base")
    sft = SFTConfig(
        base_model_name=str(here / "base"),
        sft_data_path=str(here / "tickets.csv"),
        output_model_path=str(here / "sft"),
        num_train_epochs=4,
        rehearsal_share=0.6,
        raft_weight=5.0,
    )
    run_sft_fine_tuning(sft, environment)
    traces = TraceConfig(sft_model_path=str(here / "sft"), traces_path=str(here / "traces.json"), num_scenarios=48)
    generate_agent_traces_for_training(traces, environment)
    rlft = RLFTConfig(
        sft_model_path=str(here / "sft"),
        traces_path=str(here / "traces.json"),
        pairs_path=str(here / "pairs.json"),
        adapter_path=str(here / "dpo"),
        results_dir=str(here / "results"),
        max_steps=6,
        num_eval_scenarios=24,
        min_reward_gap=0.001,
    )
    rollouts = TraceFile(here / "traces.json")
    outcomes = train_on_outcomes(rollouts, rlft, environment)
    pairs = create_preference_dataset_from_traces(rollouts, rlft, environment, outcomes)
    dpo = train_model_with_dpo(pairs, rlft, outcomes)
    evaluate_model_performance(rlft, rollouts, pairs, dpo, environment, outcomes)
    return here


def test_agents_call_this_tasks_tools_and_answer(played):
    rollouts = list(TraceFile(played / "traces.json"))
    tools = {name for rollout in rollouts for name in rollout.tools_used}
    assert tools == {"look_up_account", "search_known_faults"}
    readable = [rollout for rollout in rollouts if rollout.recommendation in ("YES", "NO")]
    assert len(readable) >= 0.9 * len(rollouts)
    assert all(rollout.reward in (0.0, 1.0) for rollout in readable)
    assert any("account_score" in m["content"] for m in rollouts[0].messages + rollouts[-1].messages)


def test_pairs_come_from_this_tasks_rollouts(played):
    ids = {rollout.id for rollout in TraceFile(played / "traces.json")}
    pairs = read_json(played / "pairs.json", "the test")
    assert any(pair["chosen_id"] in ids and pair["rejected_id"] in ids for pair in pairs)
    assert {tool["function"]["name"] for tool in pairs[0]["tools"]} == {"look_up_account", "search_known_faults"}


def test_every_phase_is_evaluated_and_the_report_says_so_in_this_tasks_words(played):
    metrics = read_json(played / "results" / "metrics.json", "the test")
    assert {phase: scores["n"] for phase, scores in metrics["phases"].items()} == dict.fromkeys(
        ("base", "sft", "agent", "dpo"), 24
    )
    assert metrics["task"] == {
        "name": "ticket",
        "call_range": [1, 2],
        "tool_labels": {"look_up_account": "account", "search_known_faults": "faults"},
    }
    assert metrics["training"]["outcomes"].keys() >= {"squared_error_first", "squared_error_last", "steps"}
    report = (played / "results" / "evaluation_report.md").read_text(encoding="utf-8")
    assert "1 to 2 calls" in report
    assert "look_up_account" in report
    assert (played / "results" / "report.html").stat().st_size > 10_000


def test_the_behaviour_of_agents_is_measured_as_far_as_this_task_allows(played):
    metrics = read_json(played / "results" / "metrics.json", "the test")
    ((both,), best) = metrics["fixed_sets"], metrics["best_fixed_set"]
    assert both["tools"] == best["tools"] == ["look_up_account", "search_known_faults"]
    assert (both["n"], best["n"]) == (12, 12)
    assert best["accuracy"] > 0.6
    moved = metrics["faithfulness"]["dpo"]
    assert moved["n"] >= 12
    assert moved["right_way"] >= 0.8
    assert moved["mean_shift"] > 0.1
    assert not metrics.keys() & {"adaptivity", "oracle", "deciding_factor", "reason"}
    assert metrics["ceilings_ci95"].keys() == {"majority"}
    report = (played / "results" / "evaluation_report.md").read_text(encoding="utf-8")
    assert "account, faults" in report
    assert "Adaptivity" not in report


def test_two_conferences_are_open_in_one_process():
    """Tools belong to an environment's scenarios: the people of one conference are strangers at the other."""

    def heard(_prompt: str) -> dict:
        return {"probability": 0.5, "reason": "energy"}

    here, there = Conference(), Conference()
    (first,), (second,) = (next(c.scenarios("traces", seed, 1)) for c, seed in ((here, 1), (there, 2)))
    tools_here, tools_there = here.tools([first], heard), there.tools([second], heard)
    for own, other in zip(tools_here, tools_there, strict=True):
        assert own(**first.arguments)
        assert other(**second.arguments)
        with pytest.raises(ValueError, match="unknown attendee"):
            own(**second.arguments)
        with pytest.raises(ValueError, match="unknown attendee"):
            other(**first.arguments)


def test_rollouts_of_two_environments_alternate_in_one_process():
    """Agents of two tasks take turns on one engine, and neither sees the other's tools."""
    predictor = Predictor("models/sft_prediction_model_gemma_270m")
    tasks: list[Environment] = [Conference(), TicketTriage()]
    called: list[set[str]] = []
    for task in tasks * 2:
        scenarios = next(task.scenarios("traces", 3, 2))
        collector = RolloutCollector(task, predictor, scenarios, 0.0, 3)
        (block,) = collector.collect(collector.agents_on(predictor.engine), 1, "sft")
        called.append({name for rollout in block for name in rollout.tools_used})
        assert called[-1] <= names_of_tools(task)
    assert called[0] == called[2]
    assert called[0]


def names_of_tools(task: Environment) -> set[str]:
    return {schema["function"]["name"] for schema in tool_schemas(task.tools([], no_prediction))}
