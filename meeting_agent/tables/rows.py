"""Reads a user's own table row by row. Anything unusable becomes one clear line.

The bytes of a text file become text (`charsets.py`) and then cells (`separated.py`). A workbook becomes cells
(`workbooks.py`). This module turns cells into rows with named fields (`grid.py`, `fields.py`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from meeting_agent.common.files import InputError
from meeting_agent.common.text import clean_text, comparison_key
from meeting_agent.tables.charsets import decoded, looks_garbled
from meeting_agent.tables.fields import SPREADSHEET_ERROR, YES_OR_NO, as_number, list_parts
from meeting_agent.tables.grid import Grid, is_empty
from meeting_agent.tables.separated import separated_grid
from meeting_agent.tables.workbooks import is_workbook, workbook_grid

LONGEST_FIELD = 1_000  # maximum characters of a field; a list of ten interests has about 200
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
CONTROLS_BUT_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Row:
    """One row with named fields. `where` names its file and row number."""

    def __init__(self, where: str, fields: dict[str, str]):
        self.where, self.fields = where, fields

    def text(self, name: str) -> str:
        """The field after `clean_text`. "" if the field is empty or its column is missing."""
        return self.fields.get(name, "")

    def wrong(self, name: str, advice: str) -> InputError:
        """An InputError about a field. `advice` says what is wrong and how to fix it."""
        return InputError(f"{self.where}: {name} is {self.text(name)[:60]!r}, {advice}")

    def number(self, name: str, low: float, high: float, usual: float | None = None, also: str = "") -> float:
        """The number in a field, or `usual` if the field is empty. A number in 0..1 may be a percentage.

        `also` names other values that the field may hold, for the error message. Raises InputError for anything else.
        """
        text = self.text(name)
        if not text and usual is not None:
            return usual
        share = (low, high) == (0, 1)
        try:
            value = as_number(text, percent=share)
        except ValueError as error:
            raise self.wrong(name, f"{error} in {low:g}..{high:g}{also}") from None
        if not low <= value <= high:
            sign = " (a percentage needs its sign, as 84%)" if share and 1 < value <= 100 else ""
            raise self.wrong(name, f"not in {low:g}..{high:g}{sign}")
        return value

    def outcome(self, name: str) -> float:
        """A probability in [0, 1]. Yes, true and y give 1; no, false and n give 0."""
        answer = YES_OR_NO.get(comparison_key(self.text(name)))
        return self.number(name, 0, 1, also=", or yes or no") if answer is None else answer

    def whole_number(self, name: str, low: int, high: int) -> int:
        value = self.number(name, low, high)
        if value != int(value):
            raise self.wrong(name, f"not a whole number in {low}..{high}")
        return int(value)

    def listed(self, name: str, limit: int, separator: str = "semicolons") -> list[str]:
        """The parts of a list without duplicates. `separator` is a key of `LIST_SEPARATORS`.

        Raises InputError for more than `limit` parts.
        """
        parts = list_parts(self.text(name), separator)
        if len(parts) > limit:
            kept = "" if separator == "semicolons" else " (a semicolon at its end keeps a part whole)"
            raise self.wrong(name, f"{len(parts)} parts between {separator}: give {limit} at most{kept}")
        return parts


def read_table(
    path: Path,
    columns: Sequence[str],
    flag: str,
    optional: Sequence[str] = (),
    longest: int = LONGEST_FIELD,
    several_lines: Collection[str] = (),
) -> list[Row]:
    """The rows of a table with the columns `columns` and possibly `optional`.

    The file is text with commas, semicolons, tabs or pipes, or an Excel workbook. Row numbers start at 1 below the
    column names and count empty rows, which are left out. Other columns are ignored. `flag` is the setting that names
    the file, `longest` is the maximum number of characters of a field, and `several_lines` are the columns that may
    hold tabs and line breaks. Raises InputError that names the file, the row and the field.
    """
    grid = _read_grid(path, columns, flag)
    header = grid.header(columns)
    positions = grid.positions(header, columns, optional)
    if not all(map(is_empty, grid.rows[:header])):
        print(f"{path}: the column names are in line {header + 1}; the lines above it are not read", flush=True)
    width = len(grid.rows[header])
    rows: list[Row] = []
    garbled: list[str] = []
    for number, cells in enumerate(grid.rows[header + 1 :], start=1):
        where = f"{path}, row {number}"
        if is_empty(cells):
            continue
        if len(cells) != width:
            raise InputError(
                f"{where} has not as many fields as the first line ({len(cells)}, not {width}): put text that holds "
                f"{grid.separator} into quotes"
            )
        fields = {}
        for name, i in positions.items():
            fields[name] = _checked(where, name, cells[i], longest, name in several_lines)
            if looks_garbled(cells[i]):
                garbled.append(f"{where}: {name} is {cells[i][:60]!r}")
        rows.append(Row(where, fields))
    if garbled:
        print(
            f"warning: {garbled[0]}, whose letters some program garbled ({len(garbled)} such fields): save it again "
            "from the source, as UTF-8",
            flush=True,
        )
    return rows


def _read_grid(path: Path, columns: Sequence[str], flag: str) -> Grid:
    """The cells of a file. Raises InputError if the file is missing, empty or not a table."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): give {flag} a CSV or .xlsx file") from None
    if is_workbook(data):
        grid = workbook_grid(data, path)
    else:
        text = decoded(data, path)
        if text.lstrip()[:1] == "<":
            raise InputError(f"{path} holds HTML or XML: open it in a spreadsheet program and save it as .xlsx or CSV")
        grid = separated_grid(text, path, columns)
    if all(map(is_empty, grid.rows)):
        raise InputError(f"{path} is empty: give {flag} a table with the columns {', '.join(columns)}")
    return grid


def _checked(where: str, name: str, text: str, longest: int, several_lines: bool) -> str:
    """The cleaned text of a field. Raises InputError if it is too long or holds control characters or an error."""
    if len(text) > longest:
        raise InputError(f"{where}: {name} has {len(text)} characters: shorten it to {longest}")
    text = clean_text(text)
    if control := (CONTROLS_BUT_LINES if several_lines else CONTROLS).search(text):
        raise InputError(f"{where}: {name} holds the control character {control[0]!r}: remove it")
    if SPREADSHEET_ERROR.fullmatch(text):
        raise InputError(f"{where}: {name} is {text!r}, a spreadsheet's error: correct the formula and save again")
    return text
