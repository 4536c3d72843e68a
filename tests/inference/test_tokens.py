"""The base's tokenizer, and which tokens of a chat the model learns from."""

import random
import statistics

from hypothesis import given, settings
from hypothesis import strategies as st

from meeting_agent.base.dialogues import dialogue_chat
from meeting_agent.conference import Conference
from meeting_agent.inference.digits import PREDICTION_OPENING
from meeting_agent.inference.loading import load_tokenizer
from meeting_agent.training.rows import IGNORED, dialogue_row, prediction_row
from meeting_agent.world.tools import tool_schemas
from meeting_agent.world.training_rows import read_training_rows

TOKENIZER = load_tokenizer("models/base")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_any_text_survives_encoding(text):
    special = set(TOKENIZER.all_special_tokens)
    if not any(s in text for s in special):
        assert TOKENIZER.decode(TOKENIZER.encode(text, add_special_tokens=False)) == text


def test_phrases_are_short_and_strange_text_still_reads():
    rows = read_training_rows("data/sft_training_data.csv")[:200]
    lengths = [len(TOKENIZER.encode(r.input_text, add_special_tokens=False)) for r in rows]
    words = [len(r.input_text.split()) for r in rows]
    assert statistics.mean(lengths) < 0.75 * statistics.mean(words)
    assert len(TOKENIZER.encode("Zwölf Boxkämpfer jagen Viktor.", add_special_tokens=False)) < 40


def test_digits_stand_alone_right_after_the_opening():
    opening = TOKENIZER.encode(PREDICTION_OPENING, add_special_tokens=False)
    for number in range(1, 100):
        ids = TOKENIZER.encode(f"{PREDICTION_OPENING}{number:02d}, ", add_special_tokens=False)
        assert ids[: len(opening)] == opening
        assert [TOKENIZER.decode([i]) for i in ids[len(opening) : len(opening) + 2]] == list(f"{number:02d}")


def learned(row):
    return TOKENIZER.decode([i for i in row["labels"] if i != IGNORED])


def test_a_prediction_row_learns_its_answer_and_nothing_else():
    answer = '{"probability": 0.73, "reason": "needs"}'
    row = prediction_row(TOKENIZER, "Person A: A PM.\nPerson B: An academic.\nTime: Day1 Morning", answer)
    assert learned(row).strip() == answer + "<end_of_turn>"
    assert len(row["labels"]) == len(row["input_ids"])


def test_a_dialogue_row_learns_what_the_agent_said_and_not_what_tools_answered():
    chat = dialogue_chat(random.Random(1))
    row = dialogue_row(TOKENIZER, chat, tool_schemas())
    said = "".join(
        m["content"]
        + "".join(
            f'<tool_call>{{"name": "{c["function"]["name"]}", "arguments": {c["function"]["arguments"]}}}</tool_call>'
            for c in m.get("tool_calls", [])
        )
        + "<end_of_turn>"
        for m in chat
        if m["role"] == "assistant"
    )
    assert learned(row) == said


def test_rehearsal_is_repeatable_and_differs_by_seed():
    first, again, other = (list(Conference().rehearsals(3, seed)) for seed in (1, 1, 2))
    assert first == again != other
