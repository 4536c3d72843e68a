"""The cells of a table as text, from whichever kind of file, and where in it the columns are that we use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from meeting_agent.common.files import InputError
from meeting_agent.common.text import clean_text, identifier

HEADER_WITHIN = 10  # rows in which the column names are looked for: exports put titles above them
SHOWN_COLUMNS = 200  # characters


@dataclass
class Grid:
    """Rows of cells, which need not be of equal length.

    `layout` says where they were found ("between commas"), `separator` what stands between them in a text ("commas").
    """

    path: Path
    rows: list[list[str]]
    layout: str
    separator: str = ""

    def header(self, columns: Sequence[str]) -> int:
        """The index of the row that names most of `columns`."""
        first = self.rows[:HEADER_WITHIN]
        fits = [(named(row, columns), not is_empty(row)) for row in first]
        return fits.index(max(fits)) if fits else 0

    def positions(self, header: int, needed: Sequence[str], optional: Sequence[str]) -> dict[str, int]:
        """Where in a row each column stands; raises InputError for a needed one that is missing, and for any twice."""
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
    """How many of `columns` a row names."""
    return len({identifier(cell) for cell in row} & set(columns))


def shown(row: Sequence[str]) -> str:
    """The cells that hold anything, as part of one line of a message."""
    text = ", ".join(cell for cell in map(clean_text, row) if cell)
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= SHOWN_COLUMNS else text[:SHOWN_COLUMNS] + "..."


def is_empty(row: Sequence[str]) -> bool:
    return not any(map(clean_text, row))
