"""Rejected rollouts with a made-up claim. Without them, DPO teaches the policy to invent claims."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Iterable, Iterator, Set
from dataclasses import replace

from data_classes import Trajectory
from meeting_agent.agent.claims import CLAIM, UNGROUNDED, as_known, count_grounded_claims, known_claims
from meeting_agent.agent.environment import Environment

WORDS = ("yes", "no")  # values of claims beside numbers
MADE_UP_CLAIM_COSTS = 0.05  # subtracted reward for a made-up claim in a corpus dialogue, which no environment scores


def made_up_claim_pairs(
    environment: Environment, trajectories: Iterable[Trajectory], better: Set[str], count: int, seed: int
) -> list[tuple[Trajectory, Trajectory]]:
    """At most `count` pairs of a good trajectory and its copy `with_made_up_claim`, half YES and half NO.

    `better` holds the ids of the trajectories that may be used.

    DPO teaches the policy to name the ratings that good answers name, even if no tool returned them. A rejected rollout
    whose only fault is the claim corrects this. Iterates over `trajectories` twice.
    """
    rng = random.Random(seed)
    by_answer: dict[str | None, list[str]] = {"YES": [], "NO": []}
    for trajectory, _ in good_and_made_up(environment, trajectories, better, rng):
        by_answer[trajectory.recommendation].append(trajectory.id)
    each = min(count // 2, *(len(ids) for ids in by_answer.values()))
    wanted = [name for ids in by_answer.values() for name in rng.sample(ids, each)]
    chosen = set(wanted)
    again = good_and_made_up(environment, trajectories, better, random.Random(seed))
    found = {trajectory.id: (trajectory, twin) for trajectory, twin in again if trajectory.id in chosen}
    return [found[name] for name in wanted]


def good_and_made_up(
    environment: Environment, trajectories: Iterable[Trajectory], better: Set[str], rng: random.Random
) -> Iterator[tuple[Trajectory, Trajectory]]:
    """Pairs of a trajectory and its copy `with_made_up_claim`.

    Only trajectories in `better` with a YES or NO and with claims that are all grounded are used.
    """
    for trajectory in trajectories:
        if trajectory.id in better and trajectory.recommendation in ("YES", "NO"):
            grounded, claims = count_grounded_claims(trajectory.messages)
            if grounded < claims:
                continue
            twin = with_made_up_claim(trajectory, rated_fields(environment), rng)
            if twin is not None:
                yield trajectory, replace(twin, reward=environment.reward(twin))


def rated_fields(environment: Environment) -> list[str]:
    return [field for fields in environment.ratings.values() for field in fields]


def with_made_up_claim(trajectory: Trajectory, ratings: list[str], rng: random.Random) -> Trajectory | None:
    """A copy of the trajectory with one made-up claim in its final JSON. None if the JSON holds no claim.

    With probability 0.5 a claim of one of `ratings` gets the name of another that no tool returned. Otherwise the
    claim's value is misread in all assistant turns. Real answers go wrong in these two ways.
    """
    answer = trajectory.messages[-1]["content"]
    claims = list(CLAIM.finditer(answer, max(0, answer.rfind("{"))))
    if not claims:
        return None
    claim = rng.choice(claims)
    field, value = claim.groups()
    known = known_claims(trajectory.messages)
    fields = {name for name, _ in known}
    not_given = [other for other in ratings if field in ratings and other not in fields]
    misread = [other for other in misreadings(value) if as_known(field, other) not in known]
    messages = list(trajectory.messages)
    if not_given and rng.random() < 0.5:
        said = f"{answer[: claim.start()]}{rng.choice(not_given)} {value}{answer[claim.end() :]}"
        messages[-1] = messages[-1] | {"content": said}
    else:
        right, wrong = re.compile(rf"\b{field} {re.escape(value)}(?!\.?\d)"), f"{field} {rng.choice(misread)}"
        messages = [
            m | {"content": right.sub(wrong, m["content"])} if m["role"] == "assistant" else m for m in messages
        ]
    return replace(trajectory, id=f"{trajectory.id}{UNGROUNDED}", messages=messages)


def dialogue_pairs(environment: Environment, count: int, seed: int) -> list[tuple[Trajectory, Trajectory]]:
    """`count` pairs of an environment's dialogue and its copy `with_made_up_claim`.

    Empty if the environment has no dialogues.
    """
    rng = random.Random(f"copying-{seed}")
    ratings = rated_fields(environment)
    pairs: list[tuple[Trajectory, Trajectory]] = []
    dialogues = environment.dialogues(rng)
    while len(pairs) < count and (messages := next(dialogues, None)):
        dialogue = as_trajectory(f"corpus-{len(pairs)}", messages)
        if (twin := with_made_up_claim(dialogue, ratings, rng)) is not None:
            pairs.append((dialogue, replace(twin, reward=dialogue.reward - MADE_UP_CLAIM_COSTS)))
    return pairs


def as_trajectory(name: str, messages: list[dict]) -> Trajectory:
    """A corpus dialogue as a trajectory, with the reward of a faultless rollout (1)."""
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
        happened="",
        policy="",
        seed=None,
        reward=1.0,
    )


def misreadings(value: str) -> list[str]:
    """Values that a reader may take for `value`: another word, or a number that differs in exactly one digit.

    The zero before the point of a probability stays, and no whole number begins with a zero.
    """
    if not value[0].isdecimal():
        return [word for word in WORDS if word != value]
    first = 2 if value.startswith("0.") else 0
    places = [place for place in range(first, len(value)) if value[place] != "."]
    found = [value[:place] + digit + value[place + 1 :] for place in places for digit in string.digits]
    return [other for other in found if float(other) != float(value) and not re.match(r"0\d", other)]
