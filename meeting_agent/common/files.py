"""Reading and writing of the files between the phases. Writes are atomic; read errors become one clear line.

These functions replace existing files, so they are for our own folders. For paths that a user gave, `outputs.py`
decides what may be replaced.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ADAPTER_WEIGHTS = "adapter_model.safetensors"
BASE_WEIGHTS = "model.safetensors"


class InputError(Exception):
    """An input of the user cannot be used. The message names the input and says how to fix it."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`. It replaces `path` if the block ends without an error.

    Its bytes are on the disk before the replacement. The temporary name is always the same, so the next run overwrites
    what a killed run left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as file:  # otherwise a power cut may leave the name without the bytes
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: object, indent: int | None = 1) -> None:
    write_text(path, json_text(value, indent))


def json_text(value: object, indent: int | None = 1) -> str:
    """A value as JSON in the format of our files."""
    return json.dumps(value, indent=indent, ensure_ascii=False) + "\n"


def write_json_array(path: Path, items: Iterable[object]) -> None:
    """Writes the same file as `write_json` for a list, item by item, so that the list need not fit into memory."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        opening = "["
        for item in items:
            text = json.dumps(item, indent=1, ensure_ascii=False)
            file.write(f"{opening}\n" + textwrap.indent(text, " "))
            opening = ","
        file.write("[]\n" if opening == "[" else "\n]\n")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Writes a CSV in UTF-8 with a header, commas and line feeds, the same on every system."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(**paths: Path) -> dict[str, str]:
    """Name -> SHA-256 for those paths that exist. A hub name has no local file."""
    return {name: digest(path) for name, path in paths.items() if path.is_file()}


def fingerprint(settings: dict, *inputs: Path) -> str:
    """A short name (12 hexadecimal digits) that depends on the settings and on the bytes of the files in `inputs`."""
    parts = [json.dumps(settings, sort_keys=True), *(digest(path) for path in inputs if path.is_file())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def read_json(path: Path, written_by: str) -> Any:
    """Reads a JSON file of an earlier phase. If it is missing or broken, raises InputError that names `written_by`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing: run {written_by} first") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}): run {written_by} again") from None
