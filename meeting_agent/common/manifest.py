"""The record of the files that we wrote into a folder. We replace and delete only these files.

The record is the file `.meeting_agent.json` in the folder. For every file it holds the kind of output and the SHA-256
of what we wrote. A file that is not in the record, or whose bytes changed, belongs to the user.

While new files are moved into place, the record also lists them as a journal. If a run is killed during the move, the
next start finishes the move: `finish_moving`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from meeting_agent.common.files import InputError, digest, write_json

RECORD = ".meeting_agent.json"
ABOUT = "Files in this folder that the meeting agent wrote. It replaces and deletes only these, and only unchanged."


@dataclass
class Moving:
    """A move of files from the staging folder into place that has begun."""

    source: str  # the staging folder, relative to the target folder
    kind: str  # kind of output
    whole: bool  # whether older files of the same kind are deleted
    files: dict[str, str]  # name -> SHA-256


@dataclass
class Manifest:
    """The record of one folder. `files` maps a name relative to the folder to (kind, SHA-256)."""

    folder: Path
    files: dict[str, tuple[str, str]] = field(default_factory=dict)
    moving: Moving | None = None

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The record in `folder`. Empty if there is none or if it is not one of ours."""
        try:
            found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            files = {name: (str(entry["kind"]), str(entry["sha256"])) for name, entry in found["files"].items()}
            moving = Moving(**found["moving"]) if found.get("moving") else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return cls(folder)
        # The folder may come from a stranger, so no name in its record may lead out of it.
        names = [*files, *(moving.files if moving else ())]
        if not all(map(_stays_inside, names)) or (moving and not _is_staging(folder, moving.source)):
            return cls(folder)
        return cls(folder, files, moving)

    @property
    def is_in_the_way(self) -> bool:
        """Whether the folder holds a file with the record's name that is not one of ours."""
        return os.path.lexists(self.folder / RECORD) and not self.files

    def kind_of(self, name: str) -> str | None:
        """The kind of a file that we wrote and that has not changed since. None for any other file."""
        kind, known = self.files.get(name, (None, None))
        path = self.folder / name
        if kind is None or path.is_symlink() or not path.is_file() or not _lies_in(path, self.folder):
            return None
        if self.moving and name in self.moving.files:
            return kind if digest(path) in (known, self.moving.files[name]) else None
        return kind if digest(path) == known else None

    def save(self, scratch: Path) -> None:
        """Writes the record atomically. `scratch` is a folder of ours on the same disk for the temporary file."""
        value: dict[str, Any] = {"about": ABOUT}
        value["files"] = {name: {"kind": kind, "sha256": sha} for name, (kind, sha) in sorted(self.files.items())}
        if self.moving:
            value["moving"] = vars(self.moving)
        write_json(scratch / RECORD, value)
        os.replace(scratch / RECORD, self.folder / RECORD)
        sync_folder(self.folder)


def move_into_place(folder: Path, source: Path, kind: str, whole: bool, overwrite: bool) -> None:
    """Moves every file of the staging folder `source` to the same name in `folder`, and records them.

    If the run is killed during the move, `finish_moving` completes it. With `whole`, unchanged older files of the same
    kind that are not among the new files are deleted. Without `overwrite`, raises InputError before anything is moved
    if a file that is not ours would be replaced.
    """
    manifest = Manifest.read(folder)
    if manifest.is_in_the_way:
        raise InputError(f"{folder / RECORD} is not, or no longer, a record of this program: move it away")
    files = {p.relative_to(source).as_posix(): p for p in sorted(source.rglob("*")) if p.is_file()}
    for name in files:
        target = folder / name
        if target.is_dir():
            raise InputError(f"{target} is a folder, and a file of this run has that name: move it away")
        if not overwrite and os.path.lexists(target) and manifest.kind_of(name) != kind:
            raise InputError(
                f"{target} has appeared or changed while this run was at work: move it away and start again with the "
                "same command, which goes on where it stopped"
            )
    for path in files.values():
        sync_file(path)
    manifest.moving = Moving(
        os.path.relpath(source, folder).replace(os.sep, "/"),
        kind,
        whole,
        {name: digest(path) for name, path in files.items()},
    )
    for name, sha in manifest.moving.files.items():
        manifest.files.setdefault(name, (kind, sha))
    folder.mkdir(parents=True, exist_ok=True)
    manifest.save(source.parent)
    finish_moving(folder)


def finish_moving(folder: Path) -> bool:
    """Completes the move that a killed run had begun. Returns False if there was none.

    Raises InputError if files of the move are missing.
    """
    manifest = Manifest.read(folder)
    moving = manifest.moving
    if moving is None:
        return False
    source = folder / moving.source
    for name, sha in moving.files.items():
        staged, target = source / name, folder / name
        if staged.is_file() and digest(staged) == sha:
            target.parent.mkdir(parents=True, exist_ok=True)
            move(staged, target)
        elif not (target.is_file() and digest(target) == sha):
            raise InputError(f"{target} is missing or broken since a run was killed: delete {folder} and run again")
    if moving.whole:
        stale = [n for n, (kind, _) in manifest.files.items() if kind == moving.kind and n not in moving.files]
        for name in stale:
            if manifest.kind_of(name) is not None:
                (folder / name).unlink()
            del manifest.files[name]
    manifest.files |= {name: (moving.kind, sha) for name, sha in moving.files.items()}
    manifest.moving = None
    manifest.save(source.parent)
    for emptied in sorted((p for p in source.rglob("*") if p.is_dir()), reverse=True):
        emptied.rmdir()
    if source.exists():
        source.rmdir()
    return True


def _is_staging(folder: Path, source: str) -> bool:
    """Whether `source` is a valid staging folder: in a folder for unfinished runs, inside or beside `folder`."""
    beside = f"../.{folder.resolve().name}.unfinished/ready"
    return source == beside or bool(re.fullmatch(r"\.([^/]+\.)?unfinished/ready", source))


def _stays_inside(name: object) -> bool:
    path = PurePosixPath(str(name))
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _lies_in(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def move(source: Path, target: Path) -> None:
    """Renames a file. If the target is a mount point (as in containers), copies the bytes instead."""
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.EXDEV):
            raise
        shutil.copyfile(source, target)
        sync_file(target)
        source.unlink()


def sync_file(path: Path) -> None:
    """Flushes a file to the disk. Otherwise a power cut could keep a rename but lose the bytes."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Flushes the names in a folder to the disk, if the system supports it."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
