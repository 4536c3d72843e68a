"""The outputs of a run: paths are checked before any work, and the user's own files are never touched.

An output is a folder, or a file with its companion files. Links are followed. Folders are never swapped by renaming, so
an output may be a mount point. An unfinished run keeps its state beside the output in `.NAME.unfinished`, or in
`.unfinished` inside the output if that is a mount point. The state is deleted when the run is complete.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from meeting_agent.common.files import InputError, write_text
from meeting_agent.common.manifest import RECORD, Manifest, finish_moving, move_into_place
from meeting_agent.common.processes import is_first_process

# Files of operating systems and version control, which we ignore.
LITTER = re.compile(r"\.DS_Store|Thumbs\.db|desktop\.ini|\.nfs.*|\.gitkeep|\.gitignore|\.gitattributes")
MARK = ".meeting_agent.unfinished"
MARK_SAYS = "Unfinished runs keep their checkpoints here, each in a folder that goes when the run is complete.\n"


class Output:
    """One output of a run.

    `flag` is the setting that names it, `kind` describes its content, and `beside` holds the names of companion files.
    """

    def __init__(
        self,
        flag: str,
        path: str | Path,
        kind: str,
        *,
        is_folder: bool = False,
        beside: Sequence[str] = (),
        overwrite: bool = False,
    ):
        self.flag, self.kind, self.is_folder, self.overwrite = flag, kind, is_folder, overwrite
        self.given = Path(path)
        self.path = followed(flag, self.given)
        self.folder = self.path if is_folder else self.path.parent
        self.names = () if is_folder else (self.path.name, *beside)
        apart = is_folder and stands_apart(self.path)
        self.unfinished = self.path / ".unfinished" if apart else self.path.with_name(f".{self.path.name}.unfinished")

    def check(self, inputs: Mapping[str, str] | None = None) -> None:
        """Raises InputError unless this output can be written without overwriting files that are not ours.

        `inputs` maps flags to the paths that the run reads. Completes the move of a killed run first.
        """
        self._check_type()
        self._check_inputs(inputs or {})
        check_writable(self.path if self.is_folder else self.folder / self.path.name)
        if is_first_process():
            finish_moving(self.folder)
        self._check_unfinished()
        if not self.overwrite:
            self._check_ours()

    def _check_type(self) -> None:
        if self.path.exists() and self.is_folder != self.path.is_dir():
            raise InputError(f"{self.flag} {self.given} is {'no' if self.is_folder else 'a'} folder: give another name")
        if not self.is_folder and self.path.exists() and not self.path.is_file():
            raise InputError(f"{self.flag} {self.given} is no file: give another name")

    def _check_inputs(self, inputs: Mapping[str, str]) -> None:
        for flag, given in inputs.items():
            if not given:
                continue
            path = followed(flag, Path(given))
            if not path.exists():
                continue
            if same(path, self.path) or any(same(path, self.folder / name) for name in self.names):
                raise InputError(f"{self.flag} {self.given} is {flag}, which this run reads: give another place")
            if self.is_folder and inside(path, self.path):
                raise InputError(f"{self.flag} {self.given} holds {flag} {given}: give a folder of its own")
            if path.is_dir() and inside(self.path, path):
                raise InputError(f"{self.flag} {self.given} lies inside {flag} {given}: give another place")

    def _check_unfinished(self) -> None:
        if Manifest.read(self.folder).is_in_the_way:
            raise InputError(f"{self.folder / RECORD} is not, or no longer, a record of this program: move it away")
        if self.unfinished.is_symlink() or (self.unfinished.exists() and not self.unfinished.is_dir()):
            raise InputError(f"{self.unfinished} is in the way of this run: move it away")
        if self.unfinished.is_dir() and not is_marked(self.unfinished) and any(self.unfinished.iterdir()):
            raise InputError(f"{self.unfinished} holds files that are not ours: move them away")

    def _check_ours(self) -> None:
        if self.is_folder:
            for path, kind in files_in(self.path):
                if kind is None:
                    raise self._refusal(path)
                if kind != self.kind:
                    raise InputError(
                        f"{self.flag} {self.given} holds {kind} ({path.name}), not {self.kind}: give another folder"
                    )
            return
        manifest = Manifest.read(self.folder)
        for name in self.names:
            path = self.folder / name
            if not os.path.lexists(path):
                continue
            kind = manifest.kind_of(name)
            if kind is None:
                raise self._refusal(path)
            if kind != self.kind:
                raise InputError(f"{self.flag}: {path} holds {kind}, not {self.kind}: give another name")

    def _refusal(self, path: Path) -> InputError:
        shown = self.given / path.relative_to(self.path) if self.is_folder else self.given.with_name(path.name)
        return InputError(
            f"{self.flag}: {shown} is there already and is not, or no longer, as this program wrote it: give another "
            "place, or --overwrite"
        )

    def unfinished_run(self, name: str) -> Path:
        """The folder in which the run `name` (its fingerprint) keeps the state that it needs to resume after a kill."""
        if is_first_process():
            self._mark_unfinished()
        return self.unfinished / name

    def remove_unfinished(self, name: str) -> None:
        """Deletes the state of the run `name`, which is complete."""
        if is_marked(self.unfinished):
            remove_tree(self.unfinished / name)
            self._close_unfinished()

    @contextlib.contextmanager
    def writing(self, whole: bool | None = None) -> Iterator[Path]:
        """Yields an empty folder. If the block ends without an error, its files are moved into place together.

        With `whole` (the default for a folder), files of an earlier run that are not among the new files are deleted.
        """
        finish_moving(self.folder)
        self._mark_unfinished()
        ready = self.unfinished / "ready"
        remove_tree(ready)
        ready.mkdir()
        try:
            yield ready
            move_into_place(self.folder, ready, self.kind, self.is_folder if whole is None else whole, self.overwrite)
        finally:
            if Manifest.read(self.folder).moving is None:  # otherwise the next start needs the remaining files
                remove_tree(ready)
                self._close_unfinished()

    def write(self, text: str) -> None:
        """Writes an output that is a single file."""
        with self.writing() as folder:
            write_text(folder / self.path.name, text)

    def _mark_unfinished(self) -> None:
        self.unfinished.mkdir(parents=True, exist_ok=True)
        (self.unfinished / MARK).write_text(MARK_SAYS, encoding="utf-8")

    def _close_unfinished(self) -> None:
        """Deletes the folder for unfinished runs if no run keeps state in it."""
        if self.unfinished.is_dir() and {p.name for p in self.unfinished.iterdir()} <= {MARK, RECORD}:
            for name in (RECORD, MARK):
                (self.unfinished / name).unlink(missing_ok=True)
            self.unfinished.rmdir()


def check_outputs(outputs: Sequence[Output], inputs: Mapping[str, str]) -> None:
    """Checks every output, and raises InputError if two outputs overlap."""
    for number, one in enumerate(outputs):
        for other in outputs[:number]:
            places = [[o.path] if o.is_folder else [o.folder / name for name in o.names] for o in (one, other)]
            if any(same(a, b) for a in places[0] for b in places[1]):
                raise InputError(f"{one.flag} and {other.flag} name the same place: give each its own")
            for inner, outer in ((one, other), (other, one)):
                if outer.is_folder and inside(inner.path, outer.path):
                    raise InputError(f"{inner.flag} lies inside {outer.flag}: give each a place of its own")
    for output in outputs:
        output.check(inputs)


def complete_inputs(*paths: str) -> None:
    """Completes the moves of killed runs in the folders that this run reads. Raises InputError if that fails."""
    for path in paths:
        place = followed("an input", Path(path))
        folder = place if place.is_dir() else place.parent
        try:
            if is_first_process():
                finish_moving(folder)
        except OSError as error:
            raise InputError(
                f"{folder} holds what a killed run wrote in part, and cannot be completed ({error})"
            ) from None


# ----------------------------------------------------------------------------- paths


def followed(flag: str, path: Path) -> Path:
    """The absolute path with links resolved. Raises InputError for a path that cannot be resolved."""
    try:
        return path.expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{flag} {str(path)!r} names no place ({error})") from None


def same(a: Path, b: Path) -> bool:
    """Whether two absolute paths are the same file or folder."""
    return a == b or (a.exists() and b.exists() and os.path.samefile(a, b))


def inside(path: Path, folder: Path) -> bool:
    """Whether a path lies below a folder."""
    return any(same(parent, folder) for parent in path.parents)


def check_writable(*paths: Path) -> None:
    """Raises InputError unless files can be created at `paths`, so that a run fails before its work and not after."""
    for path in paths:
        places = [path] if path.is_dir() else path.absolute().parents
        folder = next(place for place in places if place.exists())
        try:
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror} in {folder}): choose another place") from None


def stands_apart(folder: Path) -> bool:
    """Whether a folder is a mount point, or is writable in a parent folder that is not."""
    import psutil

    mounted = {partition.mountpoint for partition in psutil.disk_partitions(all=True)}  # includes bind mounts
    if not folder.name or os.path.ismount(folder) or str(folder) in mounted:
        return True
    return folder.is_dir() and not os.access(folder.parent, os.W_OK)


def is_marked(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink() and (folder / MARK).is_file()


def files_in(folder: Path) -> Iterator[tuple[Path, str | None]]:
    """(path, kind) for every file below a folder. The kind is None for a file that is not ours or has changed."""
    manifests: dict[Path, Manifest] = {}

    def kind_of(path: Path) -> str | None:
        for parent in path.parents:
            if not parent.is_relative_to(folder):
                return None
            if parent not in manifests:
                manifests[parent] = Manifest.read(parent)
            if (kind := manifests[parent].kind_of(path.relative_to(parent).as_posix())) is not None:
                return kind
        return None

    for here, folders, files in os.walk(folder):
        place = Path(here)
        folders[:] = sorted(name for name in folders if not is_marked(place / name))
        links = [name for name in folders if (place / name).is_symlink()]
        for name in sorted([*files, *links]):
            is_record = name == RECORD and Manifest.read(place).files
            if not is_record and not LITTER.fullmatch(name):
                yield place / name, kind_of(place / name)


def remove_tree(path: Path) -> None:
    """Deletes a file or folder of ours with its content. Of a link, deletes only the link."""
    import shutil

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
