"""The reward table, and what counts as a grounded claim."""

import json

import pytest

from meeting_agent.agent.claims import count_grounded_claims
from meeting_agent.common.files import InputError
from meeting_agent.conference import Conference
from meeting_agent.world.reward import calculate_reward, expected_reward
from tests.records import rollout

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
        ({"tools_used": ["a", "b", "c"]}, 0.98),
        ({"tools_used": ["a", "b", "c", "d", "e"]}, 0.94),
        ({"tools_used": ["a", "b", "c", "d", "e", "f"]}, 0.82),
        ({"tools_used": [TOOL] * 30}, 0.7),
        ({"final_recommendation_parsed": None, "tools_used": [], "completed_naturally": False}, -1.0),
    ],
)
def test_reward_table(changes, reward):
    assert calculate_reward(trace(**changes)) == pytest.approx(reward)


def test_a_reward_is_for_the_likelier_outcome_or_for_what_happened():
    unlucky = trace(happened="NO")
    assert calculate_reward(unlucky) == 1.0
    assert calculate_reward(unlucky, "drawn") == 0.1
    assert calculate_reward(rollout(tools_used=["a", "b"], happened="NO")) == 1.0
    assert calculate_reward(rollout(tools_used=["a", "b"], happened="NO"), "drawn") == 0.1


@pytest.mark.parametrize(("calls", "price", "reward"), [(2, 0.2, 1.0), (3, 0.2, 0.8), (4, 0.2, 0.7), (5, 0.0, 1.0)])
def test_calls_beyond_the_second_have_a_price_and_a_limit_holds(calls, price, reward):
    tools = [f"tool {i}" for i in range(calls)]
    assert calculate_reward(trace(tools_used=tools), call_price=price) == pytest.approx(reward)


def test_the_environment_rewards_as_it_was_set():
    unlucky = rollout(tools_used=["a", "b", "c"], happened="NO")
    assert Conference().reward(unlucky) == pytest.approx(0.98)
    assert Conference(outcome="drawn", call_price=0.05).reward(unlucky) == pytest.approx(0.05)
    settings = {"physics_seed": 3, "outcome": "drawn", "call_price": 0.05, "seed": 42}
    as_set = Conference.as_set("", "", settings)
    assert (as_set.physics_seed, as_set.reward(unlucky)) == (3, pytest.approx(0.05))
    with pytest.raises(InputError, match="--outcome is 'luck': give expected or drawn"):
        Conference(outcome="luck")


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


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.5, 0.9])
def test_the_expected_reward_is_the_mean_reward_of_the_likelier_answer(probability):
    """Where an agent says what is likelier, the mean over what may happen is the expectation, deductions included."""
    likelier = "YES" if probability > 0.5 else "NO"
    for tools in ([TOOL, "b"], [TOOL], [TOOL, TOOL, "b"]):
        one = rollout(answer=likelier, tools_used=tools)
        rewards = {truth: calculate_reward(one.to_json() | {"ground_truth": truth}) for truth in ("YES", "NO")}
        mean = probability * rewards["YES"] + (1 - probability) * rewards["NO"]
        assert expected_reward(one, probability) == pytest.approx(mean, abs=1e-4)
        other = rollout(answer="YES" if likelier == "NO" else "NO", tools_used=tools)
        assert expected_reward(other, probability) == expected_reward(one, probability)


def test_nothing_better_is_expected_of_a_rollout_without_an_answer():
    for broken in ({"answer": None}, {"completed_naturally": False}, {"tools_used": []}, {"answer": "PERHAPS"}):
        one = rollout(**broken)
        assert expected_reward(one, 0.99) == calculate_reward(one)
