"""Rules and simple models on what tools say: on the conference, on tickets, and where there is nothing to learn."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from data_classes import Trajectory
from meeting_agent.agent.tool_calls import ToolError
from meeting_agent.base.readings import READINGS, Pair
from meeting_agent.conference import ZERO_LABEL_READINGS, Conference
from meeting_agent.evaluation.baselines import zero_label_readings
from meeting_agent.evaluation.statistics import score_probabilities
from meeting_agent.evaluation.tool_answers import (
    MOST_WORDS,
    columns_of,
    matrix,
    numbers,
    result_of,
    tools_that_ask,
)
from meeting_agent.evaluation.tool_baselines import (
    ToolBaselines,
    best_fixed_rule,
    most_rewarded_tools,
    rule_probabilities,
    tool_baselines,
)
from meeting_agent.inference.engine import Engine
from meeting_agent.inference.loading import load_tokenizer
from tests.records import rollout
from tests.ticket_triage import TicketTriage

SEED = 8123
FACTS = ("extract_common_interests_and_topics", "assess_time_slot_fit_and_energy", "predict_follow_up_potential")


@pytest.fixture(scope="module")
def undecided():
    """An engine whose phase 1 model says 0.5 to everything."""
    return SimpleNamespace(tokenizer=load_tokenizer("models/base"), fractions=lambda prompts: [0.5] * len(prompts))


def played(environment, count: int, truth=lambda scenario: scenario.success_probability > 0.5) -> list[Trajectory]:
    """Two rollouts of each of phase 2's scenarios, which know nothing but what happened."""
    (scenarios,) = environment.scenarios("traces", 42, count)
    return [
        rollout(f"{s.scenario_id}-{i}", scenario_id=s.scenario_id, happened="YES" if truth(s) else "NO")
        for s in scenarios
        for i in range(2)
    ]


def found_on(environment, engine, traces, held_out: int, phase_2: int) -> tuple[ToolBaselines, list[float]]:
    """The baselines on fresh scenarios, and the true probabilities of these."""
    groups = list(environment.scenarios("evaluation", SEED, held_out))
    settings = {"seed": 42, "num_scenarios": phase_2}
    found = tool_baselines(environment, engine, groups, {}, traces, settings, seed=0)
    return found, [s.success_probability for group in groups for s in group]


def accuracy(found: ToolBaselines, name: str, success: list[float]) -> float:
    return score_probabilities(found.probabilities[name], success)["accuracy"]


@pytest.fixture(scope="module")
def conference(undecided):
    task = Conference()
    return found_on(task, undecided, played(task, 300), 400, 300)


# ----------------------------------------------------------------------------- fixed rules


def test_every_set_of_tools_is_a_rule_and_the_best_is_the_baseline(conference):
    found, success = conference
    assert len({frozenset(rule["tools"]) for rule in found.fixed_rules}) == len(found.fixed_rules) == 15
    assert all(rule["calls"] == len(rule["tools"]) for rule in found.fixed_rules)
    unlearned = [rule for rule in found.fixed_rules if "predict_meeting_success_tool" not in rule["tools"]]
    assert len(unlearned) == 7
    best = max(rule["accuracy"] for rule in unlearned)
    assert accuracy(found, "rule_best_fixed", success) == best
    chosen = found.facts["rule_best_fixed"]
    assert best in [rule["accuracy"] for rule in found.fixed_rules if rule["tools"] == chosen["tools"]]
    assert chosen["calls_mean"] == len(chosen["tools"])


def test_a_rule_that_asks_the_phase_1_model_is_shown_and_is_not_the_best_rule():
    success = [0.9, 0.8, 0.1, 0.2]
    scores = np.array([[s, 0.9] for s in success])
    found = best_fixed_rule(scores, ["predict", "energy"], success, {"predict"})
    assert [rule["accuracy"] for rule in found.fixed_rules] == [1.0, 0.5, 0.75]
    assert found.facts["rule_best_fixed"]["tools"] == ["energy"]
    assert best_fixed_rule(scores[:, :1], ["predict"], success, {"predict"}).probabilities == {}


