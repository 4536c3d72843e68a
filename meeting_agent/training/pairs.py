"""Makes preference pairs from trajectories and their values."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple, Protocol

from data_classes import PreferencePair, Trajectory
from meeting_agent.agent.environment import Environment
from meeting_agent.agent.tool_calls import no_prediction, tool_schemas
from meeting_agent.training.made_up_claims import dialogue_pairs, made_up_claim_pairs
from meeting_agent.training.outcomes import is_readable

MAX_USES = 4  # pairs of one rollout: otherwise DPO would learn to imitate a few


class PairSettings(Protocol):
    """The settings of phase 3 for pairs. `RLFTConfig` in `starter_agentic_rlft.py` explains them."""

    seed: int
    min_reward_gap: float
    grounding_share: float
    dialogue_share: float
    max_pairs: int


class Rollout(NamedTuple):
    """What decides which pairs a rollout is in."""

    id: str
    recommendation: str | None  # YES or NO
    text: int  # hash of the conversation
    value: float  # in [-1, 1]


def preference_pairs(
    environment: Environment,
    trajectories: Iterable[Trajectory],
    values: Mapping[str, float],
    settings: PairSettings,
) -> list[PreferencePair]:
    """All preference pairs in random order: pairs of two rollouts, and pairs with a made-up claim.

    `values` maps ids to values, as of `rollout_values`. Empty if there is no pair of two rollouts. Iterates over
    `trajectories` several times, with one trajectory in memory at a time.
    """
    found = same_prompt_pairs(
        trajectories, values, min_gap=settings.min_reward_gap, max_pairs=settings.max_pairs, seed=settings.seed
    )
    wanted = {rollout.id for pair in found for rollout in pair}
    # A pair shows by which values it was made, so they stand in place of the rewards.
    whole = {one.id: replace(one, reward=values[one.id]) for one in trajectories if one.id in wanted}
    pairs = [(whole[chosen.id], whole[rejected.id]) for chosen, rejected in found]
    if not pairs:
        return []
    made_up = round(len(pairs) * settings.grounding_share / (1 - settings.grounding_share))
    dialogues = round(len(pairs) * settings.dialogue_share)
    better = {chosen.id for chosen, _ in found}
    pairs += made_up_claim_pairs(environment, trajectories, better, made_up, settings.seed)
    pairs += dialogue_pairs(environment, dialogues, settings.seed)
    tools = tool_schemas(environment.tools([], no_prediction))
    mixed = random.Random(settings.seed).sample(pairs, len(pairs))
    return [PreferencePair.of(chosen, rejected, tools) for chosen, rejected in mixed]


def same_prompt_pairs(
    trajectories: Iterable[Trajectory], values: Mapping[str, float], *, min_gap: float, max_pairs: int, seed: int
) -> list[tuple[Rollout, Rollout]]:
    """At most `max_pairs` (chosen, rejected) rollouts of the same prompt whose values differ by at least `min_gap`.

    - Both rollouts gave an answer. Broken rollouts are common. Training on them teaches formatting, not tool choice.
    - Their texts differ. Of rollouts with the same text the first one counts.
    - Half of the chosen rollouts say YES and half say NO, and no rollout is in more than `MAX_USES` pairs. Otherwise
      DPO would learn to prefer one answer, or to imitate one rollout.
    """
    by_answer: dict[str | None, list[tuple[Rollout, Rollout]]] = {"YES": [], "NO": []}
    rng = random.Random(seed)
    uses: Counter[str] = Counter()
    for group in rollouts_by_prompt(trajectories, values):
        candidates = [(a, b) for a in group for b in group if round(a.value - b.value, 6) >= min_gap]
        rng.shuffle(candidates)
        for chosen, rejected in candidates:
            if uses[chosen.id] < MAX_USES and uses[rejected.id] < MAX_USES:
                by_answer[chosen.recommendation].append((chosen, rejected))
                uses.update((chosen.id, rejected.id))
    count = min(max_pairs // 2, *map(len, by_answer.values()))
    balanced = [pair for pairs in by_answer.values() for pair in rng.sample(pairs, count)]
    rng.shuffle(balanced)
    return balanced


def rollouts_by_prompt(trajectories: Iterable[Trajectory], values: Mapping[str, float]) -> list[list[Rollout]]:
    """The readable rollouts with a value, in one list for each prompt. Of equal texts only the first is kept."""
    groups: dict[tuple[str, int], dict[int, Rollout]] = defaultdict(dict)
    for one in filter(is_readable, trajectories):
        if one.id in values:
            text = hash(json.dumps(one.messages))
            prompt = one.scenario_id, hash(json.dumps(one.messages[:2]))
            groups[prompt].setdefault(text, Rollout(one.id, one.recommendation, text, values[one.id]))
    return [list(group.values()) for group in groups.values()]


def may_pair(trajectories: Iterable[Trajectory]) -> bool:
    """Whether any values could make pairs: two rollouts of one prompt with different texts, for both YES and NO."""
    groups = rollouts_by_prompt(trajectories, {one.id: 0.0 for one in trajectories})
    return {one.recommendation for group in groups if len(group) > 1 for one in group} == {"YES", "NO"}
