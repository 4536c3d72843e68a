"""Reads trajectories from disk one at a time, because they may not fit in memory together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from data_classes import Trajectory
from meeting_agent.common.files import ADAPTER_WEIGHTS, InputError, digest, digests, read_json

DEEPEST = 100  # maximum nesting of a trajectory file; ours has seven levels


def companion(path: Path, what: str) -> Path:
    """The companion file of `path`, for example traces.summary.json for traces.json. No two files share one.

    traces.2026 has the companion traces.2026-summary.json.
    """
    if path.suffix == ".json":
        return path.with_name(f"{path.stem}.{what}.json")
    return path.with_name(f"{path.name}-{what}.json")


class TraceFile:
    """The trajectories in a JSON array on disk. Every iteration reads the file again.

    Raises InputError that names the first unusable trajectory and its field.
    """

    def __init__(self, path: Path, written_by: str = "starter_agentic_traces.py"):
        self.path, self.written_by = path, written_by
        seen: set[str] = set()
        for number, trajectory in enumerate(self):
            if trajectory.id in seen:
                raise InputError(
                    f"{path}, trajectory {number}: id {trajectory.id!r} occurs twice; leave one of them out"
                )
            seen.add(trajectory.id)
        if not seen:
            raise InputError(f"{path} holds no trajectories: run {written_by} first")

    def __iter__(self) -> Iterator[Trajectory]:
        for number, value in enumerate(self._values()):
            try:
                yield Trajectory.from_json(value)
            except ValueError as error:
                raise InputError(f"{self.path}, trajectory {number}: {error}; run {self.written_by} again") from None

    def _values(self) -> Iterator[Any]:
        import ijson

        try:
            with self.path.open("rb") as file:
                events = not_too_deep(ijson.basic_parse(file, use_float=True))
                yield from ijson.items(ijson.parse(events), "item")
        except FileNotFoundError:
            raise InputError(f"{self.path} is missing: run {self.written_by} first") from None
        except (OSError, ValueError, ijson.JSONError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{self.path} cannot be read as JSON ({reason}): run {self.written_by} again") from None


def check_origin(path: Path, adapter: Path, inputs: Mapping[str, Path]) -> None:
    """Warns of trajectories that were changed since phase 2 wrote them.

    Raises InputError if they are of another `adapter`, or of other `inputs` of the environment, by flag, than these.
    """
    origin = read_json(companion(path, "summary"), "starter_agentic_traces.py").get("sha256", {})
    if origin.get("adapter") != digest(adapter / ADAPTER_WEIGHTS):
        raise InputError(f"{path} was not played by {adapter}: run starter_agentic_traces.py again")
    own = digests(**inputs)
    played = {name: origin[name] for name in own if name in origin}
    if played and played != own:
        raise InputError(
            f"{path} was played with other {' or '.join(own)} than --{' and --'.join(own)} name: "
            "give the same, or some of the evaluation may have been trained on"
        )
    if origin.get("traces") != digest(path):
        print(f"warning: {path} has been changed since phase 2 wrote it", flush=True)


def not_too_deep(events: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Passes on the events of a JSON parser. Raises ValueError if the nesting is deeper than `DEEPEST`.

    The parser keeps the path of every level, so deep nesting would fill the memory.
    """
    depth = 0
    for event, value in events:
        depth += event.startswith("start_")
        depth -= event.startswith("end_")
        if depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} levels of brackets")
        yield event, value
