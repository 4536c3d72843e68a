"""Reading trajectories from disk, one at a time: there may be more of them than fit into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from meeting_agent.common.files import InputError

DEEPEST = 100  # levels of a trajectory file; ours has seven

# What later steps read of a trajectory, and the types they rely on.
FIELDS: dict[str, type | tuple[type, ...]] = {
    "id": str,
    "scenario_id": str,
    "system_prompt_name": str,
    "initial_user_prompt": str,
    "messages": list,
    "tools_used": list,
    "final_recommendation_parsed": (str, type(None)),
    "true_outcome": str,
    "reward": (int, float),
}


def companion(path: Path, what: str) -> Path:
    """The file that goes with `path`. No two files share one.

    traces.json has traces.summary.json, and traces.2026 has traces.2026-summary.json.
    """
    if path.suffix == ".json":
        return path.with_name(f"{path.stem}.{what}.json")
    return path.with_name(f"{path.name}-{what}.json")


class TraceFile:
    """The trajectories in a JSON array on disk; every loop over it reads the file anew.

    Raises InputError that names the first trajectory, and the field, that cannot be used.
    """

    def __init__(self, path: Path, written_by: str = "starter_agentic_traces.py"):
        self.path, self.written_by = path, written_by
        seen: set[str] = set()
        for number, trace in enumerate(self):
            if found := problem(trace):
                raise InputError(f"{path}, trajectory {number}: {found}; run {written_by} again")
            if trace["id"] in seen:
                raise InputError(f"{path}, trajectory {number}: id {trace['id']!r} occurs twice; leave one of them out")
            seen.add(trace["id"])
        if not seen:
            raise InputError(f"{path} holds no trajectories: run {written_by} first")

    def __iter__(self) -> Iterator[dict]:
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


def not_too_deep(events: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The events of a JSON parser; raises ValueError where a file nests so deeply that paths would fill the memory."""
    depth = 0
    for event, value in events:
        depth += event.startswith("start_")
        depth -= event.startswith("end_")
        if depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} levels of brackets")
        yield event, value


def problem(trace: object) -> str | None:
    """What is wrong with a trajectory, if anything."""
    if not isinstance(trace, dict):
        return "is no object"
    for name, kind in FIELDS.items():
        if name not in trace:
            return f"{name} is missing"
        if not isinstance(trace[name], kind):
            return f"{name} is {str(trace[name])[:40]!r}, which is of the wrong type"
    if not -1.0 <= trace["reward"] <= 1.0:
        return f"reward is {trace['reward']}, not in -1..1"
    roles = [
        m.get("role") if isinstance(m, dict) and isinstance(m.get("content"), str) else None for m in trace["messages"]
    ]
    is_too_short = len(roles) < 3 and "failure" not in trace  # a server may fail at the first turn
    if roles[:2] != ["system", "user"] or is_too_short or not {"assistant", "tool"} >= set(roles[2:]):
        return "messages are not a system prompt, a question and what the agent and its tools said"
    return None
