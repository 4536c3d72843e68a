"""The token masks of DPO: the assistant mask without the tokens that the preference says nothing about."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from trl.trainer.dpo_trainer import DataCollatorForPreference

from meeting_agent.agent.claims import CLAIM, as_known, known_claims, tool_results
from meeting_agent.training.rows import AssistantTokens, assistant_tokens

# The beginning of the final JSON. Its groups are the verdict.
HEAD = re.compile(r'\{"probability": \d\.(\d+), "recommendation": "(\w+)"(?:, "reasoning": ")?')
# A claim and the words after it, up to the next claim or the end of the clause.
STATEMENT = re.compile(rf'{CLAIM.pattern}[^.,;"\n]*?(?=[.,;"\n]|{CLAIM.pattern}|$)')


def preference_token_masks(
    tokenizer, prompt: list[dict], chosen: list[dict], rejected: list[dict], tools: list[dict]
) -> tuple[list[int], list[int]]:
    """The masks of the chosen and of the rejected rollout, each over the prompt and the rollout: 1 for a counted token.

    Only tokens that the agent wrote count. Of the chosen rollout we also mask:
    - the verdict (the digits of the final probability, and YES or NO): after the same tool calls chance decides whether
      it was right, and DPO would learn to prefer one answer;
    - turns whose tool call failed, because they should not be imitated.
    Of the rejected rollout we mask everything except its faults:
    - grounded claims and the words about them: if their likelihood falls, made-up claims replace them;
    - calls of tools that the chosen rollout calls too: if their likelihood falls, other calls replace them;
    - its last turn except made-up claims: if its likelihood falls, agents no longer begin or end an answer. The word
      that opens the answer counts if the rejected rollout made fewer calls than the chosen one: it came too early.
    """
    better, worse = (assistant_tokens(tokenizer, prompt + side, tools) for side in (chosen, rejected))
    verdicts = [head.span(part) for head in HEAD.finditer(better.text) for part in (1, 2)]
    known = known_claims(rejected)
    statements = [(said.span(), as_known(*said.group(1, 2)) in known) for said in STATEMENT.finditer(worse.text)]
    harmless = [span for span, is_grounded in statements if is_grounded] + shared_calls(rejected, chosen, worse)
    faults = [span for span, is_grounded in statements if not is_grounded]
    if calls_in(rejected) < calls_in(chosen):
        faults += answer_opening(worse.text, worse.turns[-1], [span for span, _ in statements])
    return (
        without(better, verdicts + failed_turns(chosen, better.turns)),
        without(worse, [*harmless, worse.turns[-1]], faults),
    )


def answer_opening(text: str, turn: tuple[int, int], statements: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The span of the character that opens the answer in the last `turn`; empty if there is no answer.

    This is the first character of the turn, or of its JSON if the turn opens with one of the `statements`.
    """
    head = HEAD.search(text, *turn)
    if head is None:
        return []
    first = head.start() if any(start <= turn[0] < end for start, end in statements) else turn[0]
    return [(first, first + 1)]


def shared_calls(messages: list[dict], others: list[dict], chat: AssistantTokens) -> list[tuple[int, int]]:
    """Spans of the first successful calls in `messages` of tools that `others` call too.

    A span starts after the last claim of its turn and ends with the turn. Offsets are characters of `chat.text`.
    """
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
    """The assistant mask without tokens that overlap the text spans `left_out`. Tokens that overlap `kept` stay."""

    def reaches(token: tuple[int, int], spans: Sequence[tuple[int, int]]) -> bool:
        return any(token[0] < last and token[1] > first for first, last in spans)

    return [
        own if reaches(token, kept) or not reaches(token, left_out) else 0
        for own, token in zip(chat.mask, chat.tokens, strict=True)
    ]


def calls_in(messages: list[dict]) -> int:
    return sum(len(message.get("tool_calls") or []) for message in messages)


def failed_turns(messages: list[dict], spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans of the agent's turns whose tool call returned an error."""
    follows = [messages[i + 1 : i + 2] for i, m in enumerate(messages) if m["role"] == "assistant"]
    return [span for span, after in zip(spans, follows, strict=True) if any("error" in r for r in tool_results(after))]


class AgentPreferenceCollator(DataCollatorForPreference):
    """TRL's collator with our token masks. TRL's own completion mask also covers tool results.

    Examples carry `chosen_agent_mask` and `rejected_agent_mask`, each as long as prompt and completion together.
    """

    def torch_call(self, examples: list[dict]) -> dict[str, torch.Tensor]:
        batch = super().torch_call(examples)
        masks = [e["chosen_agent_mask"] for e in examples] + [e["rejected_agent_mask"] for e in examples]
        for row, mask in enumerate(masks):
            length = int(batch["attention_mask"][row].sum())
            batch["completion_mask"][row, :length] *= torch.tensor(mask[:length])
        return batch
