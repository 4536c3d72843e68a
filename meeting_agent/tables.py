"""A user's own CSV, row by row, with one clear line for whatever cannot be used."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from meeting_agent.files import InputError

LONGEST_FIELD = 1_000  # characters; a list of ten interests has about 200


class Row:
    """One row, whose fields are read by name; `where` says which row of which file it is."""

    def __init__(self, where: str, fields: dict[str, str]):
        self.where, self.fields = where, fields

    def text(self, name: str) -> str:
        """The field without blanks around it; empty where it or its column is."""
        return self.fields.get(name, "").strip()

    def wrong(self, name: str, advice: str) -> InputError:
        """The error to raise of a field, with what to do about it."""
        return InputError(f"{self.where}: {name} is {self.text(name)[:60]!r}, {advice}")

    def number(self, name: str, low: float, high: float, usual: float | None = None) -> float:
        """The number in a field, or `usual` where that is empty."""
        text = self.text(name)
        if not text and usual is not None:
            return usual
        try:
            value = float(text)
        except ValueError:
            raise self.wrong(name, f"not a number: give one in {low:g}..{high:g}") from None
        if not low <= value <= high:
            raise self.wrong(name, f"not in {low:g}..{high:g}")
        return value

    def whole_number(self, name: str, low: int, high: int) -> int:
        value = self.number(name, low, high)
        if value != int(value):
            raise self.wrong(name, f"not a whole number in {low}..{high}")
        return int(value)

    def listed(self, name: str, most: int) -> list[str]:
        """The parts between semicolons, each once."""
        parts = list(dict.fromkeys(" ".join(part.split()) for part in self.text(name).split(";")))
        parts = [part for part in parts if part]
        if len(parts) > most:
            raise self.wrong(name, f"{len(parts)} parts between semicolons: give {most} at most")
        return parts


def read_table(
    path: Path, columns: Sequence[str], flag: str, longest: int = LONGEST_FIELD, several_lines: bool = False
) -> list[Row]:
    """The rows of a UTF-8 CSV that has `columns`, counted from 1 below the line of their names; others do no harm.

    Raises InputError naming the file, the row and the field. `flag` is the setting that the file was given with,
    `longest` the characters that a field may have, `several_lines` whether it may hold tabs and line breaks.
    """
    allowed = "\t\r\n\u2028\u2029" if several_lines else ""
    try:
        csv.field_size_limit(2**31 - 1)  # what is too long is said below, with its row
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [c for c in columns if c not in (reader.fieldnames or [])]
            if missing:
                raise InputError(f"{path}: column {missing[0]} is missing (needed: {', '.join(columns)})")
            rows = [
                _row(f"{path}, row {number}", record, columns, longest, allowed)
                for number, record in enumerate(reader, start=1)
            ]
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): give {flag} a CSV") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text: save it as UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV ({error}): save it as one") from None
    return rows


def _row(where: str, record: dict, columns: Sequence[str], longest: int, allowed: str) -> Row:
    if None in record or None in record.values():
        raise InputError(f"{where} has not as many fields as the first line: put text that holds commas into quotes")
    for name in columns:
        text = record[name]
        if len(text) > longest:
            raise InputError(f"{where}: {name} has {len(text)} characters: shorten it to {longest}")
        controls = (c for c in text if unicodedata.category(c) in ("Cc", "Zl", "Zp") and c not in allowed)
        if unusual := next(controls, None):
            raise InputError(f"{where}: {name} holds the control character {unusual!r}: take it out")
    return Row(where, record)
