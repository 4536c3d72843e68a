"""Makes preference pairs from trajectories."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Protocol

from data_classes import PreferencePair, Trajectory
from meeting_agent.agent.environment import Environment
from meeting_agent.agent.summary import RolloutSummary, summarize
from meeting_agent.agent.tool_calls import no_prediction, tool_schemas
from meeting_agent.common.files import InputError
from meeting_agent.training.made_up_claims import dialogue_pairs, made_up_claim_pairs

PRIOR_ROLLOUTS = 10  # without this prior, the best tool set would often be one that a few lucky rollouts used


RANKINGS = ("observed", "shuffled")


class PairSettings(Protocol):
    """The settings of phase 3 for pairs. `RLFTConfig` in `starter_agentic_rlft.py` explains them."""

    seed: int
    ranking: str
    min_reward_gap: float
    min_advantage_gap: float
    min_chosen_reward: float
    call_gap: float
    grounding_share: float
    dialogue_share: float
    max_uses: int
    max_pairs: int


def check_ranking(ranking: str) -> None:
    """Raises InputError for a ranking that does not exist."""
    if ranking not in RANKINGS:
        raise InputError(f"--ranking is {ranking!r}: give {' or '.join(RANKINGS)}")


def preference_pairs(
    environment: Environment, trajectories: Iterable[Trajectory], settings: PairSettings
) -> list[PreferencePair]:
    """All preference pairs in random order: pairs of two rollouts, and pairs with a made-up claim.

    Empty if there is no pair of two rollouts. Iterates over `trajectories` several times, with one trajectory in memory
    at a time.
    """
    found = same_prompt_pairs(
        trajectories,
        min_gap=settings.min_reward_gap,
        min_chosen=settings.min_chosen_reward,
        min_advantage_gap=settings.min_advantage_gap,
        call_gap=settings.call_gap,
        max_uses=settings.max_uses,
        max_pairs=settings.max_pairs,
        seed=settings.seed,
        shuffled=settings.ranking == "shuffled",
    )
    wanted = {rollout.id for pair in found for rollout in pair}
    whole = {trajectory.id: trajectory for trajectory in trajectories if trajectory.id in wanted}
    pairs = [(whole[chosen.id], whole[rejected.id]) for chosen, rejected in found]
    if not pairs:
        return []
    made_up = round(len(pairs) * settings.grounding_share / (1 - settings.grounding_share))
    dialogues = round(len(pairs) * settings.dialogue_share)
    pairs += made_up_claim_pairs(environment, trajectories, settings.min_chosen_reward, made_up, settings.seed)
    pairs += dialogue_pairs(environment, dialogues, settings.seed)
    tools = tool_schemas(environment.tools([], no_prediction))
    mixed = random.Random(settings.seed).sample(pairs, len(pairs))
    return [PreferencePair.of(chosen, rejected, tools) for chosen, rejected in mixed]


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
    shuffled: bool = False,
) -> list[tuple[RolloutSummary, RolloutSummary]]:
    """At most `max_pairs` (chosen, rejected) rollouts of the same prompt whose rewards differ by at least `min_gap`.

    - Which of two answers was right is mostly luck. So the tools of the chosen rollout must also have a higher value in
      `tool_advantages`, by at least `min_advantage_gap`. Otherwise helpful tools would be rejected almost as often as
      chosen. The other case: both rollouts used the same tools and gave the same answer, and differ only in faults.
    - Both rollouts gave an answer. Broken rollouts are common. Training on them teaches formatting, not tool choice.
    - The chosen rollout has a reward of at least `min_chosen`, because DPO imitates it.
    - The chosen rollouts make about `call_gap` more calls on average (`of_call_gap`).
    - Half of the chosen rollouts say YES and half say NO, and no rollout is in more than `max_uses` pairs. Otherwise
      DPO would learn to prefer one answer, or to imitate one lucky rollout.

    `shuffled` gives the rewards of a prompt's rollouts to each other at random: a control that knows no outcome.
    """
    by_answer: dict[str | None, list[tuple[RolloutSummary, RolloutSummary]]] = {"YES": [], "NO": []}
    groups: dict[tuple[str, int], list[RolloutSummary]] = defaultdict(list)
    for rollout in map(summarize, trajectories):
        if not rollout.failed and rollout.recommendation in by_answer:  # a failure is the server's, not the agent's
            groups[rollout.prompt].append(rollout)
    rng = random.Random(seed)
    if shuffled:
        groups = defaultdict(list, {prompt: with_shuffled_rewards(group, rng) for prompt, group in groups.items()})
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


def with_shuffled_rewards(group: list[RolloutSummary], rng: random.Random) -> list[RolloutSummary]:
    """The same rollouts, whose rewards have changed places at random."""
    rewards = rng.sample([one.reward for one in group], len(group))
    return [one._replace(reward=reward) for one, reward in zip(group, rewards, strict=True)]


def of_call_gap(
    pairs: list[tuple[RolloutSummary, RolloutSummary]], call_gap: float
) -> list[tuple[RolloutSummary, RolloutSummary]]:
    """Removes pairs until the chosen rollouts make `call_gap` more calls than the rejected ones on average.

    Removes the pairs with the largest difference of calls, or those with the smallest, and keeps at least half of all
    pairs. DPO learns length together with quality (Park et al., Findings of ACL 2024). If chosen rollouts are much
    longer, agents learn to call tools twice. If they are shorter, agents learn to answer after two calls.
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
    """The chosen rollout's number of calls minus the rejected one's."""
    chosen, rejected = pair
    return len(chosen.tools) - len(rejected.tools)


def tool_advantages(groups: Iterable[list[RolloutSummary]]) -> dict[frozenset[str], float]:
    """Tool set -> mean advantage of the rollouts that called exactly these tools, in units of reward.

    A rollout's advantage is its reward minus the mean reward of the other rollouts of its prompt (leave-one-out
    baseline: Kool et al., 2019; RLOO, Ahmadian et al., ACL 2024), so easy scenarios give no credit. `PRIOR_ROLLOUTS`
    rollouts with advantage 0 are added to every set, which keeps rare sets near 0.
    """
    advantages: dict[frozenset[str], list[float]] = defaultdict(list)
    for group in groups:
        total = sum(one.reward for one in group)
        for one in group:
            others = (total - one.reward) / (len(group) - 1) if len(group) > 1 else one.reward
            advantages[one.tool_set].append(one.reward - others)
    return {tools: sum(found) / (len(found) + PRIOR_ROLLOUTS) for tools, found in advantages.items()}
