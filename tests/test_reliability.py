"""The harnesses in small: broken strings, orders inside descriptions, leftovers of a killed run."""

import random

import pytest

from data_classes import MeetingPredictor
from meeting_agent.engine import Engine
from meeting_agent.reliability.chaos import differences
from meeting_agent.reliability.fuzz import fuzz
from meeting_agent.reliability.injection import ATTACKS, decisions, harmless, with_text
from meeting_agent.reliability.soak import soak
from starter_agentic_traces import make_scenarios


def test_broken_strings_break_nothing():
    found = fuzz(400, seed=3)
    assert found["exceptions"] == found["smuggled_tokens"] == 0
    assert found["slowest_megabyte_seconds"] < 0.3  # 0.1 on an idle machine; a nested loop would take minutes


def test_orders_reach_the_agent_as_text():
    scenario = make_scenarios("evaluation", 1, 1)[0]
    altered = with_text(scenario, ATTACKS[0])
    assert altered.user_prompt.count(ATTACKS[0]) == altered.prediction_prompt.count(ATTACKS[0]) == 1
    assert altered.user_prompt.index(ATTACKS[0]) < altered.user_prompt.index("\nPerson B: ")


def test_decisions_are_greedy_and_repeatable():
    predictor = MeetingPredictor("models/base")
    scenarios = make_scenarios("evaluation", 1, 6)
    text = harmless(40, random.Random(1))
    first = decisions(predictor, predictor.engine, scenarios, 1, text)
    assert len(first) == 6
    assert first == decisions(predictor, Engine("models/base"), scenarios, 1, text)


def test_a_soak_accounts_for_every_trajectory():
    found = soak("models/base", 12, 4, 1)
    assert found["trajectories"] == 12
    assert found["memory_end_mib"] > 0


@pytest.mark.parametrize("change", ["more", "less", "other"])
def test_differences_are_noticed(tmp_path, change):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "agent_traces.json").write_text("[]")
    assert differences(tmp_path / "a", tmp_path / "b") == []
    if change == "more":
        (tmp_path / "b" / ".left").write_text("")
    elif change == "less":
        (tmp_path / "b" / "agent_traces.json").unlink()
    else:
        (tmp_path / "b" / "agent_traces.json").write_text("[1]")
    assert len(differences(tmp_path / "a", tmp_path / "b")) == 1
