"""From trajectories to preference pairs: which rollouts are set against each other."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from data_classes import Trajectory
from meeting_agent.agent.claims import CLAIM, UNGROUNDED, known_claims
from meeting_agent.agent.environment import Environment
from meeting_agent.agent.summary import RolloutSummary, summarize

PRIOR_ROLLOUTS = 10  # without them the best tool set would often be one that a few lucky rollouts called
MADE_UP_CLAIM_COSTS = 0.05  # reward, where no environment judges: in dialogues of a corpus


def same_prompt_pairs(
    trajectories: Iterable[Trajectory],
    *,
    min_gap: float,
    min_chosen: float,
    min_advantage_gap: float,
    call_gap: float,
    max_uses: int,
    max_pairs: int,
    seed: int,
) -> list[tuple[RolloutSummary, RolloutSummary]]:
    """At most `max_pairs` (chosen, rejected) rollouts of the same prompt whose rewards differ by at least `min_gap`.

    Which of two answers was right is mostly luck. So the chosen side's tools must also have earned more over all
    rollouts, by at least `min_advantage_gap` of `tool_advantages`: tools that help would otherwise be rejected almost
    as often as chosen. Or both sides used the same tools and gave the same answer, and differ in faults alone.
    Both sides have given an answer. Broken rollouts say nothing about what to look up, and there are many of them.
    The chosen side has a reward of at least `min_chosen`: what is imitated should be right and without faults.
    On average the chosen side makes about `call_gap` more calls (`of_call_gap`).
    As many chosen sides say YES as NO, and no trajectory is in more than `max_uses` pairs. DPO would otherwise learn to
    say YES, or to imitate one lucky rollout.
    """
    by_answer: dict[str | None, list[tuple[RolloutSummary, RolloutSummary]]] = {"YES": [], "NO": []}
    groups: dict[tuple[str, int], list[RolloutSummary]] = defaultdict(list)
    for rollout in map(summarize, trajectories):
        if not rollout.failed and rollout.recommendation in by_answer:  # a failure is the server's, not the agent's
            groups[rollout.prompt].append(rollout)
    rng = random.Random(seed)
    uses: Counter[str] = Counter()
    worth = tool_advantages(groups.values())

    def is_better(one: RolloutSummary, other: RolloutSummary) -> bool:
        if round(one.reward - other.reward, 6) < min_gap:
            return False
        if one.tool_set == other.tool_set:
            return one.recommendation == other.recommendation
        return worth[one.tool_set] - worth[other.tool_set] >= min_advantage_gap

    for group in groups.values():
        good = [one for one in group if one.reward >= min_chosen]
        candidates = [(a, b) for a in good for b in group if is_better(a, b)]
        rng.shuffle(candidates)
        for chosen, rejected in candidates:
            if uses[chosen.id] < max_uses and uses[rejected.id] < max_uses:
                by_answer[chosen.recommendation].append((chosen, rejected))
                uses.update((chosen.id, rejected.id))
    kept = [of_call_gap(pairs, call_gap) for pairs in by_answer.values()]
    count = min(max_pairs // 2, *map(len, kept))
    balanced = [pair for pairs in kept for pair in rng.sample(pairs, count)]
    rng.shuffle(balanced)
    return balanced


def of_call_gap(
    pairs: list[tuple[RolloutSummary, RolloutSummary]], call_gap: float
) -> list[tuple[RolloutSummary, RolloutSummary]]:
    """At least half of the pairs: without those of the longest chosen sides, or of the shortest, until the chosen sides
    make `call_gap` more calls than the rejected ones on average.

    DPO takes up length beside quality (Park et al., Findings of ACL 2024): where chosen sides are much longer, agents
    come to call tools twice, and where they are shorter, to answer after two calls.
    """
    kept = sorted(pairs, key=more_calls)
    excess = sum(more_calls(pair) - call_gap for pair in kept)
    too_long = excess > 0
    while excess and (excess > 0) == too_long and len(kept) > len(pairs) / 2:
        if more_calls(kept[0]) == more_calls(kept[-1]):
            break
        excess -= more_calls(kept.pop(-1 if too_long else 0)) - call_gap
    return kept


def more_calls(pair: tuple[RolloutSummary, RolloutSummary]) -> int:
    """How many calls more the chosen side made."""
    chosen, rejected = pair
    return len(chosen.tools) - len(rejected.tools)


def tool_advantages(groups: Iterable[list[RolloutSummary]]) -> dict[frozenset[str], float]:
    """For every set of tools the mean advantage, in rewards, of the rollouts that called these and no others.

    A rollout's advantage is its reward less the mean of the other rollouts of its prompt (leave-one-out baseline: Kool
    et al., 2019; RLOO, Ahmadian et al., ACL 2024), so a set is not praised for easy scenarios. `PRIOR_ROLLOUTS` of no
    advantage keep what was seldom called near 0.
    """
    advantages: dict[frozenset[str], list[float]] = defaultdict(list)
    for group in groups:
        total = sum(one.reward for one in group)
        for one in group:
            others = (total - one.reward) / (len(group) - 1) if len(group) > 1 else one.reward
            advantages[one.tool_set].append(one.reward - others)
    return {tools: sum(found) / (len(found) + PRIOR_ROLLOUTS) for tools, found in advantages.items()}


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
