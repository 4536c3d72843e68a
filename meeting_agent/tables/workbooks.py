"""Reads Excel workbooks (.xlsx), and explains in one line which other kinds of workbooks cannot be read."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path

from meeting_agent.common.files import InputError
from meeting_agent.tables.grid import Grid, is_empty

ZIP = b"PK\x03\x04"
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # Microsoft's container of old (.xls) and of encrypted workbooks
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
SAVE = "save it as .xlsx, or as CSV in UTF-8"
CONTROL_ESCAPE = re.compile("_x00([01][0-9A-Fa-f])_")  # escape for control characters, which XML does not allow
UNCALCULATED = "#FORMULA!"  # replaces a formula whose value is not in the file


def is_workbook(data: bytes) -> bool:
    """Whether a file begins like a workbook. `workbook_grid` checks the rest."""
    return data.startswith((ZIP, COMPOUND))


def workbook_grid(data: bytes, path: Path) -> Grid:
    """The cells of the first visible sheet that is not empty. Raises InputError for any other kind of file."""
    if data.startswith(COMPOUND):
        what = "has a password: take that off" if ENCRYPTED in data else f"is an old Excel workbook (.xls): {SAVE}"
        raise InputError(f"{path} {what}")
    _check_archive(data, path)
    try:
        import openpyxl
    except ImportError:
        raise InputError(f"{path} is a workbook, for which openpyxl is missing: install it, or save as CSV") from None
    try:
        with warnings.catch_warnings(action="ignore"):  # warnings about styles and extensions, which hold no data
            values, formulas = (
                openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=data_only)
                for data_only in (True, False)
            )
            title, rows = "", list[list[str]]()
            unread = []
            for sheet in values.worksheets:
                cells = _rows(sheet, formulas[sheet.title])
                if sheet.sheet_state != "visible":
                    continue
                if not rows:
                    title, rows = sheet.title, _filled_rows(cells)
                elif not all(map(is_empty, cells)):
                    unread.append(sheet.title)
    except Exception as error:  # openpyxl does not document which errors its parsers raise
        raise InputError(f"{path} is a damaged workbook ({type(error).__name__}): open it and {SAVE}") from None
    if not rows:
        raise InputError(f"{path} has no sheet with anything to read: save it as .xlsx (not Strict Open XML) or CSV")
    if unread:
        print(f"{path}: sheet {title!r} is read, {', '.join(map(repr, unread))} not", flush=True)
    width = max(map(len, rows))
    return Grid(path, [row + [""] * (width - len(row)) for row in rows], f"in sheet {title!r}")


def _check_archive(data: bytes, path: Path) -> None:
    """Raises InputError unless a zip archive is an Excel workbook."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
    except zipfile.BadZipFile:
        raise InputError(f"{path} is a damaged workbook or archive: open it and {SAVE}") from None
    if "[Content_Types].xml" in names and "xl/workbook.xml" in names:
        return
    kinds = {
        "a binary Excel workbook (.xlsb)": "xl/workbook.bin" in names,
        "a Numbers document": any(name.startswith("Index") and name.endswith((".iwa", ".zip")) for name in names),
        "an OpenDocument file (.ods)": {"mimetype", "content.xml"} <= names,
    }
    kind = next((kind for kind, is_it in kinds.items() if is_it), "")
    raise InputError(f"{path} is {kind}: {SAVE}" if kind else f"{path} is an archive, not a table: give what is in it")


def _rows(values, formulas) -> Iterator[list[str]]:
    """The rows of a sheet, which is opened twice: with the values of its formulas, and with the formulas."""
    for sheet in (values, formulas):
        sheet.reset_dimensions()  # some programs write a size that is too small
    for row, behind in zip(values.iter_rows(), formulas.iter_rows(), strict=False):
        yield [
            # A formula whose value is an empty text has the type "str".
            UNCALCULATED
            if cell.value is None and formula.value is not None and cell.data_type != "str"
            else cell_text(cell.value)
            for cell, formula in zip(row, behind, strict=False)
        ]


def _filled_rows(rows: Iterator[list[str]]) -> list[list[str]]:
    """The rows up to the last one that is not empty."""
    filled: list[list[str]] = []
    empty: list[list[str]] = []
    for row in rows:
        empty.append(row)
        if not is_empty(row):
            filled += empty
            empty = []
    return filled


def cell_text(value: object) -> str:
    """A cell's value as text like in a CSV: whole numbers without a decimal point, dates as 2026-12-01."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return CONTROL_ESCAPE.sub(lambda found: chr(int(found[1], 16)), str(value))
