"""Makes untrusted values safe to write: any value as strict JSON (no NaN, no lone surrogates), any text as one line."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any
from uuid import UUID

DEEPEST = 50  # maximum nesting; a value that holds itself would have no end
MAX_BITS = 1000  # of a whole number; many JSON readers parse numbers as floats, which hold no larger ones
AS_TEXT = (PurePath, UUID, timedelta)


def strict(value: Any, depth: int = 0) -> Any:
    """Converts a value to dicts, lists, text, numbers, booleans and None. Leaves these types unchanged.

    NaN and infinity become None, lone surrogates become U+FFFD. Numpy arrays and numbers, dataclasses, dates, sets
    (sorted, so that equal sets give equal text), enums, decimals, paths and Pydantic's models get their usual form.
    Raises ValueError for more than `DEEPEST` levels or a whole number of more than `MAX_BITS` bits, and TypeError for
    any other type.
    """
    if depth > DEEPEST:
        raise ValueError(f"more than {DEEPEST} levels, or a value that holds itself")
    if isinstance(value, Enum) and not isinstance(value, str | int | float):
        return strict(value.value, depth + 1)
    if isinstance(value, str):
        return whole_characters(value)
    if value is None or isinstance(value, int):  # includes bool
        if value is not None and value.bit_length() > MAX_BITS:
            raise ValueError("a number of more than 300 digits")
        return value
    if isinstance(value, float | Decimal | Fraction):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, Mapping):
        return {_key(k): strict(v, depth + 1) for k, v in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: strict(getattr(value, f.name), depth + 1) for f in fields(value)}
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, AS_TEXT):
        return whole_characters(str(value))
    if callable(getattr(value, "tolist", None)):  # numpy, torch and pandas, without importing them
        return strict(value.tolist(), depth + 1)
    if callable(getattr(value, "model_dump", None)):  # Pydantic, without importing it
        return strict(value.model_dump(), depth + 1)
    if isinstance(value, Set):
        return sorted((strict(v, depth + 1) for v in value), key=repr)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [strict(v, depth + 1) for v in value]
    raise TypeError(f"a {type(value).__name__} is no JSON value")


def _key(key: Any) -> Any:
    """A dictionary key that `json.dumps` accepts. Other types become text."""
    if isinstance(key, str):
        return whole_characters(key)
    return key if key is None or isinstance(key, int | float) else str(strict(key))


def whole_characters(text: str) -> str:
    """The text in a form that UTF-8 can encode: surrogate pairs are joined, lone surrogates become U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def one_line(text: str, limit: int) -> str:
    """The first `limit` characters of `text` on one line, without control characters."""
    visible = (" " if unicodedata.category(c)[0] == "C" else c for c in text[: 10 * limit])
    words = " ".join("".join(visible).split())
    return words if len(words) <= limit else words[: limit - 3] + "..."


def text_of_error(error: BaseException) -> str:
    """The message of an exception. "" if reading the message raises."""
    try:
        return str(error)
    except Exception:  # `__str__` of a tool's own exception may raise anything
        return ""
