"""Reading what models write, however broken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_classes import calculate_accuracy_metrics, get_true_outcome, safe_extract_json
from meeting_agent.chat_format import to_openai_message
from meeting_agent.prediction import read_probability, target_text
from meeting_agent.statistics import score_probabilities
from starter_agentic_traces import parse_recommendation


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"probability": 0.7}', {"probability": 0.7}),
        ('Sure!\n```json\n{"a": {"b": 1}}\n```', {"a": {"b": 1}}),
        ('{"a": 1} then {"b": 2}', {"b": 2}),
        ('{broken {"a": 1}', {"a": 1}),
        ('{"a": 1', None),
        ("[1, 2]", None),
        ("", None),
        (None, None),
        (7, None),
        ("{" * 5000, None),
    ],
)
def test_json_is_found_or_not(text, found):
    assert safe_extract_json(text) == found


@given(st.text())
def test_no_text_breaks_the_readers(text):
    safe_extract_json(text)
    parse_recommendation(text)
    read_probability(text)
    to_openai_message(text)


@given(st.dictionaries(st.text(), st.integers() | st.text(), min_size=1), st.text(alphabet="ab \n:,"))
def test_an_object_survives_its_surroundings(value, noise):
    assert safe_extract_json(noise + json.dumps(value) + noise) == value


@pytest.mark.parametrize(
    ("answer", "recommendation", "probability"),
    [
        ('{"probability": 0.64, "recommendation": "YES", "reasoning": "x"}', "YES", 0.64),
        ('{"probability": 0.64, "recommendation": "no"}', "NO", 0.64),
        ('{"probability": 7, "recommendation": "MAYBE"}', "MAYBE", None),
        ('{"probability": true}', None, None),
        ('"recommendation": "NO", and it broke off', "NO", None),
        ("I do not know", None, None),
        ('{"recommendation": ["YES"]}', None, None),
    ],
)
def test_recommendations(answer, recommendation, probability):
    assert parse_recommendation(answer) == (recommendation, probability)


def test_malformed_tool_calls_stay_text():
    for written in (
        "<tool_call>{</tool_call>",
        '<tool_call>{"name": 1, "arguments": {}}</tool_call>',
        "<tool_call>[]</tool_call>",
    ):
        assert "tool_calls" not in to_openai_message(written)
    message = to_openai_message('Hm.<tool_call>{"name": "f", "arguments": {"x": 1}}</tool_call>')
    assert message["content"] == "Hm."
    assert message["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"x": 1}'}


def test_unreadable_answers_count_as_wrong():
    scores = score_probabilities([0.9, None], [0.8, 0.8])
    assert scores["accuracy"] == 0.5
    assert scores["valid_rate"] == 0.5
    results = [{"prediction": "YES", "actual": "YES"}, {"prediction": None, "actual": "NO"}]
    assert calculate_accuracy_metrics(results) == {"accuracy": 0.5, "total_scenarios": 2, "correct_count": 1}


def test_targets_round_trip():
    for value in (0.0, 0.07, 0.5, 0.734, 1.0):
        assert read_probability(target_text(value, "energy")) == pytest.approx(min(0.99, max(0.01, value)), abs=0.0051)


def test_outcome_is_yes_above_one_half():
    assert get_true_outcome(0.5) == "NO"
    assert get_true_outcome(0.51) == "YES"
