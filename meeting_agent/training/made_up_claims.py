"""Rejected sides with a claim that no tool made: DPO would otherwise come to like such claims."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace

from data_classes import Trajectory
from meeting_agent.agent.claims import CLAIM, UNGROUNDED, known_claims
from meeting_agent.agent.environment import Environment

MADE_UP_CLAIM_COSTS = 0.05  # reward, where no environment judges: in dialogues of a corpus


def made_up_claim_pairs(
    environment: Environment, trajectories: Iterable[Trajectory], min_chosen: float, count: int, seed: int
) -> list[tuple[Trajectory, Trajectory]]:
    """At most `count` pairs of a good trajectory and itself `with_made_up_claim`, as many that say YES as NO.

    DPO would learn to name the scores that good answers name, also where no tool was called for them. A rejected side
    whose only fault is the claim unteaches that. Goes through `trajectories` twice.
    """
    rng = random.Random(seed)
    by_answer: dict[str | None, list[str]] = {"YES": [], "NO": []}
    for trajectory, _ in good_and_made_up(environment, trajectories, min_chosen, rng):
        by_answer[trajectory.recommendation].append(trajectory.id)
    each = min(count // 2, *(len(ids) for ids in by_answer.values()))
    wanted = [name for ids in by_answer.values() for name in rng.sample(ids, each)]
    chosen = set(wanted)
    again = good_and_made_up(environment, trajectories, min_chosen, random.Random(seed))
    found = {trajectory.id: (trajectory, twin) for trajectory, twin in again if trajectory.id in chosen}
    return [found[name] for name in wanted]


def good_and_made_up(
    environment: Environment, trajectories: Iterable[Trajectory], min_chosen: float, rng: random.Random
) -> Iterator[tuple[Trajectory, Trajectory]]:
    """Trajectories of at least `min_chosen` that say YES or NO, each with itself `with_made_up_claim` where it can."""
    for trajectory in trajectories:
        if trajectory.reward >= min_chosen and trajectory.recommendation in ("YES", "NO"):
            twin = with_made_up_claim(trajectory, list(environment.main_scores.values()), rng)
            if twin is not None:
                yield trajectory, replace(twin, reward=environment.reward(twin))


def with_made_up_claim(trajectory: Trajectory, scores: list[str], rng: random.Random) -> Trajectory | None:
    """The trajectory with one claim of its closing JSON made up; None without a claim.

    Half of the time one of the `scores` that no tool gave takes the place of the claim's own. Else the claim is misread
    where it is first told and told wrongly from there on, one digit of it changed. These are the ways in which answers
    go wrong.
    """
    answer = trajectory.messages[-1]["content"]
    claims = list(CLAIM.finditer(answer, max(0, answer.rfind("{"))))
    if not claims:
        return None
    claim = rng.choice(claims)
    field, value = claim.groups()
    known = known_claims(trajectory.messages)
    fields = {name for name, _ in known}
    not_given = [score for score in scores if score not in fields]
    misread = [v for v in one_digit_off(value) if (field, v) not in known]
    messages = list(trajectory.messages)
    if not_given and rng.random() < 0.5:
        said = f"{answer[: claim.start()]}{rng.choice(not_given)} {value}{answer[claim.end() :]}"
        messages[-1] = messages[-1] | {"content": said}
    else:
        right, wrong = f"{field} {value}", f"{field} {rng.choice(misread)}"
        messages = [
            m | {"content": m["content"].replace(right, wrong)} if m["role"] == "assistant" else m for m in messages
        ]
    return replace(trajectory, id=f"{trajectory.id}{UNGROUNDED}", messages=messages)


def dialogue_pairs(environment: Environment, count: int, seed: int) -> list[tuple[Trajectory, Trajectory]]:
    """`count` dialogues that the environment writes, each with itself `with_made_up_claim`; none if it writes none."""
    rng = random.Random(f"copying-{seed}")
    scores = list(environment.main_scores.values())
    pairs: list[tuple[Trajectory, Trajectory]] = []
    dialogues = environment.dialogues(rng)
    while len(pairs) < count and (messages := next(dialogues, None)):
        dialogue = as_trajectory(f"corpus-{len(pairs)}", messages)
        if (twin := with_made_up_claim(dialogue, scores, rng)) is not None:
            pairs.append((dialogue, replace(twin, reward=dialogue.reward - MADE_UP_CLAIM_COSTS)))
    return pairs


def as_trajectory(name: str, messages: list[dict]) -> Trajectory:
    """A dialogue that nobody played, with the reward of a faultless rollout."""
    return Trajectory(
        id=name,
        scenario_id=name,
        system_prompt_name="",
        sample_index=0,
        initial_user_prompt=messages[1]["content"],
        messages=messages,
        tools_used=[call["function"]["name"] for m in messages for call in m.get("tool_calls") or []],
        total_iterations=None,
        completed_naturally=True,
        tokens=None,
        final_recommendation_parsed=None,
        ground_truth=None,
        true_outcome="",
        policy="",
        seed=None,
        reward=1.0,
    )


def one_digit_off(value: str) -> list[str]:
    """Every other value with two decimals that differs from `value` in one digit after the point."""
    written = f"{float(value):.2f}"  # a served model may write more or fewer digits
    tenths, hundredths = written[-2], written[-1]
    others = [f"0.{digit}{hundredths}" for digit in "0123456789"] + [f"0.{tenths}{digit}" for digit in "0123456789"]
    return [other for other in others if other != written]