def test_tools_that_ask_the_phase_1_model_are_known_by_what_they_do():
    for task, asks in ((Conference(), {"predict_meeting_success_tool"}), (TicketTriage(), set())):
        assert tools_that_ask(task, next(task.scenarios("evaluation", SEED, 2))[0]) == asks


def test_a_rule_is_right_as_often_as_the_mean_of_what_its_tools_say(conference):
    found, _ = conference
    task = Conference()
    (scenarios,) = task.scenarios("evaluation", SEED, 400)
    tools = {tool.__name__: tool for tool in task.tools(scenarios, lambda prompt: {})}
    right = 0
    for s in scenarios:
        said = [task.naive_score(name, tools[name](**s.arguments)) for name in FACTS]
        right += (sum(said) / 3 > 0.5) == (s.success_probability > 0.5)
    (rule,) = (r for r in found.fixed_rules if set(r["tools"]) == set(FACTS))
    assert rule["accuracy"] == pytest.approx(right / 400, abs=0.0026)  # a mean of exactly one half is NO
    low, high = rule["accuracy_ci95"]
    assert low < rule["accuracy"] < high


def test_of_equally_good_rules_the_one_with_fewest_calls_is_chosen(undecided):
    class EqualTools(TicketTriage):
        def _tools(self, known):
            def look_up_account(ticket: str) -> dict:
                return {"account_score": 0.9}

            def search_known_faults(ticket: str) -> dict:
                return {"severity_score": 0.9}

            return [look_up_account, search_known_faults]

    found, _ = found_on(EqualTools(), undecided, [], 30, 5)
    assert found.facts["rule_best_fixed"] == {"calls_mean": 1.0, "tools": ["look_up_account"]}


def test_the_mean_leaves_out_failed_tools_and_does_not_round_up():
    nan = float("nan")
    scores = np.array([[0.9, nan], [nan, nan], [0.41, 0.59], [7.0, 3.0]])
    assert rule_probabilities(scores) == [0.9, 0.5, 0.5, 1.0]
    # Their sum comes out as slightly more than 1.5 in floating point.
    assert rule_probabilities(np.array([[0.1, 0.2, 1.2]])) == [0.5]


# ----------------------------------------------------------------------------- the table of advantages


def rewarded(*played: tuple[str, float], scenarios: int = 20, **more) -> list[Trajectory]:
    """In each scenario one rollout for each (tools, reward)."""
    return [
        rollout(f"s{n}-{i}", scenario_id=f"s{n}", tools_used=tools.split(), reward=reward, **more)
        for n in range(scenarios)
        for i, (tools, reward) in enumerate(played)
    ]


def test_the_set_that_earned_most_is_a_baseline_with_the_rules_answer(undecided):
    task = TicketTriage()
    (scenarios,) = task.scenarios("traces", 42, 20)
    both, one = ["search_known_faults", "look_up_account"], ["search_known_faults"]
    traces = [
        rollout(f"{s.scenario_id}-{len(tools)}", scenario_id=s.scenario_id, tools_used=tools, reward=reward)
        for s in scenarios
        for tools, reward in ((both, 0.2), (one, 0.9))
    ]
    found, success = found_on(task, undecided, traces, 50, 20)
    assert found.facts["advantage_argmax"] == {"calls_mean": 1.0, "tools": one}
    (rule,) = (r for r in found.fixed_rules if r["tools"] == one)
    assert accuracy(found, "advantage_argmax", success) == rule["accuracy"]


