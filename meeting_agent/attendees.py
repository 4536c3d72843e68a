"""One's own attendees instead of the simulator's: a CSV with one person a row.

| column | holds |
|---|---|
| name | unique |
| role | one of the ten roles ("senior_engineer", "VC partner") or words of your own |
| seniority | 1 (entry) to 5 (top); empty: the role's; needed for a role in words of your own |
| interests | one to ten, between semicolons |
| seeking | what the person wants most; may be empty |
| offering | up to ten, between semicolons; may be empty |
| energy, mood | 0 to 1: how rested before the conference day, how eager to meet people |
| meetings_today | 0 to 6 |
| chronotype | morning, neutral or evening; without it neutral |
| introversion | 0 to 1; without it 0.5 |

Agents know attendees by names of the simulator's list (`under_known_names`). Interests, needs and offers are compared
without regard to case. Those of `data/phrases.toml` are described in its many ways, others by their own words.
"""

from __future__ import annotations

import functools
import itertools
import random
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from data_classes import (
    CHRONOTYPES,
    MOST_MEETINGS_A_DAY,
    PHRASES_PATH,
    Person,
    PersonType,
    all_interests,
    all_needs,
    phrases,
)
from meeting_agent.files import InputError
from meeting_agent.tables import Row, read_table

COLUMNS = ("name", "role", "seniority", "interests", "seeking", "offering", "energy", "mood", "meetings_today")
LONGEST_NAME = 100
MOST_PARTS = 10
SHOWN_WORDS = 5


def read_attendees(path: Path) -> list[Person]:
    """The attendees in a CSV; raises InputError naming the row and the field, warns of words the base hardly knows."""
    rows = read_table(path, COLUMNS, "--attendees")
    if len(rows) < 2:
        raise InputError(f"{path} holds {len(rows)} attendees: give at least two")
    spelling = {word.casefold(): word for word in (*all_interests(), *all_needs())}
    people = [_person(number, row, spelling) for number, row in enumerate(rows)]
    first: dict[str, Row] = {}
    for person, row in zip(people, rows, strict=True):
        if first.setdefault(person.name, row) is not row:
            raise row.wrong("name", f"as in {first[person.name].where}: make names unique")
    warn_of_new_words(path, people)
    return people


def _person(number: int, row: Row, spelling: dict[str, str]) -> Person:
    name = " ".join(row.text("name").split())
    if not name or len(name) > LONGEST_NAME:
        raise row.wrong("name", f"of {len(name)} characters: give 1 to {LONGEST_NAME}")
    seeking = row.listed("seeking", 1)
    interests = row.listed("interests", MOST_PARTS)
    if not interests:
        raise row.wrong("interests", "no list: give at least one, semicolons between them")
    chronotype = row.text("chronotype").casefold() or "neutral"
    if chronotype not in CHRONOTYPES:
        raise row.wrong("chronotype", f"none of {', '.join(CHRONOTYPES)}")

    def same(words: list[str]) -> tuple[str, ...]:
        """The words as they were first spelled, so that equal ones are equal."""
        return tuple(sorted({spelling.setdefault(word.casefold(), word) for word in words}))

    role = role_of(row)
    return Person(
        person_id=number,
        name=name,
        person_type=role,
        interests=same(interests),
        seeking="".join(same(seeking)),
        offering=same(row.listed("offering", MOST_PARTS)),
        energy=row.number("energy", 0, 1),
        chronotype=chronotype,
        meetings_today=row.whole_number("meetings_today", 0, MOST_MEETINGS_A_DAY),
        introversion=row.number("introversion", 0, 1, usual=0.5),
        engagement=row.number("mood", 0, 1),
        seniority=row.whole_number("seniority", 1, 5) if row.text("seniority") else None,
    )


def role_of(row: Row) -> PersonType | str:
    """One of the ten roles, or words of the user's own, which need a seniority."""
    words = " ".join(row.text("role").split()).rstrip(".")
    try:
        return PersonType(re.sub(r"[\s-]+", "_", words.casefold()))
    except ValueError:
        pass
    if not words or len(words) > LONGEST_NAME:
        raise row.wrong("role", f"of {len(words)} characters: give 1 to {LONGEST_NAME}")
    if not row.text("seniority"):
        ten = ", ".join(role.value for role in PersonType)
        raise row.wrong("role", f"none of {ten}: give a seniority 1..5 with a role of your own")
    return words


def under_known_names(people: list[Person]) -> dict[str, Person]:
    """The attendees by their own names, each called by a name of the simulator's list.

    An agent on a server must copy a name into every call, and a small base copies only names that it grew up with. Who
    has one of them keeps it; no seed changes the others. Trajectories and pairs therefore hold none of the user's other
    names.
    """
    names = phrases()["names"]
    known = [f"{first} {last}" for first, last in itertools.product(names["first"], names["last"])]
    if len(people) > len(known):
        raise InputError(f"--attendees holds {len(people)} people: give {len(known)} at most")
    own = {p.name for p in people}
    free = (name for name in random.Random("known names").sample(known, len(known)) if name not in own)
    kept = own & set(known)
    return {p.name: p if p.name in kept else replace(p, name=next(free)) for p in people}


# ----------------------------------------------------------------------------- words


def words_of(texts: Iterable[str]) -> set[str]:
    return {word.casefold() for text in texts for word in re.findall(r"\w+", text)}


@functools.cache
def known_words() -> set[str]:
    """Every word of `data/phrases.toml`, which the embedded base was brought up on."""
    return words_of([PHRASES_PATH.read_text(encoding="utf-8")])


def warn_of_new_words(path: Path, people: list[Person]) -> None:
    """Says in one line how many words of the attendees the embedded base has hardly seen."""
    named = [str(p.person_type) for p in people if not isinstance(p.person_type, PersonType)]
    used = words_of([text for p in people for text in (*p.interests, p.seeking, *p.offering)] + named)
    new = sorted(used - known_words())
    if new:
        some = ", ".join(new[:SHOWN_WORDS]) + (", ..." if len(new) > SHOWN_WORDS else "")
        print(
            f"warning: {path}: the embedded base hardly knows {len(new)} of {len(used)} words ({some}): "
            "with many of them take a larger base",
            flush=True,
        )
