"""Which rollouts are set against each other, and which claims are made up."""

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meeting_agent.agent.claims import CLAIM, count_grounded_claims, tool_results
from meeting_agent.agent.summary import summarize
from meeting_agent.agent.trajectory_file import TraceFile
from meeting_agent.conference import Conference
from meeting_agent.training.made_up_claims import dialogue_pairs, made_up_claim_pairs, misreadings
from meeting_agent.training.pairs import of_call_gap, same_prompt_pairs, tool_advantages
from tests.records import rollout


def trajectory(index, scenario, reward, answer, tools=()):
    return rollout(
        f"{scenario}-{index}",
        answer,
        scenario_id=scenario,
        initial_user_prompt=scenario,
        reward=reward,
        tools_used=list(tools),
    )


def summary(name, reward, answer, tools):
    return summarize(rollout(name, answer, reward=reward, tools_used=list(tools)))


def test_pairs_share_a_prompt_stay_balanced_and_never_overuse_a_trajectory():
    traces = []
    for s in range(60):  # two of three scenarios succeed
        right, wrong = ("YES", "NO") if s % 3 else ("NO", "YES")
        traces += [
            trajectory(i, f"s{s}", 1.0 if i % 2 else 0.1, right if i % 2 else wrong, "ab"[i % 2]) for i in range(6)
        ]
    found = same_prompt_pairs(
        traces, min_gap=0.5, min_chosen=0.9, min_advantage_gap=-4.0, call_gap=0.0, max_uses=2, max_pairs=999, seed=1
    )
    chosen = [c.recommendation for c, _ in found]
    assert chosen.count("YES") == chosen.count("NO") > 0
    assert all(c.id.split("-")[0] == r.id.split("-")[0] for c, r in found)
    assert all(c.reward - r.reward >= 0.5 for c, r in found)
    used = [t.id for pair in found for t in pair]
    assert max(used.count(i) for i in used) <= 2
    fewer = same_prompt_pairs(
        traces, min_gap=0.5, min_chosen=0.9, min_advantage_gap=-4.0, call_gap=0.0, max_uses=2, max_pairs=11, seed=1
    )
    assert [c.recommendation for c, _ in fewer].count("YES") == 5 == len(fewer) / 2


def test_a_rollout_without_an_answer_is_in_no_pair():
    traces = []
    for s in range(20):
        right, wrong = ("YES", "NO") if s % 2 else ("NO", "YES")
        traces += [trajectory(0, f"s{s}", 1.0, right, "a"), trajectory(1, f"s{s}", 0.1, wrong, "b")]
        traces += [trajectory(2, f"s{s}", -1.0, None), trajectory(3, f"s{s}", -0.25, "PERHAPS")]
    found = same_prompt_pairs(
        traces, min_gap=0.5, min_chosen=1.0, min_advantage_gap=-4.0, call_gap=0.0, max_uses=9, max_pairs=999, seed=1
    )
    assert len(found) == 20
    assert all(rejected.reward == 0.1 for _, rejected in found)


def test_a_faulty_trajectory_is_never_chosen():
    traces = []
    for s in range(20):
        right, wrong = ("YES", "NO") if s % 2 else ("NO", "YES")
        traces += [trajectory(0, f"s{s}", 0.95, right, "a"), trajectory(1, f"s{s}", 0.1, wrong, "b")]
        traces += [trajectory(2, f"s{s}", 1.0, right, "c")] * (s < 10)
    found = same_prompt_pairs(
        traces, min_gap=0.5, min_chosen=1.0, min_advantage_gap=-4.0, call_gap=0.0, max_uses=2, max_pairs=999, seed=1
    )
    assert len(found) == 10
    assert all(chosen.reward == 1.0 for chosen, _ in found)


