"""From trajectories to what DPO trains on: pairs, tokens, and masks over the agent's own tokens."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from trl.trainer.dpo_trainer import DataCollatorForPreference

from meeting_agent.training.rows import OwnTokens, own_tokens
from meeting_agent.world.reward import CLAIM, UNGROUNDED, UNGROUNDED_CLAIM, calculate_reward, known_claims, tool_results
from meeting_agent.world.tools import MAIN_SCORES

PRIOR_TRIES = 10  # without them the best set would often be one that a few lucky tries called
FAILING_CALLS = 0.25  # share of a corpus dialogue's calls
# The head of the closing JSON; its groups are the verdict.
HEAD = re.compile(r'\{"probability": \d\.(\d+), "recommendation": "(\w+)"(?:, "reasoning": ")?')
# A claim and what is said of it: up to the next claim, or the end of the clause.
STATEMENT = re.compile(rf'{CLAIM.pattern}[^.,;"\n]*?(?=[.,;"\n]|{CLAIM.pattern}|$)')


class Try(NamedTuple):
    """What pairing needs of a trajectory: far less than the trajectory, of which there may be many."""

    id: str
    reward: float
    answer: str | None
    tools: frozenset[str]
    calls: int


def same_prompt_pairs(
    traces: Iterable[dict],
    *,
    min_gap: float,
    min_chosen: float,
    min_advantage_gap: float,
    call_gap: float,
    most_uses: int,
    most: int,
    seed: int,
) -> list[tuple[Try, Try]]:
    """At most `most` (chosen, rejected) tries at the same prompt that differ in reward by at least `min_gap`.

    Which of two answers was right is mostly luck, so the chosen side's tools must also have earned more over all tries,
    by at least `min_advantage_gap` of `tool_advantages`: tools that help would otherwise be rejected almost as often as
    chosen. Or tools and answer are the same, and the difference lies in faults alone.
    Both have given an answer: broken ones say nothing of what to look up, and outnumber what does. A chosen one has a
    reward of at least `min_chosen`: what is to be imitated should be right and faultless on the way.
    On average the chosen side makes about `call_gap` more calls (`of_call_gap`).
    As many pairs whose chosen side says YES as NO, and no trajectory in more than `most_uses` pairs: DPO would
    otherwise learn to say YES, or to imitate one lucky run.
    """
    by_answer: dict[str | None, list[tuple[Try, Try]]] = {"YES": [], "NO": []}
    groups: dict[tuple[str, int], list[Try]] = defaultdict(list)
    for trace in traces:
        answer = trace["final_recommendation_parsed"]
        if "failure" not in trace and answer in by_answer:  # a failure is the server's, not the agent's
            tools = trace["tools_used"]
            one = Try(trace["id"], trace["reward"], answer, frozenset(tools), len(tools))
            groups[trace["scenario_id"], hash(trace["initial_user_prompt"])].append(one)
    rng = random.Random(seed)
    uses: Counter[str] = Counter()
    worth = tool_advantages(groups.values())

    def is_better(one: Try, other: Try) -> bool:
        if round(one.reward - other.reward, 6) < min_gap:
            return False
        if one.tools == other.tools:
            return one.answer == other.answer
        return worth[one.tools] - worth[other.tools] >= min_advantage_gap

    for group in groups.values():
        good = [one for one in group if one.reward >= min_chosen]
        candidates = [(a, b) for a in good for b in group if is_better(a, b)]
        rng.shuffle(candidates)
        for chosen, rejected in candidates:
            if uses[chosen.id] < most_uses and uses[rejected.id] < most_uses:
                by_answer[chosen.answer].append((chosen, rejected))
                uses.update((chosen.id, rejected.id))
    kept = [of_call_gap(pairs, call_gap) for pairs in by_answer.values()]
    count = min(most // 2, *map(len, kept))
    balanced = [pair for pairs in kept for pair in rng.sample(pairs, count)]
    rng.shuffle(balanced)
    return balanced


def of_call_gap(pairs: list[tuple[Try, Try]], call_gap: float) -> list[tuple[Try, Try]]:
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


def more_calls(pair: tuple[Try, Try]) -> int:
    """How many calls more the chosen side made."""
    chosen, rejected = pair
    return chosen.calls - rejected.calls


def tool_advantages(groups: Iterable[list[Try]]) -> dict[frozenset[str], float]:
    """For every set of tools the mean advantage, in rewards, of the tries that called these and no others.

    A try's advantage is its reward less the mean of the other tries at its prompt (leave-one-out baseline: Kool et al.,
    2019; RLOO, Ahmadian et al., ACL 2024), so a set is not praised for easy scenarios. `PRIOR_TRIES` tries of no
    advantage keep what was seldom tried near 0.
    """
    advantages: dict[frozenset[str], list[float]] = defaultdict(list)
    for group in groups:
        total = sum(one.reward for one in group)
        for one in group:
            others = (total - one.reward) / (len(group) - 1) if len(group) > 1 else one.reward
            advantages[one.tools].append(one.reward - others)
    return {tools: sum(found) / (len(found) + PRIOR_TRIES) for tools, found in advantages.items()}


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

    Half of the time a score that no tool gave takes the place of the claim's own. Else the score is misread
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
    fields = {name for name, _ in known}
    not_given = [score for score in MAIN_SCORES.values() if score not in fields]
    misread = [v for v in one_digit_off(value) if (field, v) not in known]
    messages = list(trace["messages"])
    if not_given and rng.random() < 0.5:
        said = f"{answer[: claim.start()]}{rng.choice(not_given)} {value}{answer[claim.end() :]}"
        messages[-1] = messages[-1] | {"content": said}
    else:
        right, wrong = f"{field} {value}", f"{field} {rng.choice(misread)}"
        messages = [
            m | {"content": m["content"].replace(right, wrong)} if m["role"] == "assistant" else m for m in messages
        ]
    twin = trace | {"id": f"{trace['id']}{UNGROUNDED}", "messages": messages}
    return twin | {"reward": calculate_reward(twin)}


def copying_pairs(count: int, seed: int) -> list[tuple[dict, dict]]:
    """`count` dialogues of the embedded base's corpus, each with its `ungrounded_twin`.

    Trajectories seldom hold a score near 0 or 1, or a call that failed, and these are what agents misquote after DPO:
    here they are common. Tool results are random, so that nothing is told about what to look up.
    """
    from meeting_agent.base.corpus import dialogue_chat

    rng = random.Random(f"copying-{seed}")
    pairs: list[tuple[dict, dict]] = []
    while len(pairs) < count:
        messages = dialogue_chat(rng, lambda: rng.random() ** rng.choice((0.25, 1, 4)), FAILING_CALLS)
        tools = [m["tool_calls"][0]["function"]["name"] for m in messages if m.get("tool_calls")]
        name = f"corpus-{len(pairs)}"
        trace = {"id": name, "scenario_id": name, "messages": messages, "tools_used": tools, "reward": 1.0}
        if (twin := ungrounded_twin(trace, rng)) is not None:
            pairs.append((trace, twin | {"reward": 1.0 - UNGROUNDED_CLAIM}))
    return pairs


def one_digit_off(value: str) -> list[str]:
    """Every other value with two decimals that differs from `value` in one digit after the point."""
    written = f"{float(value):.2f}"  # a served model may write more or fewer digits
    tenths, hundredths = written[-2], written[-1]
    others = [f"0.{digit}{hundredths}" for digit in "0123456789"] + [f"0.{tenths}{digit}" for digit in "0123456789"]
    return [other for other in others if other != written]


def preference_token_masks(
    tokenizer, prompt: list[dict], chosen: list[dict], rejected: list[dict], tools: list[dict]
) -> tuple[list[int], list[int]]:
    """For the chosen and for the rejected side, each with the prompt before it: 1 for every token that the agent wrote,
    without what the preference says nothing about.

    Of the chosen side that is the verdict, the digits of the closing probability and YES or NO: after the same look-ups
    it is chemistry that made it right here and wrong there, and DPO would end up leaning to one answer. Also a turn
    whose call a tool refused. Of the rejected side it is all that is no fault: grounded claims and what is said of
    them, calls to tools that the chosen side calls too, and the closing JSON but for made-up claims. Its opening counts
    where it came after fewer calls than the chosen side made. With what is true pushed down, something made up would
    take its place; with the look-ups that good tries share, others; and with how an answer begins and ends, agents
    find no beginning or no end.
    """
    better, worse = (own_tokens(tokenizer, prompt + side, tools) for side in (chosen, rejected))
    verdicts = [head.span(part) for head in HEAD.finditer(better.text) for part in (1, 2)]
    known = known_claims(rejected)
    statements = [(said.span(), said.group(1, 2) in known) for said in STATEMENT.finditer(worse.text)]
    harmless = [span for span, is_grounded in statements if is_grounded] + shared_calls(rejected, chosen, worse)
    too_early = calls_in(rejected) < calls_in(chosen)
    first, end = worse.turns[-1]
    harmless += [(head.start(1 if too_early else 0), end) for head in HEAD.finditer(worse.text, first)]
    return (
        without(better, verdicts + failed_turns(chosen, better.turns)),
        without(worse, harmless, [span for span, is_grounded in statements if not is_grounded]),
    )


def shared_calls(messages: list[dict], others: list[dict], chat: OwnTokens) -> list[tuple[int, int]]:
    """Where in the text of `messages` the agent turns for the first time to a tool that `others` call too, and the tool
    answers: from behind what the turn states to its end."""
    also = tools_called(others)
    refused = failed_turns(messages, chat.turns)
    turns = [message for message in messages if message["role"] == "assistant"]
    found = []
    for (start, end), turn in zip(chat.turns, turns, strict=True):
        called = tools_called([turn])
        if called and called <= also and (start, end) not in refused:
            found.append((max((s.end() for s in STATEMENT.finditer(chat.text, start, end)), default=start), end))
            also -= called
    return found


def tools_called(messages: list[dict]) -> set[str]:
    return {call["function"]["name"] for message in messages for call in message.get("tool_calls") or []}


def without(chat: OwnTokens, left_out: list[tuple[int, int]], kept: Sequence[tuple[int, int]] = ()) -> list[int]:
    """The agent's own tokens, 1 each, less those that reach into `left_out` and not into `kept`, spans of the text."""

    def reaches(token: tuple[int, int], spans: Sequence[tuple[int, int]]) -> bool:
        return any(token[0] < last and token[1] > first for first, last in spans)

    return [
        own if reaches(token, kept) or not reaches(token, left_out) else 0
        for own, token in zip(chat.own, chat.tokens, strict=True)
    ]


def calls_in(messages: list[dict]) -> int:
    return sum(len(message.get("tool_calls") or []) for message in messages)


def failed_turns(messages: list[dict], spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those of the agent's turns, as `spans` of the text, whose call a tool refused: nothing to imitate."""
    follows = [messages[i + 1 : i + 2] for i, m in enumerate(messages) if m["role"] == "assistant"]
    return [span for span, after in zip(spans, follows, strict=True) if any("error" in r for r in tool_results(after))]


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
