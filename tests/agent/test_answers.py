"""Reading what models write, however broken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_classes import Recommendation
from meeting_agent.agent.answers import (
    calculate_accuracy_metrics,
    get_true_outcome,
    last_json_object,
    parse_recommendation,
    safe_extract_json,
)
from meeting_agent.evaluation.statistics import score_probabilities
from meeting_agent.inference.chat_format import to_openai_message
from meeting_agent.inference.engine import Completion
from meeting_agent.inference.loading import load_tokenizer
from meeting_agent.inference.prediction import comes_back, predict_prompts, read_probability, read_reason, target_text


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
    assert last_json_object(text) == found


@pytest.mark.parametrize("text", ['{"probability": 0.7}', 'Sure: {"probability": 1, "reason": "energy"} Done.'])
def test_an_object_with_a_probability_is_extracted(text):
    assert safe_extract_json(text)["probability"] in (0.7, 1)


@pytest.mark.parametrize(
    "text", ["", "no", "{}", '{"probability": 7}', '{"probability": true}', '{"probability": "0.5"}', "[0.5]", None]
)
def test_text_without_a_probability_is_refused_in_one_line(text):
    with pytest.raises(ValueError, match="no JSON object with a probability") as refused:
        safe_extract_json(text)
    assert "\n" not in str(refused.value)


@given(st.text())
def test_no_text_breaks_the_readers(text):
    last_json_object(text)
    parse_recommendation(text)
    read_probability(text)
    read_reason(text)
    to_openai_message(text)


@given(st.dictionaries(st.text(), st.integers() | st.text(), min_size=1), st.text(alphabet="ab \n:,"))
def test_an_object_survives_its_surroundings(value, noise):
    assert last_json_object(noise + json.dumps(value) + noise) == value


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            '{"probability": 0.64, "recommendation": "YES", "reasoning": "x"}',
            Recommendation("YES", 0.64, "x"),
        ),
        ('{"probability": 0.64, "recommendation": "no"}', Recommendation("NO", 0.64, None)),
        ('{"probability": 0.64, "reasoning": ["x"]}', Recommendation(None, 0.64, None)),
        ('{"probability": 7, "recommendation": "MAYBE"}', Recommendation("MAYBE", None, None)),
        ('"recommendation": "NO", and it broke off', Recommendation("NO", None, None)),
        ('{"probability": true}', None),
        ("I do not know", None),
        ('{"recommendation": ["YES"]}', None),
    ],
)
def test_recommendations(answer, said):
    assert parse_recommendation(answer) == said


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


def test_accuracy_is_in_percent_of_all_scenarios():
    results = [{"is_correct": True}, {"is_correct": False}, {"is_correct": True}, {"is_correct": True}]
    assert calculate_accuracy_metrics(results) == {"accuracy": 75.0, "total_scenarios": 4, "correct_count": 3}
    assert calculate_accuracy_metrics([]) == {"accuracy": 0.0, "total_scenarios": 0, "correct_count": 0}


def test_targets_round_trip():
    for value in (0.0, 0.07, 0.5, 0.734, 1.0):
        assert read_probability(target_text(value, "energy")) == pytest.approx(min(0.99, max(0.01, value)), abs=0.0051)


REASONS = (
    "energy",
    "",
    'low "energy"',
    "both of them have a lot of energy at that time of the day",
    "énergie",
    "żeglarstwo",
    "общие интересы",
    "共通の関心",
    "back\\slash",
)


class ByHeart:
    """An engine that answers every prompt with one text, as far as it is allowed to write."""

    def __init__(self, answer):
        self.tokenizer, self.answer = load_tokenizer("models/base"), answer

    def fractions(self, prompts):
        return [0.5] * len(prompts)

    def generate(self, requests):
        rest = self.answer.partition('"reason": "')[2]
        ids = self.tokenizer.encode(rest, add_special_tokens=False)
        return [Completion(self.tokenizer.decode(ids[: r.max_new_tokens]), 0, 0) for r in requests]


@pytest.mark.parametrize("reason", REASONS)
def test_the_reason_that_was_trained_comes_back(reason):
    engine = ByHeart(target_text(0.5, reason))
    assert comes_back(engine.tokenizer, reason)
    assert predict_prompts(engine, ["x"]) == [{"probability": 0.5, "reason": reason}]


def test_a_reason_that_is_too_long_to_come_back_is_known_before():
    engine = ByHeart(target_text(0.5, "общие интересы и время"))
    assert not comes_back(engine.tokenizer, "общие интересы и время")
    assert predict_prompts(engine, ["x"])[0]["reason"] == ""


@given(st.text(st.characters(max_codepoint=126)))
def test_targets_in_ascii_are_the_bytes_that_they_were(reason):
    assert target_text(0.5, reason) == f'{{"probability": 0.50, "reason": {json.dumps(reason)}}}'


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text())
def test_a_written_reason_is_read_up_to_its_end(reason, behind):
    assert read_reason(f"{json.dumps(reason, ensure_ascii=False)[1:]}{behind}") == reason
    assert read_reason(f"{json.dumps(reason)[1:]}{behind}") == reason


@pytest.mark.parametrize("written", ["energy", "ene\\", 'a\\x"', '\\ud83d"', '\\u12"'])
def test_a_reason_that_does_not_end_or_is_no_text_is_empty(written):
    assert read_reason(written) == ""


def test_outcome_is_yes_above_one_half():
    assert get_true_outcome(0.5) == "NO"
    assert get_true_outcome(0.51) == "YES"
