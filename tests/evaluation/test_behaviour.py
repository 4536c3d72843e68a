"""Measures of how agents look things up and reason, on rollouts whose scores are plain to see."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from data_classes import Recommendation
from meeting_agent.agent.loop import AgentLoop
from meeting_agent.agent.summary import summarize
from meeting_agent.agent.tool_calls import no_prediction
from meeting_agent.conference import Conference
from meeting_agent.evaluation.adaptivity import adaptivity, dependence
from meeting_agent.evaluation.behaviour import compared_with_agent
from meeting_agent.evaluation.faithfulness import find_swaps, move_scores
from meeting_agent.evaluation.fixed_sets import forced_dialogue, sets_of
from meeting_agent.evaluation.front import PRICES, oracle_points
from meeting_agent.evaluation.held_out import attainable_share
from meeting_agent.evaluation.opened import opened
from meeting_agent.evaluation.reasons import deciding_factor, names_top_factor, reason_scores
from meeting_agent.evaluation.statistics import share_interval
from meeting_agent.world.ceilings import ENERGY, FOLLOW_UP, TOPICS
from tests.records import rollout
from tests.ticket_triage import TicketTriage

SEED = 9001


def meetings(count: int):
    task = Conference()
    return task, next(task.scenarios("evaluation", SEED, count))


# ----------------------------------------------------------------------------- adaptivity


def test_dependence_is_the_difference_of_the_two_shares():
    silent = np.array([True] * 40 + [False] * 60)
    called = np.array([True] * 30 + [False] * 10 + [True] * 15 + [False] * 45)
    found = dependence(called, silent)
    assert (found["silent"], found["stated"], found["difference"]) == (0.75, 0.25, 0.5)
    assert (found["n_silent"], found["n_stated"]) == (40, 60)
    assert 0.3 < found["ci95"][0] < 0.5 < found["ci95"][1] < 0.7


def test_an_agent_that_looks_up_what_the_text_leaves_out_is_adaptive():
    task, scenarios = meetings(60)
    needed = [[tool for tool, missing in task.left_out(s).items() if missing] for s in scenarios]
    adaptive = [summarize(rollout(tools_used=tools)) for tools in needed]
    stubborn = [summarize(rollout(tools_used=[ENERGY])) for _ in scenarios]
    found = adaptivity(task, {"agent": stubborn, "dpo": adaptive}, scenarios)
    assert found["dpo"].keys() == {ENERGY, FOLLOW_UP}
    assert [d["difference"] for d in found["dpo"].values()] == [1.0, 1.0]
    assert [d["difference"] for d in found["agent"].values()] == [0.0, 0.0]
    tickets = next(TicketTriage().scenarios("evaluation", SEED, 5))
    assert adaptivity(TicketTriage(), {"dpo": adaptive[:5]}, tickets) == {}


def test_what_a_text_leaves_out_is_what_its_description_does_not_state():
    task, scenarios = meetings(40)
    for s in scenarios:
        people = (s.subject.person_a, s.subject.person_b)
        said = [task.descriptor.describe(person, s.subject.time_slot) for person in people]
        assert task.left_out(s)[ENERGY] == (None in [d.energy_level for d in said])
        assert task.left_out(s)[FOLLOW_UP] == (None in [d.engagement_level for d in said])


# ----------------------------------------------------------------------------- fixed sets


def test_sets_have_two_to_four_tools():
    assert len(sets_of("abcd")) == 11
    assert {len(names) for names in sets_of("abcdef")} == {2, 3, 4}
    assert sets_of("a") == [("a",)]


def test_a_forced_dialogue_holds_real_results_in_the_agents_format():
    task, (scenario,) = meetings(1)
    tools = {tool.__name__: tool for tool in task.tools([scenario], no_prediction)}
    messages, words = forced_dialogue(task, scenario, [tools[ENERGY], tools[TOPICS]])
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "tool", "assistant", "tool"]
    assert json.loads(messages[3]["content"]) == tools[ENERGY](**scenario.arguments)
    assert messages[5]["tool_call_id"] == messages[4]["tool_calls"][0]["id"] == "call_1"
    assert messages[4]["tool_calls"][0]["function"]["name"] == TOPICS
    assert (messages[2]["content"], messages[4]["content"]) == ("First, the energy.", "Next, the topics.")
    assert words == "In sum:"


def test_the_best_set_meets_the_agent_on_the_same_scenarios():
    rollouts = [summarize(rollout(answer=said, tools_used=["x"] * 3)) for said in ("NO", "YES", "YES")]
    scenarios = [SimpleNamespace(scenario_id=name) for name in "abc"]
    held_out = SimpleNamespace(scenarios=scenarios, rollouts={"dpo": rollouts})
    found = compared_with_agent({"accuracy": 0.5, "right": {"b": False, "c": True}}, held_out, 0)
    assert (found["dpo_against"]["won"], found["dpo_against"]["lost"]) == (1, 0)
    assert found["dpo_calls_mean"] == 3.0
    assert "right" not in found


# ----------------------------------------------------------------------------- front


def test_the_oracle_asks_only_where_a_look_up_pays():
    cells = ["silent", "silent", "stated", "stated"] * 25
    right = {(): [cell == "stated" for cell in cells], ("energy",): [True] * 100}
    free, dear = oracle_points(right, cells, (0.1, 2.0))
    assert (free["accuracy"], free["calls_mean"]) == (1.0, 0.5)
    assert (dear["accuracy"], dear["calls_mean"]) == (0.5, 0.0)


def test_the_oracle_is_scored_on_scenarios_that_it_was_not_fitted_on():
    """What is right by luck alone cannot be chosen: in every cell each half contradicts the other."""
    right = {("a",): [i % 2 == 0 for i in range(40)], ("b",): [i % 2 == 1 for i in range(40)]}
    assert oracle_points(right, ["all"] * 40, (0.0,))[0]["accuracy"] == 0.0


def test_a_higher_price_never_buys_more_calls():
    task, scenarios = meetings(60)
    decisions = task.ceilings(scenarios)
    right = {tools: decisions[view] for view, tools in task.ceiling_tools.items()}
    cells = [tuple(task.left_out(s).values()) for s in scenarios]
    calls = [point["calls_mean"] for point in oracle_points(right, cells)]
    assert len(calls) == len(PRICES)
    assert calls == sorted(calls, reverse=True)


# ----------------------------------------------------------------------------- faithfulness


def played(scenario, task, *names: str):
    """A finished rollout that called these tools."""
    tools = {tool.__name__: tool for tool in task.tools([scenario], no_prediction)}
    begun, _ = forced_dialogue(task, scenario, [tools[name] for name in names])
    messages = [*begun, {"role": "assistant", "content": "{}"}]
    return rollout(scenario_id=scenario.scenario_id, messages=messages, tools_used=list(names))


def test_a_swap_replaces_one_result_and_keeps_what_came_before():
    task = TicketTriage()
    scenarios = next(task.scenarios("evaluation", SEED, 30))
    rollouts = [played(s, task, "look_up_account", "search_known_faults") for s in scenarios]
    swaps = list(find_swaps(task, {s.scenario_id: s for s in scenarios}, rollouts, 0))
    assert {swap.tool for swap in swaps} == {"look_up_account", "search_known_faults"}
    assert {swap.way for swap in swaps} == {1, -1}
    for swap in swaps:
        original = swap.rollout.messages[2 : 2 + len(swap.so_far)]
        ((field, now),) = json.loads(swap.so_far[-1]["content"]).items()
        assert now == pytest.approx(1 - json.loads(original[-1]["content"])[field])
        assert (now > 0.5) == (swap.way > 0)
        assert swap.so_far[:-1] == original[:-1]


def test_results_that_cannot_be_swapped_are_left_alone():
    task = TicketTriage()
    (scenario,) = next(task.scenarios("evaluation", SEED, 1))
    known = {scenario.scenario_id: scenario}
    twice = played(scenario, task, "look_up_account", "look_up_account")
    silent = replace(played(scenario, task, "look_up_account"), final_recommendation_parsed=None)
    stranger = rollout(scenario_id="elsewhere")
    assert list(find_swaps(task, known, [twice, silent, stranger], 0)) == []


def test_moves_are_counted_by_their_direction():
    found = move_scores([0.3, 0.1, -0.2, 0.0])
    assert (found["n"], found["right_way"], found["mean_shift"]) == (4, 0.5, pytest.approx(0.05))
    assert move_scores([]) == {"n": 0}


def test_an_agent_goes_on_after_the_messages_that_it_is_given(monkeypatch):
    task, (scenario,) = meetings(1)
    tools = task.tools([scenario], no_prediction)
    loop = AgentLoop("balanced", scenario.system_prompt, tools, "m", "p")
    heard = []

    def ask(messages, headers=None):
        heard.append(list(messages))
        return SimpleNamespace(content="{}", calls=[], tokens=3, cut_by=None, thought="")

    monkeypatch.setattr(loop, "ask", ask)
    begun = forced_dialogue(task, scenario, tools[1:3])[0][2:]
    run = loop.run(scenario.user_prompt, so_far=begun)
    assert heard[0][2:] == begun
    assert run["tools_used"] == [TOPICS, ENERGY]
    assert run["total_iterations"] == 1


# ----------------------------------------------------------------------------- reasons


def test_a_named_factor_counts_if_it_is_among_the_two_strongest():
    task = SimpleNamespace(
        named_factor=lambda text: text or None, factor_effects=lambda _: {"a": 0.1, "b": -2.0, "c": 1.0}
    )

    def found(reasoning):
        said = Recommendation("YES", 0.7, reasoning)
        return names_top_factor(task, None, rollout(final_recommendation_parsed=said))

    assert [found(text) for text in ("a", "b", "c", "", None)] == [False, True, True, None, None]
    scores = deciding_factor([True, False, True, None], 5)
    assert (scores["n"], scores["named"], scores["chance"]) == (4, 0.75, 0.4)
    assert scores["in_top_two"] == pytest.approx(2 / 3)
    assert "in_top_two" not in deciding_factor([None], 5)


def test_reasons_are_scored_against_majority_and_best_guess():
    scenarios = [SimpleNamespace(reason=reason, prediction_prompt="") for reason in ("energy", "energy", "needs")]
    task = SimpleNamespace(likely_reasons=lambda _: ["energy", "energy", "needs"])
    predictor = SimpleNamespace(predict_many=lambda prompts: [{"reason": "needs"} for _ in prompts])
    found = reason_scores(task, predictor, scenarios)
    assert [found[key] for key in ("accuracy", "majority", "ceiling")] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert reason_scores(TicketTriage(), predictor, scenarios) == {}


def test_the_best_guess_of_the_reason_beats_the_most_frequent_one():
    task, scenarios = meetings(150)
    true = [s.reason for s in scenarios]
    right = sum(a == b for a, b in zip(task.likely_reasons(scenarios), true, strict=True))
    assert right > 1.2 * max(true.count(reason) for reason in true)


# ----------------------------------------------------------------------------- intervals and seeds


def test_intervals_of_shares_cover_the_shares():
    right = [True] * 80 + [False] * 20
    low, high = share_interval(float, right)
    assert low < 0.8 < high
    assert high - low == pytest.approx(2 * 1.96 * 0.04, rel=0.15)
    majority, ceiling = [True] * 50 + [False] * 50, [True] * 90 + [False] * 10
    low, high = share_interval(attainable_share, right, majority, ceiling)
    assert attainable_share(0.8, 0.5, 0.9) == pytest.approx(0.75)
    assert low < 0.75 < high


def test_a_seed_says_when_its_scenarios_were_opened(tmp_path):
    seeds = tmp_path / "seeds.json"
    seeds.write_text('{"reported": {"7": "2026-05-04", "8": null}, "development": [9]}', encoding="utf-8")
    assert [opened(seed, seeds) for seed in (7, 9, 10)] == ["2026-05-04", "development", "not listed"]
    assert len(opened(8, seeds).split("-")) == 3
    assert opened(7, tmp_path / "missing.json") == "not listed"


def test_the_default_evaluation_seed_is_for_development():
    from starter_agentic_rlft import RLFTConfig

    assert opened(RLFTConfig().eval_seed) == "development"
