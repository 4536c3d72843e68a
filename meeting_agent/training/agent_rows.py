"""Labels of phase 1 in an agent's answer form, so that agents begin with numbers that have seen a label.

A label says how one meeting went. Phase 1's own rows teach it as the answer to a prediction prompt. These rows teach it
as an agent's final answer: the untouched base sums up what the texts state, and the labelled verdict follows. Only the
digits, YES or NO and the deciding factor carry labels: a label on the words before them would teach agents to answer
without a call.
"""

from __future__ import annotations

from collections.abc import Sequence

from data_classes import TrainingRow
from meeting_agent.agent.environment import Environment
from meeting_agent.agent.tool_calls import no_prediction, tool_schemas
from meeting_agent.inference.chat_format import render
from meeting_agent.inference.digits import PREDICTION_OPENING
from meeting_agent.inference.engine import Engine, Request
from meeting_agent.training.masks import HEAD
from meeting_agent.training.rows import IGNORED

MAX_SUMMARY_TOKENS = 120


def agent_rows(environment: Environment, engine: Engine, rows: Sequence[TrainingRow]) -> list[dict[str, list[int]]]:
    """`input_ids` and `labels` of each row as an agent's final answer; empty if the environment has no such form.

    engine: the untouched base. A row whose summary does not end in an answer within `MAX_SUMMARY_TOKENS` is left out.
    """
    forms = [form for row in rows if (form := environment.as_agent(row)) is not None]
    tools = tool_schemas(environment.tools([], no_prediction))
    opened = [render(engine.tokenizer, form.messages, tools, ask=True) + form.opening for form in forms]
    summaries = engine.generate([Request(text, MAX_SUMMARY_TOKENS) for text in opened])
    found = []
    for text, summary, form in zip(opened, summaries, forms, strict=True):
        before, opening, _ = summary.text.partition(PREDICTION_OPENING)
        if opening:
            found.append(labelled(engine.tokenizer, text + before, form.answer))
    return found


def labelled(tokenizer, before: str, answer: str) -> dict[str, list[int]]:
    """The text `before` and the answer as one row. The verdict and all words of the reasoning carry labels."""
    encoded = tokenizer(before + answer, add_special_tokens=False, return_offsets_mapping=True)
    head = HEAD.search(before + answer, len(before))
    assert head is not None, answer
    spans = [head.span(1), head.span(2), (head.end(), len(before + answer))]
    return {
        "input_ids": encoded["input_ids"],
        "labels": [
            token if any(first < end and last > start for start, end in spans) else IGNORED
            for token, (first, last) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
        ],
    }
