"""The cells of a table as text, from any kind of file, and the positions of the columns that we use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from meeting_agent.common.files import InputError
from meeting_agent.common.text import clean_text, identifier

HEADER_WITHIN = 10  # rows that are searched for the column names, because exports put titles above them
SHOWN_COLUMNS = 200  # characters


@dataclass
class Grid:
    """Rows of cells, which may have different lengths.

    `layout` describes where the cells were found ("between commas"). `separator` names the separator of a text file
    ("commas").
    """

    path: Path
    rows: list[list[str]]
    layout: str
    separator: str = ""

    def header(self, columns: Sequence[str]) -> int:
        """The index of the row that names the most of `columns`."""
        first = self.rows[:HEADER_WITHIN]
        fits = [(named(row, columns), not is_empty(row)) for row in first]
        return fits.index(max(fits)) if fits else 0

    def positions(self, header: int, needed: Sequence[str], optional: Sequence[str]) -> dict[str, int]:
        """Column -> its index in a row. Raises InputError for a missing needed column and for a duplicate column."""
        names = [identifier(cell) for cell in self.rows[header]]
        for name in needed:
            if name not in names:
                raise InputError(
                    f"{self.path}: column {name} is missing (needed: {', '.join(needed)}; found {self.layout}: "
                    f"{shown(self.rows[header])})"
                )
        for name in (*needed, *optional):
            if names.count(name) > 1:
                raise InputError(f"{self.path}: column {name} is there {names.count(name)} times: leave only one")
        return {name: names.index(name) for name in (*needed, *optional) if name in names}


def named(row: Sequence[str], columns: Sequence[str]) -> int:
    """The number of `columns` that a row names."""
    return len({identifier(cell) for cell in row} & set(columns))


def shown(row: Sequence[str]) -> str:
    """The non-empty cells of a row, for an error message."""
    text = ", ".join(cell for cell in map(clean_text, row) if cell)
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= SHOWN_COLUMNS else text[:SHOWN_COLUMNS] + "..."


def is_empty(row: Sequence[str]) -> bool:
    return not any(map(clean_text, row))
