"""Chats as rows for supervised training: token ids, and labels on what the model itself is to write."""

from __future__ import annotations

from typing import NamedTuple

from meeting_agent.common.files import InputError
from meeting_agent.inference.chat_format import as_shown, assistant_spans, render

IGNORED = -100  # PyTorch's mark for labels that do not count


def prediction_row(tokenizer, prompt: str, completion: str) -> dict[str, list[int]]:
    """`input_ids` and `labels` (both of the same length) of one question; only the answer counts."""
    question = [{"role": "user", "content": prompt}]
    answer = {"role": "assistant", "content": completion}
    start = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_dict=True)["input_ids"]
    ids = tokenizer.apply_chat_template([*question, answer], return_dict=True)["input_ids"]
    shared = next((i for i, (a, b) in enumerate(zip(start, ids, strict=False)) if a != b), len(start))
    return {"input_ids": ids, "labels": [IGNORED] * shared + ids[shared:]}


class AssistantTokens(NamedTuple):
    """A chat as a model reads it.

    Its text, where in it the assistant's turns and all tokens start and end, the token ids, and the assistant mask: 1
    for each token that the model itself writes, 0 for prompts, tool results and markup.
    """

    text: str
    turns: list[tuple[int, int]]
    tokens: list[tuple[int, int]]
    ids: list[int]
    mask: list[int]


def assistant_tokens(tokenizer, messages: list[dict], tools: list[dict] | None) -> AssistantTokens:
    """The chat as the template shows it, which may be in other turns: see `as_shown`.

    Raises InputError for a template that does not show each turn of the model.
    """
    messages = as_shown(tokenizer, messages)
    text = render(tokenizer, messages, tools)
    turns = assistant_spans(tokenizer, text)
    if len(turns) != sum(message["role"] == "assistant" for message in messages):
        raise InputError("this model's chat template hides the turns of a conversation: take another base model")
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    tokens = encoded["offset_mapping"]
    mask = [int(any(last > start and first < end for start, end in turns)) for first, last in tokens]
    return AssistantTokens(text, turns, tokens, encoded["input_ids"], mask)


def dialogue_row(tokenizer, messages: list[dict], tools: list[dict] | None) -> dict[str, list[int]]:
    """`input_ids` and `labels` of a chat; only the model's own turns count."""
    chat = assistant_tokens(tokenizer, messages, tools)
    return {
        "input_ids": chat.ids,
        "labels": [i if counts else IGNORED for i, counts in zip(chat.ids, chat.mask, strict=True)],
    }
