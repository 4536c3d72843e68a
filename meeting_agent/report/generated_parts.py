"""The parts of README that commands write, each between two markers."""

from __future__ import annotations

from meeting_agent.common.files import InputError


def with_generated(page: str, start: str, end: str, text: str) -> str:
    """The page with `text`, which begins and ends with these markers, in place of what was between them before.

    Raises InputError if a marker is missing.
    """
    head, found_start, rest = page.partition(start)
    _, found_end, tail = rest.partition(end)
    if not found_start or not found_end:
        raise InputError(f"README.md: the markers {start} and {end} are not both there: put them back")
    return head + text + tail
