"""Which rollouts are set against each other, and which claims are made up."""

import re
from collections import Counter
from pathlib import Path

import pytest

from meeting_agent.agent.claims import CLAIM, count_grounded_claims, tool_results
from meeting_agent.agent.trajectory_file import TraceFile
from meeting_agent.conference import Conference
from meeting_agent.training.made_up_claims import dialogue_pairs, made_up_claim_pairs, misreadings
from meeting_agent.training.pairs import MAX_USES, may_pair, preference_pairs, same_prompt_pairs
from starter_agentic_rlft import RLFTConfig
from tests.records import rollout


def trajectory(index, scenario, answer, text=None, **changes):
    """A rollout of a scenario's one prompt that ends in `text`, which is its own if none is given."""
    messages = [
        {"role": "system", "content": "You advise."},
        {"role": "user", "content": scenario},
        {"role": "assistant", "content": text or f"answer {index}"},
    ]
    return rollout(f"{scenario}-{index}", answer, scenario_id=scenario, messages=messages, **changes)


def scenarios(count, values):
    """Rollouts of `count` scenarios, half of which are answered YES, and values by index: the same in each scenario."""
    traces = [trajectory(i, f"s{s}", "YES" if s % 2 else "NO") for s in range(count) for i in range(len(values))]
    return traces, {one.id: values[int(one.id.split("-")[1])] for one in traces}


def pairs_of(traces, values, min_gap=0.05, max_pairs=999):
    return same_prompt_pairs(traces, values, min_gap=min_gap, max_pairs=max_pairs, seed=1)


def test_pairs_share_a_prompt_stay_balanced_and_never_overuse_a_trajectory():
    traces, values = scenarios(60, [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
    values |= {f"s{s}-0": 0.0 for s in range(0, 60, 4)}  # fewer candidates where the answer is NO
    found = pairs_of(traces, values)
    chosen = [c.recommendation for c, _ in found]
    assert chosen.count("YES") == chosen.count("NO") > 0
    assert all(c.id.split("-")[0] == r.id.split("-")[0] for c, r in found)
    assert all(c.value - r.value >= 0.05 for c, r in found)
    uses = Counter(one.id for pair in found for one in pair)
    assert max(uses.values()) == MAX_USES
    assert [c.recommendation for c, _ in pairs_of(traces, values, max_pairs=11)].count("YES") == 5
    assert len(pairs_of(traces, values, max_pairs=11)) == 10


def test_only_values_decide_which_side_is_chosen():
    traces, values = scenarios(20, [0.60, 0.63, 0.90])
    found = pairs_of(traces, values)
    assert {(c.id[-1], r.id[-1]) for c, r in found} == {("2", "0"), ("2", "1")}
    assert len(found) == 40
    assert pairs_of(traces, values, min_gap=0.03) != found
    assert not pairs_of(traces, values, min_gap=0.31)


def test_rollouts_with_the_same_text_are_one():
    """Values of equal texts may differ where rewards are shuffled."""
    traces = [trajectory(i, f"s{s}", "YES" if s % 2 else "NO", "same") for s in range(4) for i in range(3)]
    values = {one.id: int(one.id[-1]) / 2 for one in traces}
    assert not pairs_of(traces, values)
    assert not may_pair(traces)
    other = [trajectory(3, f"s{s}", "YES" if s % 2 else "NO", "other") for s in range(4)]
    assert len(pairs_of(traces + other, values | {one.id: 1.0 for one in other})) == 4
    assert may_pair(traces + other)


def test_pairs_need_both_answers():
    traces = [trajectory(i, f"s{s}", "YES") for s in range(4) for i in range(3)]
    assert not may_pair(traces)
    assert not pairs_of(traces, {one.id: int(one.id[-1]) / 2 for one in traces})


def test_a_rollout_without_an_answer_or_a_value_is_in_no_pair():
    traces, values = scenarios(20, [1.0, 0.1])
    for s in range(20):
        broken = [trajectory(2, f"s{s}", None), trajectory(3, f"s{s}", "PERHAPS")]
        broken += [trajectory(4, f"s{s}", "YES", completed_naturally=False)]
        values |= {one.id: -1.0 for one in broken}
        traces += [*broken, trajectory(5, f"s{s}", "YES")]  # the last one has no value
    found = pairs_of(traces, values)
    assert len(found) == 20
    assert all(rejected.value == 0.1 for _, rejected in found)


def test_a_pair_shows_the_values_that_made_it():
    traces = list(TraceFile(Path("trajectories/agent_traces.json")))[:80]
    values = {one.id: 0.5 + 0.001 * i for i, one in enumerate(traces)}
    config = RLFTConfig(min_reward_gap=0.001, grounding_share=0.0, dialogue_share=0.0)
    found = preference_pairs(Conference(), traces, values, config)
    assert found
    assert all((p.chosen_reward, p.rejected_reward) == (values[p.chosen_id], values[p.rejected_id]) for p in found)


def test_made_up_negatives_differ_in_one_ungrounded_claim():
    traces = TraceFile(Path("trajectories/agent_traces.json"))
    better = {one.id for one in traces if one.reward >= 1.0}
    found = made_up_claim_pairs(Conference(), traces, better, count=40, seed=1)
    assert {chosen.id for chosen, _ in found} <= better
    assert len(found) == 40
    assert sum(chosen.recommendation == "YES" for chosen, _ in found) == 20
    check_twins(found)
    assert {c.messages[:-1] == r.messages[:-1] for c, r in found} == {True, False}


def check_twins(found):
    """Each differs from its good trajectory in one claim, of another field or misread wherever it is told."""
    kinds = Counter()
    for chosen, rejected in found:
        said, twisted = (CLAIM.findall(t.messages[-1]["content"]) for t in (chosen, rejected))
        changed = [(a, b) for a, b in zip(said, twisted, strict=True) if a != b]
        assert len(set(changed)) == 1
        (claim, made_up), *_ = changed
        kinds["score" if claim[0] != made_up[0] else "value"] += 1
        grounded, claims = count_grounded_claims(chosen.messages)
        assert grounded == claims
        assert count_grounded_claims(rejected.messages) == (claims - len(changed), claims)
        assert rejected.reward < chosen.reward
        if claim[0] == made_up[0]:
            said = re.compile(rf"{' '.join(claim)}(?!\.?\d)")
            assert not any(said.search(m["content"]) for m in rejected.messages if m["role"] == "assistant")
    assert min(kinds["score"], kinds["value"]) > 5


def test_dialogue_pairs_hold_what_trajectories_seldom_do():
    found = dialogue_pairs(Conference(), 300, seed=1)
    check_twins(found)
    assert found[:60] == dialogue_pairs(Conference(), 60, seed=1)
    results = [r for chosen, _ in found for r in tool_results(chosen.messages)]
    assert sum("error" in r for r in results) > 0.1 * len(results)


@pytest.mark.parametrize(
    ("value", "count", "some"),
    [
        ("7.1", 18, ["7.9", "0.1"]),
        ("0.64", 18, ["0.04", "0.69"]),
        ("4", 9, ["0", "9"]),
        ("10", 17, ["19", "90"]),
        ("yes", None, ["no"]),
    ],
)
def test_a_value_is_misread_in_one_digit_or_word(value, count, some):
    found = misreadings(value)
    assert value not in found
    assert set(some) <= set(found)
    assert count is None or len(found) == len(set(found)) == count
