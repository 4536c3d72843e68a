"""Which tokens of a pair count in DPO: the agent's own, less what the preference says nothing about."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from trl.trainer.dpo_trainer import DataCollatorForPreference

from meeting_agent.agent.claims import CLAIM, known_claims, tool_results
from meeting_agent.training.rows import AssistantTokens, assistant_tokens

# The head of the closing JSON; its groups are the verdict.
HEAD = re.compile(r'\{"probability": \d\.(\d+), "recommendation": "(\w+)"(?:, "reasoning": ")?')
# A claim and what is said of it: up to the next claim, or the end of the clause.
STATEMENT = re.compile(rf'{CLAIM.pattern}[^.,;"\n]*?(?=[.,;"\n]|{CLAIM.pattern}|$)')


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
    better, worse = (assistant_tokens(tokenizer, prompt + side, tools) for side in (chosen, rejected))
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


def shared_calls(messages: list[dict], others: list[dict], chat: AssistantTokens) -> list[tuple[int, int]]:
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


def without(chat: AssistantTokens, left_out: list[tuple[int, int]], kept: Sequence[tuple[int, int]] = ()) -> list[int]:
    """The assistant mask, less tokens that reach into `left_out` and not into `kept`, both spans of the text."""

    def reaches(token: tuple[int, int], spans: Sequence[tuple[int, int]]) -> bool:
        return any(token[0] < last and token[1] > first for first, last in spans)

    return [
        own if reaches(token, kept) or not reaches(token, left_out) else 0
        for own, token in zip(chat.mask, chat.tokens, strict=True)
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