def test_the_table_of_advantages_counts_answers_only_and_needs_more_than_luck():
    tools = ["a", "b", "c"]
    assert most_rewarded_tools(rewarded(("a", 0.0), ("c b", 1.0)), tools) == ["b", "c"]
    broken = rewarded(("a", 1.0), ("b", 0.0), answer=None)
    assert most_rewarded_tools(broken, tools) == []
    lucky = [*rewarded(("a", 0.5), ("b", 0.7)), *rewarded(("c", 1.0), ("a", 0.0), scenarios=1)]
    assert most_rewarded_tools(lucky, tools) == ["b"]
    assert most_rewarded_tools(rewarded(("a", 0.4), ("x", 0.9), ("", 0.9)), tools) == ["a"]
    assert most_rewarded_tools(rewarded(("a b", 0.5), ("a", 0.5)), tools) == ["a"]


# ----------------------------------------------------------------------------- fitted models


@pytest.mark.parametrize("name", ["logistic_all_tools", "boosting_all_tools"])
def test_models_learn_from_what_happened_in_phase_2_alone(conference, undecided, name):
    found, success = conference
    assert found.facts[name] == {"calls_mean": 4.0, "rows": 300}  # a row a scenario, whatever its rollouts
    assert accuracy(found, name, success) > 0.82
    task = Conference()
    turned_around = played(task, 300, lambda s: s.success_probability <= 0.5)
    wrong, _ = found_on(task, undecided, turned_around, 400, 300)
    assert accuracy(wrong, name, success) < 0.18
    assert wrong.fixed_rules == found.fixed_rules


def test_only_scenarios_with_an_outcome_are_rows(undecided):
    task = TicketTriage()
    found, _ = found_on(task, undecided, played(task, 50)[:40], 20, 50)
    assert found.facts["logistic_all_tools"]["rows"] == 20
    nothing, _ = found_on(task, undecided, [], 20, 50)
    assert nothing.probabilities.keys() == nothing.facts.keys() == {"rule_best_fixed"}


def test_tickets_have_rules_and_models_of_their_own(undecided):
    task = TicketTriage()
    found, success = found_on(task, undecided, played(task, 200), 300, 200)
    assert [rule["tools"] for rule in found.fixed_rules] == [
        ["look_up_account"],
        ["search_known_faults"],
        ["look_up_account", "search_known_faults"],
    ]
    assert found.facts["rule_best_fixed"]["calls_mean"] == 2.0  # the outcome depends on both
    assert accuracy(found, "logistic_all_tools", success) > 0.85
    assert accuracy(found, "boosting_all_tools", success) > 0.8


# ----------------------------------------------------------------------------- nothing to learn from


class FailingTool(TicketTriage):
    """One of the two tools never answers, in one of two ways."""

    def _tools(self, known):
        account, _ = super()._tools(known)

        def search_known_faults(ticket: str) -> dict:
            if int(ticket[1:]) % 2:
                raise ToolError("the list of faults is closed")
            raise RuntimeError

        return [account, search_known_faults]


class OneTool(TicketTriage):
    """It has no other tool."""

    def _tools(self, known):
        return super()._tools(known)[:1]


class NoScores(TicketTriage):
    def naive_score(self, tool, result):
        return None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("task", [TicketTriage(), FailingTool(), OneTool(), NoScores()], ids=lambda t: type(t).__name__)
@pytest.mark.parametrize("outcome", [None, True, False], ids=["as it is", "all succeed", "none succeeds"])
@pytest.mark.parametrize("rows", [1, 2, 60])
def test_degenerate_tools_and_outcomes_raise_nothing(undecided, task, outcome, rows):
    traces = played(task, rows, lambda s: s.success_probability > 0.5 if outcome is None else outcome)
    found, _ = found_on(task, undecided, traces, 40, rows)
    rules = {"OneTool": 1, "FailingTool": 1, "NoScores": 0}.get(type(task).__name__, 3)
    assert len(found.fixed_rules) == rules
    for answers in found.probabilities.values():
        assert len(answers) == 40
        assert all(0.0 <= p <= 1.0 for p in answers)
    if outcome is not None:
        assert found.probabilities["logistic_all_tools"] == [float(outcome)] * 40
        assert found.probabilities["boosting_all_tools"] == [float(outcome)] * 40


