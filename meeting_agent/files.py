"""Files between the phases: written whole or not at all, read with one clear line when something is wrong."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ADAPTER_WEIGHTS = "adapter_model.safetensors"
BASE_WEIGHTS = "model.safetensors"


class InputError(Exception):
    """Something the user gave cannot be used; the message names it and says what to do."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that takes its place when the block ends well.

    Always the same name: what a killed run left there, the next one overwrites.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside `path` that takes its place when the block ends well.

    A folder cannot replace a full one in one step. Where a run dies or fails between the two steps, the old one comes
    back: at once, or when the next run starts.
    """
    temporary, old = (path.with_name(f".{path.name}.{state}") for state in ("partial", "old"))
    _restore(old, path)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if path.exists():
            path.replace(old)
        temporary.replace(path)
    finally:
        _restore(old, path)
        shutil.rmtree(temporary, ignore_errors=True)


def _restore(old: Path, path: Path) -> None:
    """Puts `old` back if nothing has taken its place; deletes it otherwise."""
    if old.exists() and not path.exists():
        old.replace(path)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def replacing_files(folder: Path) -> Iterator[Path]:
    """An empty folder whose files take their places in `folder` together when the block ends well."""
    temporary = folder / ".partial"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for file in sorted(temporary.iterdir()):
            file.replace(folder / file.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_writable(*paths: Path) -> None:
    """Raises InputError unless files can be made where `paths` are to be: better now than after the work."""
    for path in paths:
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        try:
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror} in {folder}): choose another place") from None


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object, indent: int | None = 1) -> None:
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False) + "\n")


def write_json_array(path: Path, items: Iterable[object]) -> None:
    """What `write_json` writes of a list, item by item: the list need not fit into memory."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        opening = "["
        for item in items:
            text = json.dumps(item, indent=1, ensure_ascii=False)
            file.write(f"{opening}\n" + textwrap.indent(text, " "))
            opening = ","
        file.write("[]\n" if opening == "[" else "\n]\n")


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
