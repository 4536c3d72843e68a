"""Parses numbers and lists as people write them into a field."""

from __future__ import annotations

import re
from collections.abc import Iterable

from meeting_agent.common.text import clean_text, comparison_key

YES_OR_NO = {"yes": 1.0, "y": 1.0, "true": 1.0, "1": 1.0, "no": 0.0, "n": 0.0, "false": 0.0, "0": 0.0}
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")
# Error values of spreadsheets. #FORMULA! is our own.
SPREADSHEET_ERROR = re.compile(r"#(?:N/A|REF!|NAME\?|VALUE!|DIV/0!|NULL!|NUM!|SPILL!|CALC!|ERROR!|FORMULA!)")

# Separators of lists, with their forms on other keyboards. Only the first separator that a column uses counts:
# "AI/ML, robotics" is two interests.
LIST_SEPARATORS = {
    "semicolons": "[;；؛]",
    "line breaks": "[\n\t\u2028\u2029]",
    "pipes": "[|｜]",
    "commas": "[,，、،]",
    "slashes": "[/／]",
}
NOTHING = {"n/a", "none", "nan", "null", "-"}


def as_number(text: str, percent: bool = False) -> float:
    """The number in a field, such as "0.31", "0,31" and, with `percent`, "31%". May be infinite or NaN.

    Raises ValueError that says how to write the number. "1,234" is refused, because it may be 1234 or 1.234.
    """
    digits, hundredth = text, 1.0
    if percent and text.endswith("%"):
        digits, hundredth = text[:-1].rstrip(), 100.0
    if THOUSANDS.fullmatch(digits):
        raise ValueError("thousands or decimals? Write it with a point,")
    if DECIMAL_COMMA.fullmatch(digits):
        digits = digits.replace(",", ".")
    try:
        return float(digits.replace("_", "?")) / hundredth  # Python groups digits with underscores, people do not
    except ValueError:
        raise ValueError("not a number: give one") from None


def list_separator(cells: Iterable[str]) -> str:
    """The name of the separator in the lists of a column, a key of `LIST_SEPARATORS`."""
    together = "\0".join(cells)
    return next((name for name, form in LIST_SEPARATORS.items() if re.search(form, together)), "semicolons")


def list_parts(text: str, separator: str) -> list[str]:
    """The parts of a list without duplicates and without the brackets and quotes that programs add."""
    if bracketed := re.fullmatch(r"\[([^\[\]]*)\]", text):
        text = bracketed[1]
    if comparison_key(text) in NOTHING:
        return []
    parts: dict[str, str] = {}
    for part in re.split(LIST_SEPARATORS[separator], text):
        part = " ".join(clean_text(part).split())
        if len(part) > 1 and part[0] == part[-1] and part[0] in "\"'":
            part = part[1:-1].strip()
        key = comparison_key(part)
        if key and key not in NOTHING:
            parts.setdefault(key, part)
    return list(parts.values())
