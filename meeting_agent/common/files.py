"""Files between the phases: written whole or not at all, read with one clear line when something is wrong.

These functions replace what is there: they write into folders of our own. Where a user said where things go,
`outputs.py` decides what may be replaced.
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
    """Something the user gave cannot be used; the message names it and says what to do."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that takes its place when the block ends well, with its bytes on the disk.

    Always the same name: what a killed run left there, the next one overwrites.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as file:  # else a power cut may leave the name without the bytes
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
    """A value as our files hold it."""
    return json.dumps(value, indent=indent, ensure_ascii=False) + "\n"


def write_json_array(path: Path, items: Iterable[object]) -> None:
    """What `write_json` writes of a list, item by item: the list need not fit into memory."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        opening = "["
        for item in items:
            text = json.dumps(item, indent=1, ensure_ascii=False)
            file.write(f"{opening}\n" + textwrap.indent(text, " "))
            opening = ","
        file.write("[]\n" if opening == "[" else "\n]\n")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """A table in UTF-8 with its header, commas between fields and a line feed after each row, on every system."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(**paths: Path) -> dict[str, str]:
    """SHA-256 of those of the named files that exist: a hub name has no file here."""
    return {name: digest(path) for name, path in paths.items() if path.is_file()}


def fingerprint(settings: dict, *inputs: Path) -> str:
    """Short name of a run: the same for the same settings and the same bytes in the files among `inputs`."""
    parts = [json.dumps(settings, sort_keys=True), *(digest(path) for path in inputs if path.is_file())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def read_json(path: Path, written_by: str) -> Any:
    """Reads a hand-off; raises InputError that names the phase to run when it is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing: run {written_by} first") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}): run {written_by} again") from None