def test_luck_chooses_no_tools():
    """Of 40 prompts a and b together are right at 30 where a is wrong, and wrong at 10 where a is right."""
    traces = []
    for s in range(40):
        right, wrong = ("YES", "NO") if s % 2 else ("NO", "YES")
        lucky = s < 10
        traces.append(trajectory(0, f"s{s}", 0.1 if lucky else 1.0, wrong if lucky else right, "ab"))
        traces.append(trajectory(1, f"s{s}", 1.0 if lucky else 0.1, right if lucky else wrong, "aa"))
    rules = {"min_gap": 0.5, "min_chosen": 1.0, "call_gap": 0.5, "max_uses": 2, "max_pairs": 999, "seed": 1}
    whatever = same_prompt_pairs(traces, min_advantage_gap=-4.0, **rules)
    assert Counter(chosen.tool_set for chosen, _ in whatever) == {frozenset("ab"): 30, frozenset("a"): 10}
    found = same_prompt_pairs(traces, min_advantage_gap=0.01, **rules)
    assert len(found) == 30
    assert all((c.tool_set, r.tool_set) == (frozenset("ab"), frozenset("a")) for c, r in found)
    assert not same_prompt_pairs(traces, min_advantage_gap=1.0, **rules)


def test_with_the_same_tools_only_faults_tell():
    traces = []
    for s in range(20):
        right, wrong = ("YES", "NO") if s % 2 else ("NO", "YES")
        traces += [trajectory(0, f"s{s}", 1.0, right, "ab"), trajectory(1, f"s{s}", 0.95, right, "aba")]
        traces += [trajectory(2, f"s{s}", 0.95, right, "aac"), trajectory(3, f"s{s}", 0.1, wrong, "ba")]
    found = same_prompt_pairs(
        traces, min_gap=0.05, min_chosen=1.0, min_advantage_gap=1.0, call_gap=-1.0, max_uses=9, max_pairs=999, seed=1
    )
    assert len(found) == 20
    assert {(chosen.id[-1], rejected.id[-1]) for chosen, rejected in found} == {("0", "1")}


def test_advantages_are_of_the_tools_not_of_easy_prompts():
    easy = [trajectory(i, "easy", 1.0, "YES", ["a"]) for i in range(30)]
    hard = [trajectory(i, "hard", 1.0 if i < 8 else 0.1, "NO", ["b"] if i < 8 else ["a"]) for i in range(10)]
    worth = tool_advantages([[summarize(one) for one in group] for group in (easy, hard)])
    # Of b eight rollouts, each 0.9 * 2 / 9 above the others of its prompt; of a thirty at 0 and two of -0.9; prior 10.
    assert worth[frozenset("b")] == pytest.approx(8 * 0.2 / 18)
    assert worth[frozenset("a")] == pytest.approx(2 * -0.8 / 42)


@given(st.lists(st.integers(-4, 4), max_size=60), st.sampled_from([-1.0, 0.0, 0.5, 2.0]))
def test_length_is_controlled(differences, call_gap):
    pairs = [(summary("a", 1.0, "YES", "c" * (5 + more)), summary("b", 0.1, "NO", "c" * 5)) for more in differences]
    kept = of_call_gap(pairs, call_gap)
    left = [len(chosen.tools) - 5 for chosen, _ in kept]
    dropped = sorted((Counter(differences) - Counter(left)).elements())
    assert len(dropped) + len(left) == len(differences)
    assert len(left) >= len(differences) // 2
    if len(set(differences)) < 2:
        assert not dropped
    if dropped:  # only from the end that was too long or too short, and no more than needed
        too_long = sum(differences) > call_gap * len(differences)
        last, rest = (min(dropped), left) if too_long else (max(dropped), left)
        assert all(d <= last for d in rest) if too_long else all(d >= last for d in rest)
        before = sum([*left, last]) - call_gap * (len(left) + 1)
        assert before > 0 if too_long else before < 0
    elif len(set(differences)) > 1 and len(differences) > 1:
        assert sum(differences) == call_gap * len(differences)


def test_made_up_negatives_differ_in_one_ungrounded_claim():
    traces = TraceFile(Path("trajectories/agent_traces.json"))
    found = made_up_claim_pairs(Conference(), traces, min_chosen=1.0, count=40, seed=1)
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
