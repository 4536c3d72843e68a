"""What each rollout is worth: the numbers by which phase 3 ranks rollouts of the same prompt.

One outcome is mostly luck, so it says little about what an agent did. After outcome training the policy itself can say
how sure it is at the end of a rollout. Look-ups that make it sure are worth more.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Protocol

from data_classes import Trajectory
from meeting_agent.agent.environment import Environment
from meeting_agent.agent.tool_calls import no_prediction, tool_schemas
from meeting_agent.common.files import InputError, read_json, write_json
from meeting_agent.common.processes import this_process
from meeting_agent.inference.bases import base_of_adapter
from meeting_agent.training.outcomes import closing_number, is_readable
from meeting_agent.training.rows import assistant_tokens

RANKINGS = ("expected", "observed", "shuffled")
AT_ONCE = 512  # rollouts in memory


class ValueSettings(Protocol):
    """The settings of phase 3 for values; `RLFTConfig` in `starter_agentic_rlft.py` explains them."""

    sft_model_path: str
    ranking: str
    seed: int
    fp32: bool


def check_ranking(name: str) -> None:
    """Raises InputError for a name that is not in `RANKINGS`."""
    if name not in RANKINGS:
        raise InputError(f"--ranking is {name!r}: give one of {', '.join(RANKINGS)}")


def rollout_values(
    settings: ValueSettings, environment: Environment, trajectories: Iterable[Trajectory], adapter: Path, folder: Path
) -> dict[str, float]:
    """Id -> value in [-1, 1] of every rollout that can be ranked. `settings.ranking` is one of `RANKINGS`:

    - "expected": the expected reward under the policy's own closing number, as read with `adapter`. One process reads
      all numbers and hands them to the others in `folder`, because two may round differently.
    - "observed": the reward that the rollout got.
    - "shuffled": the rewards of a scenario's rollouts in random order, which is a control that can teach nothing.
    """
    if settings.ranking == "observed":
        return {one.id: one.reward for one in trajectories if is_readable(one)}
    if settings.ranking == "shuffled":
        return shuffled_rewards(trajectories, settings.seed)
    file = folder / "values.json"
    if this_process().is_main_process:
        write_json(file, expected_rewards(settings, environment, trajectories, adapter))
    this_process().wait_for_everyone()
    return read_json(file, "starter_agentic_rlft.py")


def shuffled_rewards(trajectories: Iterable[Trajectory], seed: int) -> dict[str, float]:
    """Id -> the reward of some rollout of the same scenario."""
    groups: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for one in filter(is_readable, trajectories):
        groups[one.scenario_id].append((one.id, one.reward))
    rng = random.Random(f"shuffled-{seed}")
    values: dict[str, float] = {}
    for group in groups.values():
        names, rewards = zip(*group, strict=True)
        values |= zip(names, rng.sample(rewards, len(rewards)), strict=True)
    return values


def expected_rewards(
    settings: ValueSettings, environment: Environment, trajectories: Iterable[Trajectory], adapter: Path
) -> dict[str, float]:
    """Id -> expected reward of every rollout with a closing number, from one forward pass over each."""
    from meeting_agent.inference.engine import Engine

    engine = Engine(base_of_adapter(Path(settings.sft_model_path)), str(adapter), fp32=settings.fp32)
    tools = tool_schemas(environment.tools([], no_prediction))
    values = {}
    prompts = closing_prompts(engine.tokenizer, trajectories, tools, engine.positions)
    while some := list(islice(prompts, AT_ONCE)):
        probabilities = engine.fractions([prompt for _, prompt in some])
        for (one, _), probability in zip(some, probabilities, strict=True):
            values[one.id] = environment.expected_reward(one, probability)
    return values


def closing_prompts(
    tokenizer, trajectories: Iterable[Trajectory], tools: list[dict], positions: int | None = None
) -> Iterator[tuple[Trajectory, str]]:
    """Each readable rollout, and its text up to the digits of its closing number.

    Leaves out rollouts without such a number and those of more than `positions` tokens.
    """
    for one in filter(is_readable, trajectories):
        chat = assistant_tokens(tokenizer, one.messages, tools)
        number = closing_number(chat)
        if number and not (positions and len(chat.ids) > positions):
            yield one, chat.text[: number.start(1)]
