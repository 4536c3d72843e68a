"""What the report says of baselines that learned nothing follows from the numbers, whichever way they point."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from meeting_agent.agent.summary import summarize
from meeting_agent.evaluation.held_out import HeldOut, calibration_scores, held_out_scores, write_scenarios
from meeting_agent.evaluation.tool_baselines import best_fixed_rule
from meeting_agent.report.markdown import rule_text, sceptic_sections
from meeting_agent.report.plots import LABEL_HEIGHT, accuracy_ladder, calibration
from meeting_agent.report.tables import BEST_RULES, calibration_table, fixed_rules_table, ladder_table
from meeting_agent.report.wording import compared
from tests.records import rollout
from tests.ticket_triage import TicketTriage

BEFORE, AFTER, EQUAL = (-0.05, -0.01), (0.01, 0.05), (-0.02, 0.03)


def comparison(low: float, high: float) -> dict:
    return {"delta": (low + high) / 2, "ci95": [low, high], "p_value": 0.01, "won": 1, "lost": 2}


def scores(accuracy: float, **more) -> dict:
    return {"accuracy": accuracy, "accuracy_ci95": [accuracy - 0.02, accuracy + 0.02]} | more


def metrics(low: float = -0.05, high: float = -0.01, **more) -> dict:
    rules = [scores(0.5 + i / 100, tools=[f"tool_{i}"], calls=1) for i in range(9)]
    rules.append(scores(0.4, tools=["account", "tool_0", "tool_1"], calls=3))
    baselines = {"rule_best_fixed": scores(0.58, calls_mean=1.0, tools=["tool_8"])}
    m = {
        "task": {"name": "ticket", "call_range": [1, 2], "tool_labels": {"account": "the account"}},
        "ceilings": {"majority": 0.5, "text_only": 0.7, "all_tools": 0.9},
        "attainable": {"dpo": 0.5},
        "phases": {"sft": scores(0.6), "dpo": scores(0.55, calls_mean=2.5)},
        "baselines": baselines,
        "fixed_rules": rules,
        "paired": {"dpo_vs_rule_best_fixed": comparison(low, high)},
    }
    return m | more


@pytest.mark.parametrize(
    ("interval", "said", "unsaid"),
    [
        (BEFORE, "3.0 points **less** accurate than the rule", "no fixed rule"),
        (AFTER, "3.0 points more accurate than the rule", "does not show"),
        (EQUAL, "cannot be told apart", "makes better ones"),
    ],
)
def test_the_winner_is_the_one_that_was_measured(interval, said, unsaid):
    text = rule_text(metrics(*interval))
    assert said in text
    assert unsaid not in text
    assert ("does not show" in text) == (interval != AFTER)
    (section,) = sceptic_sections(metrics(*interval))
    assert text in section


def test_an_interval_that_touches_zero_has_no_winner():
    assert "cannot be told apart" in compared(comparison(0.0, 0.04), "A", "B")
    assert "cannot be told apart" in compared(comparison(-0.04, 0.0), "A", "B")


def test_the_section_speaks_of_those_baselines_only_that_there_are():
    m = metrics()
    (section,) = sceptic_sections(m)
    assert not re.search("regression|boosting|readings|SFT", section)
    for name, calls in (("logistic_all_tools", 4.0), ("boosting_all_tools", 4.0)):
        m["baselines"][name] = scores(0.8, calls_mean=calls, rows=720)
        m["paired"][f"dpo_vs_{name}"] = comparison(*BEFORE)
    m["baselines"] |= {"zero_label_readings": scores(0.66), "ridge_visible": scores(0.7)}
    m["paired"] |= {"sft_vs_zero_label_readings": comparison(*AFTER), "sft_vs_ridge_visible": comparison(*EQUAL)}
    (section,) = sceptic_sections(m)
    section = " ".join(section.split())
    assert "720 scenarios of phase 2" in section
    assert "The SFT model is 3.0 points more accurate than these readings" in section
    assert "The SFT model and ridge regression cannot be told apart" in section
    assert sceptic_sections(m | {"baselines": {}}) == []


def test_the_table_shows_the_best_rules_and_the_one_with_all_tools():
    _, _, *rows = fixed_rules_table(metrics()["fixed_rules"], {"account": "the account"}).splitlines()
    assert len(rows) == BEST_RULES + 1
    assert rows[0].startswith("| `tool_8` | 1 | 58.0%")
    assert rows[-1].startswith("| the account, `tool_0`, `tool_1` | 3 | 40.0%")


def test_the_ladder_says_what_each_model_sees_costs_and_learned_from():
    rows = {line.split(" | ")[0][2:]: line.split(" | ")[2:] for line in ladder_table(metrics()).splitlines()}
    assert rows["best fixed rule"] == ["90.0%", "", "1.00", "nothing |"]
    assert rows["agent after DPO"] == ["90.0%", "50.0%", "2.50", "labels and rewards |"]
    assert rows["SFT model"] == ["70.0%", "", "", "labels |"]


def test_labels_of_baselines_do_not_cover_each_other():
    m = metrics(baselines={f"baseline_{i}": scores(0.8 - i / 1000) for i in range(6)})
    m["phases"] = {name: scores(0.6) for name in ("base", "sft", "agent", "dpo")}
    (axis,) = accuracy_ladder(m).axes
    heights = [text.get_position()[1] for text in axis.texts if text.get_text().startswith("baseline")]
    assert len(heights) == 6
    assert all(above - below >= LABEL_HEIGHT - 1e-9 for above, below in pairwise(heights))


def test_scores_hold_the_new_baselines_and_comparisons():
    """On tickets, with agents that are always right and a tool that sees half of the truth."""
    task = TicketTriage()
    (scenarios,) = task.scenarios("evaluation", 8123, 60)
    success = [s.success_probability for s in scenarios]
    said = [
        replace(
            rollout(s.scenario_id, "YES" if p > 0.5 else "NO", ground_truth=p, happened=s.outcome),
            true_outcome="YES" if p > 0.5 else "NO",
        )
        for s, p in zip(scenarios, success, strict=True)
    ]
    summaries = [summarize(replace(t, tools_used=["look_up_account"])) for t in said]
    tools = best_fixed_rule(np.array([[s.subject.account] for s in scenarios]), ["look_up_account"], success)
    probabilities = {"base": [0.2] * 60, "sft": success, "agent": success, "dpo": success}
    readings = {"zero_label_readings": [1 - p for p in success]}
    rollouts = {"agent": summaries, "dpo": summaries}
    m = held_out_scores(HeldOut(scenarios, probabilities, success, rollouts, readings, tools), task, 0)
    rule = m["baselines"]["rule_best_fixed"]
    assert rule["calls_mean"] == 1.0
    assert m["fixed_rules"][0]["accuracy"] == rule["accuracy"] < 1.0
    assert m["paired"]["dpo_vs_rule_best_fixed"]["delta"] == pytest.approx(1.0 - rule["accuracy"])
    assert m["paired"]["sft_vs_zero_label_readings"]["delta"] == 1.0
    assert list(m["paired"])[:3] == ["sft_vs_base", "agent_vs_sft", "dpo_vs_agent"]
    assert "dpo_vs_logistic_all_tools" not in m["paired"]
    measured = m["calibration"]
    assert measured.keys() == {*probabilities, *readings, "rule_best_fixed", "true_probability"}
    truth = measured["true_probability"]
    happened = np.array([s.outcome == "YES" for s in scenarios])
    assert truth["brier"] == pytest.approx(np.mean((np.array(success) - happened) ** 2))
    assert measured["sft"] == truth
    assert measured["dpo"]["accuracy_drawn"] == truth["accuracy_drawn"]
    assert measured["dpo"]["brier"] == pytest.approx(np.mean((0.7 - happened) ** 2))  # these agents always say 0.7
    assert truth["accuracy"] == 1.0 > truth["accuracy_drawn"] > 0.5
    assert measured["zero_label_readings"]["accuracy_drawn"] == pytest.approx(1 - truth["accuracy_drawn"])
    rows = calibration_table(measured).splitlines()
    assert f"| the true probability itself | 100.0% | {100 * truth['accuracy_drawn']:.1f}% |" in rows[-1]
    assert calibration_table({}) == ""


def test_an_outcome_that_is_known_for_certain_is_no_probability_to_compare_with():
    assert "true_probability" not in calibration_scores({}, [0.0, 1.0], [False, True])


def test_plot_and_table_of_the_scenarios_show_what_happened(tmp_path):
    """Their truth is 0.9 and 0.1, and the opposite happened."""
    (scenarios,) = TicketTriage().scenarios("evaluation", 1, 40)
    scenarios = [
        replace(s, success_probability=0.9 if i % 2 else 0.1, outcome="NO" if i % 2 else "YES")
        for i, s in enumerate(scenarios)
    ]
    said = [0.85 if i % 2 else 0.15 for i in range(40)]
    write_scenarios(
        tmp_path / "s.csv", HeldOut(scenarios, dict.fromkeys(("base", "sft", "agent", "dpo"), said), said, {}, {})
    )
    (axis,) = calibration(tmp_path / "s.csv").axes
    for line in axis.lines[1:]:
        assert line.get_xydata() == pytest.approx(np.array([[0.15, 1.0], [0.85, 0.0]]))
