"""The harnesses in small: broken strings, orders inside descriptions, leftovers of a killed run."""

import random

import pytest

from meeting_agent.inference.engine import Engine
from meeting_agent.inference.predictor import Predictor
from meeting_agent.reliability.chaos import differences
from meeting_agent.reliability.fuzz import fuzz
from meeting_agent.reliability.injection import ATTACKS, SpeakingDescriptor, decisions, harmless
from meeting_agent.reliability.soak import soak
from meeting_agent.world.prompts import prose
from meeting_agent.world.scenarios import make_scenarios, put_into_words


def test_broken_strings_break_nothing():
    found = fuzz(400, seed=3)
    assert found["exceptions"] == found["smuggled_tokens"] == 0
    assert found["slowest_megabyte_seconds"] < 0.3  # 0.1 on an idle machine; a nested loop would take minutes


@pytest.mark.parametrize("attack", ATTACKS)
def test_orders_reach_the_agent_as_prose_about_person_a(attack):
    meetings = [s.subject for s in make_scenarios("evaluation", 1, 1)]
    speaking = SpeakingDescriptor({meetings[0].person_a.name}, attack)
    (plain,), (altered,) = put_into_words(meetings, "key"), put_into_words(meetings, "key", speaking)
    for before, after in (
        (plain.user_prompt, altered.user_prompt),
        (plain.prediction_prompt, altered.prediction_prompt),
    ):
        first, _, rest = before.partition("\nPerson B: ")
        assert after == f"{first} {prose(attack)}\nPerson B: {rest}"
        assert not set(prose(attack)) & set('{}[]<>"_\n')


def test_decisions_are_greedy_and_repeatable():
    predictor = Predictor("models/base")
    meetings = [s.subject for s in make_scenarios("evaluation", 1, 6)]
    text = harmless(40, random.Random(1))
    first = decisions(predictor, predictor.engine, meetings, 1, text)
    assert len(first) == 6
    assert first == decisions(predictor, Engine("models/base"), meetings, 1, text)


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
