"""Reads CSV as Excel, LibreOffice, pandas and people write it, with any common separator."""

from __future__ import annotations

import contextlib
import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from meeting_agent.common.files import InputError
from meeting_agent.tables.grid import HEADER_WITHIN, Grid, named

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}
# The first line in which Excel states the separator.
SEPARATOR_LINE = re.compile(r'\s*"?sep=(.)"?[ \t,;|]*(?:\n|$)', re.IGNORECASE)
LONGEST_FOR_CSV = 2**31 - 1  # no limit here; `read_table` reports fields that are too long, with their row


def separated_grid(text: str, path: Path, columns: Sequence[str]) -> Grid:
    """The cells of a text with a table that has `columns`. Uses the separator with which most of them are found.

    Raises InputError that names the row whose quotes do not match.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if stated := SEPARATOR_LINE.match(text):
        separator, text = stated[1], text[stated.end() :]
    else:
        separator = max(SEPARATORS, key=lambda s: max((named(row, columns) for row in _first_rows(text, s)), default=0))
    name = SEPARATORS.get(separator, repr(separator))
    grid = Grid(path, [], f"between {name}", separator=name)
    rows = _rows(text, separator)
    while True:
        try:
            grid.rows.append(next(rows))
        except StopIteration:
            return grid
        except csv.Error:
            where = f"row {len(grid.rows) - grid.header(columns)}" if grid.rows else "first line"
            raise InputError(
                f"{path}, {where} has a quote that is not closed, or text behind it: put the whole field into "
                "quotes and write each quote in it twice"
            ) from None


def _first_rows(text: str, separator: str) -> list[list[str]]:
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):  # the quotes may match with another separator
        rows.extend(itertools.islice(_rows(text, separator), HEADER_WITHIN))
    return rows


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    csv.field_size_limit(LONGEST_FOR_CSV)
    # Strict: otherwise an unclosed quote would silently merge all rows up to the next quote.
    return csv.reader(_lines(text), delimiter=separator, skipinitialspace=separator != " ", strict=True)


def _lines(text: str) -> Iterator[str]:
    """The lines with their line ends, one at a time. StringIO would need four bytes per character."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end
