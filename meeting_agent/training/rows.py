"""Chats as rows for supervised training: token ids, and labels on the tokens that the model writes."""

from __future__ import annotations

from typing import NamedTuple

from meeting_agent.common.files import InputError
from meeting_agent.inference.chat_format import as_shown, assistant_spans, render

IGNORED = -100  # PyTorch's label for tokens without a loss


def prediction_row(tokenizer, prompt: str, completion: str) -> dict[str, list[int]]:
    """`input_ids` and `labels` (same length) of a prompt and its completion. Only the completion has labels."""
    question = [{"role": "user", "content": prompt}]
    answer = {"role": "assistant", "content": completion}
    start = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_dict=True)["input_ids"]
    ids = tokenizer.apply_chat_template([*question, answer], return_dict=True)["input_ids"]
    shared = next((i for i, (a, b) in enumerate(zip(start, ids, strict=False)) if a != b), len(start))
    return {"input_ids": ids, "labels": [IGNORED] * shared + ids[shared:]}


class AssistantTokens(NamedTuple):
    """A tokenized chat with its assistant mask. Spans are (start, end) in characters of `text`."""

    text: str  # the rendered chat
    turns: list[tuple[int, int]]  # spans of the assistant turns
    tokens: list[tuple[int, int]]  # span of each token
    ids: list[int]  # id of each token
    mask: list[int]  # 1 for tokens that the model writes; 0 for prompts, tool results and markup


def assistant_tokens(tokenizer, messages: list[dict], tools: list[dict] | None) -> AssistantTokens:
    """Renders and tokenizes a chat. Turns may be split as in `as_shown`.

    Raises InputError if the chat template does not show every assistant turn.
    """
    messages = as_shown(tokenizer, messages)
    text = render(tokenizer, messages, tools)
    turns = assistant_spans(tokenizer, text)
    if len(turns) != sum(message["role"] == "assistant" for message in messages):
        raise InputError("this model's chat template hides the turns of a conversation: use another base model")
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    tokens = encoded["offset_mapping"]
    mask = [int(any(last > start and first < end for start, end in turns)) for first, last in tokens]
    return AssistantTokens(text, turns, tokens, encoded["input_ids"], mask)


def dialogue_row(tokenizer, messages: list[dict], tools: list[dict] | None) -> dict[str, list[int]]:
    """`input_ids` and `labels` (same length) of a chat. Only assistant turns have labels."""
    chat = assistant_tokens(tokenizer, messages, tools)
    return {
        "input_ids": chat.ids,
        "labels": [i if counts else IGNORED for i, counts in zip(chat.ids, chat.mask, strict=True)],
    }
