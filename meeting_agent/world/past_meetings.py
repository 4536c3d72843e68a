"""Reads past meetings of the user's own attendees: a table of person_a, person_b, time_slot, success.

`success` is yes or no, true or false, or a probability from 0 to 1. A meeting above 0.5 counts as a success.

Phase 2 and the evaluation must share no attendee, because the evaluation would otherwise reward memory. So the people
of the evaluation are chosen first, one after the other. The next one is the person with the most meetings with people
already chosen and the fewest with others (the first in the file if several are equal), until a quarter of all meetings
is among the chosen people. Phase 2 uses the meetings among all other people. Meetings between the two groups are left
out. The choice does not depend on a seed.
"""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from data_classes import Meeting, Person, TimeSlot
from meeting_agent.common.files import InputError
from meeting_agent.common.text import comparison_key
from meeting_agent.tables.rows import Row, read_table
from meeting_agent.world.attendees import by_key, read_attendees, under_known_names
from meeting_agent.world.slots import named_slot

COLUMNS = ("person_a", "person_b", "time_slot", "success")
EVALUATION_SHARE = 0.25
FEWEST = 10  # minimum number of meetings for phase 2 and for the evaluation


@dataclass(frozen=True)
class OwnMeetings:
    """Meetings of phase 2 (`played`) and of the evaluation in phase 3 (`held_out`). They share no attendee."""

    played: list[Meeting]
    held_out: list[Meeting]


@functools.cache
def read_own_meetings(attendees: str, meetings: str) -> OwnMeetings | None:
    """The divided meetings of the two files. None if neither file is given.

    Raises InputError if only one is given or a file cannot be used.
    """
    if bool(attendees) != bool(meetings):
        raise InputError("--attendees and --meetings go together: a reward needs to know how meetings ended")
    if not attendees:
        return None
    people = under_known_names(read_attendees(Path(attendees)))
    return divide(Path(meetings), read_meetings(Path(meetings), people))


def read_meetings(path: Path, people: dict[str, Person]) -> list[Meeting]:
    """The meetings of a table. `people` maps each attendee's own name to the attendee.

    Raises InputError that names the row and the field.
    """
    known_people = by_key(people)
    first: dict[tuple, Row] = {}
    meetings = []
    for number, row in enumerate(read_table(path, COLUMNS, "--meetings"), start=1):
        a, b = (_attendee(row, name, known_people) for name in ("person_a", "person_b"))
        if a is b:
            raise row.wrong("person_b", "the same as person_a: give two attendees")
        slot = time_slot(row)
        known = first.setdefault((frozenset((a.name, b.name)), slot), row)
        if known is not row:
            raise InputError(f"{row.where} is the same meeting as {known.where}: leave one of them out")
        success = row.outcome("success")
        meetings.append(Meeting(f"own-{number}-{slot.value}", a, b, slot, success, "", succeeded=success > 0.5))
    return meetings


def _attendee(row: Row, column: str, people: dict[str, Person]) -> Person:
    person = people.get(comparison_key(row.text(column)))
    if person is None:
        raise row.wrong(column, "none of the attendees: write the name as in --attendees")
    return person


def time_slot(row: Row) -> TimeSlot:
    try:
        return named_slot(row.text("time_slot"))
    except ValueError as error:
        raise row.wrong("time_slot", str(error)) from None


# ----------------------------------------------------------------------------- people of the evaluation


def divide(path: Path, meetings: list[Meeting]) -> OwnMeetings:
    """Divides meetings between phase 2 and the evaluation. Raises InputError if too few are left for one of them."""
    kept = evaluation_people(meetings)
    sides = [(m.person_a.name in kept) + (m.person_b.name in kept) for m in meetings]
    own = OwnMeetings(
        played=[m for m, side in zip(meetings, sides, strict=True) if side == 0],
        held_out=[m for m, side in zip(meetings, sides, strict=True) if side == 2],
    )
    said = (
        f"{path}: {len(own.played)} meetings to play, {len(own.held_out)} of other attendees to evaluate on, "
        f"{sides.count(1)} between the two"
    )
    if min(len(own.played), len(own.held_out)) < FEWEST:
        raise InputError(f"{said}: too few, each side needs {FEWEST}; give more meetings, or of more separate people")
    print(said + " left out", flush=True)
    return own


def evaluation_people(meetings: list[Meeting]) -> set[str]:
    """Names of the attendees of the evaluation. The module's docstring explains the choice."""
    partners: dict[str, list[str]] = {}
    for m in meetings:
        partners.setdefault(m.person_a.name, []).append(m.person_b.name)
        partners.setdefault(m.person_b.name, []).append(m.person_a.name)
    chosen: set[str] = set()
    with_chosen: Counter[str] = Counter()
    inside = 0
    while inside < EVALUATION_SHARE * len(meetings):
        others = (name for name in partners if name not in chosen)
        name = max(others, key=lambda other: 2 * with_chosen[other] - len(partners[other]))
        inside += with_chosen[name]
        chosen.add(name)
        with_chosen.update(partners[name])
    return chosen
