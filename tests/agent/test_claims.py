"""What counts as a claim, and which claims tool results ground."""

import json

import pytest

from meeting_agent.agent.claims import closing_claims, count_grounded_claims, grounded_claims, known_claims

RESULTS = (
    {"energy_a": 7.1, "energy_b": 3.4, "meetings_a": 2, "meetings_b": 4},
    {"shared": ["fintech"], "one_in": 4, "seeks_a": "funding", "finds_a": "yes", "finds_b": "no"},
    {"probability": 0.6, "reason": "energy"},
)


def conversation(answer: str, results=RESULTS) -> list[dict]:
    tools = [{"role": "tool", "content": json.dumps(result)} for result in results]
    return [{"role": "user", "content": "energy_a 9.9"}, *tools, {"role": "assistant", "content": answer}]


@pytest.mark.parametrize(
    "said",
    [
        *("energy_a 7.1", "energy_a 7.10", "meetings_b 4", "one_in 4", "probability 0.60"),
        *("finds_a yes", "finds_b no"),
        *("lower 3.4", "apart 3.7"),
    ],
)
def test_what_a_result_holds_is_grounded(said):
    messages = conversation(f'So {said}. {{"probability": 0.33, "reasoning": "{said}, it is not enough"}}')
    field, value = said.split()
    assert grounded_claims(messages) == closing_claims(messages) == [(field, value)] * 2


@pytest.mark.parametrize(
    "said",
    [
        *("energy_a 7.2", "energy_a 9.9", "energy_c 7.1", "meetings_b 3", "meetings_a 4", "energy_a 71"),
        *("finds_a no", "finds_b yes", "finds_c yes"),
        *("lower 7.1", "apart 3.8", "higher 7.1"),
        *("lower 2", "apart 2"),  # counts of two sides are no ratings
    ],
)
def test_anything_else_is_made_up(said):
    assert count_grounded_claims(conversation(said)) == (0, 1)


@pytest.mark.parametrize(
    "said",
    ["", "has no need", "they say yes", "the reason is energy", "finds_a is yes", "shared fintech", '{"a": 3.4}'],
)
def test_prose_holds_no_claims(said):
    assert closing_claims(conversation(said)) == []


def test_comparisons_need_both_sides_of_one_result():
    one_side = ({"energy_a": 7.1}, {"energy_b": 3.4}, {"score_a": 0.5, "score_b": "none"})
    assert not {field for field, _ in known_claims(conversation("", one_side))} & {"lower", "apart"}
    equal = ({"energy_a": 5.0, "energy_b": 5.0},)
    assert count_grounded_claims(conversation("lower 5.0, apart 0.0", equal)) == (2, 2)


def test_values_that_no_claim_can_hold_raise_nothing():
    odd = ({"a": 10**400, "b": -1.5, "c": True, "d": None, "e": "3 friends", "f": {"g": 1}, "h": [1]},)
    assert count_grounded_claims(conversation("b 1.5, e 3, f 1", odd)) == (0, 3)
