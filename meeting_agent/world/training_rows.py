"""Reads the rows that phase 1 trains on, from our CSV or a user's own table with the same four columns."""

from __future__ import annotations

from pathlib import Path

from data_classes import TrainingRow
from meeting_agent.common.files import InputError
from meeting_agent.tables.rows import Row, read_table
from meeting_agent.world.prompts import prose

CSV_COLUMNS = ("input_text", "target_probability", "target_reason", "ground_truth_prob")
SFT_ROWS = 2000
LONGEST_TEXT = 20_000  # maximum characters of a field; two full descriptions have about 1,000


def read_training_rows(path: str | Path) -> list[TrainingRow]:
    """Reads a table with the four columns. Raises InputError that names the column or the file's row."""
    texts = ("input_text", "target_reason")
    rows = read_table(Path(path), CSV_COLUMNS, "--sft_data_path", longest=LONGEST_TEXT, several_lines=texts)
    if not rows:
        raise InputError(f"{path} has no rows")
    return [_training_row(row) for row in rows]


def _training_row(row: Row) -> TrainingRow:
    if not row.text("input_text"):
        raise InputError(f"{row.where}: input_text is empty")
    target, truth = row.number("target_probability", 0, 1), row.outcome("ground_truth_prob")
    return TrainingRow(row.text("input_text"), target, row.text("target_reason"), truth)


def in_parts(input_text: str) -> tuple[str, str, str] | None:
    """The description of A, that of B, and the text after "Time: ". None for a text in another format."""
    head, marker_b, rest = input_text.partition("\nPerson B: ")
    second, marker_time, tail = rest.partition("\nTime: ")
    if not (head.startswith("Person A: ") and marker_b and marker_time):
        return None
    return head.removeprefix("Person A: "), second, tail


def as_asked(input_text: str) -> str:
    """The prompt as `MeetingPredictor` writes it, with both descriptions passed through `prose`."""
    if (parts := in_parts(input_text)) is None:
        return input_text
    first, second, tail = parts
    return f"Person A: {prose(first)}\nPerson B: {prose(second)}\nTime: {tail}"


def swap_people(input_text: str) -> str:
    """The same prompt with A and B exchanged. A text in another format is returned unchanged."""
    if (parts := in_parts(input_text)) is None:
        return input_text
    first, second, tail = parts
    return f"Person A: {second}\nPerson B: {first}\nTime: {tail}"
