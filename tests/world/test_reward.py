"""The reward table, and what counts as a grounded claim."""

import json

import pytest

from meeting_agent.agent.claims import count_grounded_claims
from meeting_agent.world.reward import calculate_reward

TOOL = "assess_time_slot_fit_and_energy"


def trace(**changes):
    base = {
        "final_recommendation_parsed": "YES",
        "tools_used": [TOOL, "predict_follow_up_potential"],
        "completed_naturally": True,
        "ground_truth": 0.8,
    }
    return base | changes


@pytest.mark.parametrize(
    ("changes", "reward"),
    [
        ({}, 1.0),
        ({"ground_truth": 0.2}, 0.1),
        ({"ground_truth": "NO"}, 0.1),
        ({"ground_truth": "YES"}, 1.0),
        ({"final_recommendation_parsed": None}, -1.0),
        ({"final_recommendation_parsed": ""}, -1.0),
        ({"completed_naturally": False}, -0.75),
        ({"tools_used": []}, -0.5),
        ({"final_recommendation_parsed": "MAYBE"}, -0.25),
        ({"tools_used": [TOOL]}, 0.9),
        ({"tools_used": [TOOL, TOOL]}, 0.95),
        ({"tools_used": ["a", "b", "c", "d", "e", "f"]}, 0.9),
        ({"tools_used": [TOOL] * 30}, 0.7),
        ({"final_recommendation_parsed": None, "tools_used": [], "completed_naturally": False}, -1.0),
    ],
)
def test_reward_table(changes, reward):
    assert calculate_reward(trace(**changes)) == pytest.approx(reward)


def test_only_four_keys_are_needed():
    assert calculate_reward(trace()) == 1.0
    assert calculate_reward({}) == -1.0


def conversation(answer, **result):
    return [
        {"role": "system", "content": ""},
        {"role": "user", "content": "energy 0.99"},
        {"role": "tool", "content": json.dumps(result)},
        {"role": "assistant", "content": answer},
    ]


def test_claims_are_checked_against_what_tools_returned():
    messages = conversation("energy_a 7.1 is high, energy_a 7.2 is high, energy 0.99 is high", energy_a=7.1)
    assert count_grounded_claims(messages) == (1, 3)
    assert calculate_reward(trace(messages=messages)) == pytest.approx(0.9)


def test_failed_calls_cost_a_little():
    assert calculate_reward(trace(messages=conversation("none", error="unknown attendee"))) == pytest.approx(0.95)


def test_no_manners_outweigh_the_outcome():
    rude = trace(tools_used=[TOOL] * 20, messages=conversation("a 0.1 b 2 c 0.3 d 0.4 e 0.5 f_g no"))
    assert calculate_reward(rude) > calculate_reward(trace(ground_truth=0.1))