def test_a_tool_that_always_fails_is_in_no_rule(undecided):
    task = FailingTool()
    found, _ = found_on(task, undecided, played(task, 60), 100, 60)
    assert [rule["tools"] for rule in found.fixed_rules] == [["look_up_account"]]


# ----------------------------------------------------------------------------- the table of numbers


def test_numbers_of_a_result():
    result = {
        "energy_a": 0.2,
        "energy_b": 0.75,
        "shared": ["tea", "chess"],
        "mentor": True,
        "words": "tired",
        "nothing": None,
        "more": {"x": 1},
        "huge": 10**400,
        "meetings_a": 3,
        "finds_a": "yes",
        "finds_b": "no",
        "seeks_a": "mentorship",
        "seeks_b": "funding",
    }
    assert numbers("t", result) == pytest.approx(
        {
            "t.energy_a": 0.2,
            "t.energy_b": 0.75,
            "t.shared": 2.0,
            "t.mentor": 1.0,
            "t.huge": 1e9,
            "t.meetings_a": 3.0,
            "t.energy_gap": 0.55,
            "t.energy_low": 0.2,
            "t.energy_high": 0.75,
            **{"t.finds_a": 1.0, "t.finds_b": 0.0, "t.finds_gap": 1.0, "t.finds_low": 0.0, "t.finds_high": 1.0},
            **{f"t.{words}": 1.0 for words in ("seeks_a=mentorship", "seeks_b=funding", "words=tired")},
            **{f"t.seeks={need}": 1.0 for need in ("mentorship", "funding")},
        }
    )
    assert np.isnan(numbers("t", {"finds_a": "unknown"})["t.finds_a"])
    assert matrix([{"t.seeks=funding": 1.0}, {}], ["t.seeks=funding"]).tolist() == [[1.0], [0.0]]
    assert np.array_equal(matrix([{"x": 1.0}, {}], ["y", "x"]), [[np.nan, 1.0], [np.nan, np.nan]], equal_nan=True)
    assert matrix([], ["x"]).shape == (0, 1)


def test_free_text_is_no_column():
    rows = [{"t.n": float(i), f"t.note=text {i}": 1.0, f"t.kind={'ab'[i % 2]}": 1.0} for i in range(MOST_WORDS + 1)]
    assert columns_of(rows) == ["t.kind=a", "t.kind=b", "t.n"]


def test_a_tool_gets_the_arguments_that_it_knows():
    def number_of(ticket: str) -> dict:
        return {"number": int(ticket[1:])}

    def none_at_all() -> list:
        return [1]

    scenario = SimpleNamespace(arguments={"ticket": "T7", "time": "now"})
    assert result_of(number_of, scenario) == {"number": 7}
    assert result_of(none_at_all, scenario) == {}


# ----------------------------------------------------------------------------- readings without labels


def test_readings_are_what_the_texts_say_and_need_no_label():
    """The base was taught to read, so the mean of its readings follows that of an exact reader."""
    task, base = Conference(), Engine("models/base", fp32=True)
    (scenarios,) = task.scenarios("evaluation", SEED, 32)
    said = zero_label_readings(task, base, scenarios)["zero_label_readings"]
    exact = []
    for m in (s.subject for s in scenarios):
        a, b = (task.descriptor.describe(person, m.time_slot) for person in (m.person_a, m.person_b))
        pair = Pair(m.person_a, m.person_b, a, b, m.time_slot)
        exact.append(np.mean([READINGS[name](pair) for name in ZERO_LABEL_READINGS]))
    assert np.corrcoef(said, exact)[0, 1] > 0.9
    assert np.abs(np.array(said) - exact).mean() < 0.06
    unknown = [replace(s, success_probability=float("nan"), reason="") for s in scenarios]
    assert zero_label_readings(task, base, unknown)["zero_label_readings"] == said


def test_a_task_without_reading_questions_has_no_readings(undecided):
    task = TicketTriage()
    (scenarios,) = task.scenarios("evaluation", SEED, 3)
    assert zero_label_readings(task, undecided, scenarios) == {}
