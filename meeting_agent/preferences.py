"""From trajectories to what DPO trains on: pairs, tokens, and masks over the agent's own tokens."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from trl.trainer.dpo_trainer import DataCollatorForPreference

from meeting_agent.chat_format import render
from meeting_agent.rewards import CLAIM, UNGROUNDED, calculate_reward, known_claims
from meeting_agent.supervision import own_tokens
from meeting_agent.tools import MAIN_SCORES

VERDICT = re.compile(r'"probability": \d\.(\d+), "recommendation": "(\w+)"')


class Try(NamedTuple):
    """What pairing needs of a trajectory: far less than the trajectory, of which there may be many."""

    id: str
    reward: float
    answer: str | None


def same_prompt_pairs(
    traces: Iterable[dict], min_gap: float, min_chosen: float, most_uses: int, most: int, seed: int
) -> list[tuple[Try, Try]]:
    """At most `most` (chosen, rejected) tries at the same prompt that differ in reward by at least `min_gap`.

    Both have given an answer: broken ones say nothing of what to look up, and outnumber what does. A chosen one has a
    reward of at least `min_chosen`: what is to be imitated should be right and faultless on the way.
    As many pairs whose chosen side says YES as NO, and no trajectory in more than `most_uses` pairs: DPO would
    otherwise learn to say YES, or to imitate one lucky run.
    """
    by_answer: dict[str | None, list[tuple[Try, Try]]] = {"YES": [], "NO": []}
    groups: dict[tuple[str, int], list[Try]] = defaultdict(list)
    for trace in traces:
        answer = trace["final_recommendation_parsed"]
        if "failure" not in trace and answer in by_answer:  # a failure is the server's, not the agent's
            one = Try(trace["id"], trace["reward"], answer)
            groups[trace["scenario_id"], hash(trace["initial_user_prompt"])].append(one)
    rng = random.Random(seed)
    uses: Counter[str] = Counter()
    for group in groups.values():
        good = [one for one in group if one.reward >= min_chosen]
        candidates = [(a, b) for a in good for b in group if round(a.reward - b.reward, 6) >= min_gap]
        rng.shuffle(candidates)
        for chosen, rejected in candidates:
            if uses[chosen.id] < most_uses and uses[rejected.id] < most_uses:
                by_answer[chosen.answer].append((chosen, rejected))
                uses.update((chosen.id, rejected.id))
    count = min(most // 2, *(len(pairs) for pairs in by_answer.values()))
    balanced = [pair for pairs in by_answer.values() for pair in rng.sample(pairs, count)]
    rng.shuffle(balanced)
    return balanced


def grounding_pairs(traces: Iterable[dict], min_chosen: float, count: int, seed: int) -> list[tuple[dict, dict]]:
    """At most `count` pairs of a good trajectory and its `ungrounded_twin`, as many that say YES as NO.

    Which tools a good answer names, DPO would learn also where they were not called: a made-up negative whose only
    fault is the claim unteaches that. Goes through `traces` twice.
    """
    rng = random.Random(seed)
    by_answer: dict[str, list[str]] = {"YES": [], "NO": []}
    for trace, _ in good_and_twin(traces, min_chosen, rng):
        by_answer[trace["final_recommendation_parsed"]].append(trace["id"])
    each = min(count // 2, *(len(ids) for ids in by_answer.values()))
    wanted = [name for ids in by_answer.values() for name in rng.sample(ids, each)]
    chosen = set(wanted)
    again = good_and_twin(traces, min_chosen, random.Random(seed))
    found = {trace["id"]: (trace, twin) for trace, twin in again if trace["id"] in chosen}
    return [found[name] for name in wanted]


def good_and_twin(traces: Iterable[dict], min_chosen: float, rng: random.Random) -> Iterator[tuple[dict, dict]]:
    """Trajectories of at least `min_chosen` that say YES or NO, each with its `ungrounded_twin` where it has one."""
    for trace in traces:
        if trace["reward"] >= min_chosen and trace["final_recommendation_parsed"] in ("YES", "NO"):
            twin = ungrounded_twin(trace, rng)
            if twin is not None:
                yield trace, twin


def ungrounded_twin(trace: dict, rng: random.Random) -> dict | None:
    """The trajectory with one claim of its closing JSON made up; None without a claim.

    Half of the time a score of a tool that was not called takes the place of the claim's own. Else the score is misread
    where it is first told and told wrongly ever after, one digit of it changed: these are the ways in which answers go
    wrong.
    """
    answer = trace["messages"][-1]["content"]
    claims = list(CLAIM.finditer(answer, max(0, answer.rfind("{"))))
    if not claims:
        return None
    claim = rng.choice(claims)
    field, value = claim.groups()
    known = known_claims(trace["messages"])
    not_called = [score for tool, score in MAIN_SCORES.items() if tool not in trace["tools_used"]]
    misread = [v for v in one_digit_off(value) if (field, v) not in known]
    messages = list(trace["messages"])
    if not_called and rng.random() < 0.5:
        said = f"{answer[: claim.start()]}{rng.choice(not_called)} {value}{answer[claim.end() :]}"
        messages[-1] = messages[-1] | {"content": said}
    else:
        right, wrong = f"{field} {value}", f"{field} {rng.choice(misread)}"
        messages = [
            m | {"content": m["content"].replace(right, wrong)} if m["role"] == "assistant" else m for m in messages
        ]
    twin = trace | {"id": f"{trace['id']}{UNGROUNDED}", "messages": messages}
    return twin | {"reward": calculate_reward(twin)}


def one_digit_off(value: str) -> list[str]:
    """Every other value with two decimals that differs from `value` in one digit after the point."""
    tenths, hundredths = value[-2:]
    others = [f"0.{digit}{hundredths}" for digit in "0123456789"] + [f"0.{tenths}{digit}" for digit in "0123456789"]
    return [other for other in others if other != value]


def agent_token_mask(tokenizer, messages: list[dict], tools: list[dict]) -> list[int]:
    """1 for every token that the agent wrote, 0 for prompts, tool results and markup."""
    return own_tokens(tokenizer, messages, tools)[1]


def preference_token_mask(tokenizer, messages: list[dict], tools: list[dict], rejected: bool) -> list[int]:
    """`agent_token_mask` without what a preference says nothing about.

    That is the verdict, the digits of the closing probability and YES or NO: after the same look-ups it is chemistry
    that made it right here and wrong there, and DPO would end up leaning to one answer. Of a rejected side also the
    grounded claims: with what is true pushed down, something made up would take its place.
    """
    mask = agent_token_mask(tokenizer, messages, tools)
    text = render(tokenizer, messages, tools)
    known = known_claims(messages) if rejected else set()
    left_out = [claim.span() for claim in CLAIM.finditer(text) if claim.groups() in known]
    left_out += [verdict.span(part) for verdict in VERDICT.finditer(text) for part in (1, 2)]
    spans = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    for token, (start, end) in enumerate(spans):
        if any(start < last and end > first for first, last in left_out):
            mask[token] = 0
    return mask


class AgentPreferenceCollator(DataCollatorForPreference):
    """TRL's collator, whose completion mask also covers what tools answered, cut down to the agent's own tokens.

    Examples carry `chosen_agent_mask` and `rejected_agent_mask`, as long as prompt and completion together.
    """

    def torch_call(self, examples: list[dict]) -> dict[str, torch.Tensor]:
        batch = super().torch_call(examples)
        masks = [e["chosen_agent_mask"] for e in examples] + [e["rejected_agent_mask"] for e in examples]
        for row, mask in enumerate(masks):
            length = int(batch["attention_mask"][row].sum())
            batch["completion_mask"][row, :length] *= torch.tensor(mask[:length])
        return batch
