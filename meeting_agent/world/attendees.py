"""One's own attendees instead of the simulator's: a table with one person a row, as CSV or .xlsx.

| column | holds |
|---|---|
| name | unique |
| role | one of the ten roles ("senior_engineer", "VC partner") or words of your own |
| seniority | 1 (entry) to 5 (top); empty: the role's; needed for a role in words of your own |
| interests | one to ten, between semicolons (or line breaks, pipes, commas, slashes: all cells of a column alike) |
| seeking | what the person wants most; may be empty |
| offering | up to ten, as interests; may be empty |
| energy, mood | 0 to 1: how rested before the conference day, how eager to meet people |
| meetings_today | 0 to 6 |
| chronotype | morning, neutral or evening; without it neutral |
| introversion | 0 to 1; without it 0.5 |

Agents know attendees by names of the simulator's list (`under_known_names`). Names, interests, needs and offers are
compared by `comparison_key`. Those of `data/phrases.toml` are described in its many ways, others by their own words.
"""

from __future__ import annotations

import functools
import itertools
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from data_classes import Person, PersonType
from meeting_agent.common.files import InputError
from meeting_agent.common.text import comparison_key, identifier
from meeting_agent.tables.fields import LIST_SEPARATORS, list_separator
from meeting_agent.tables.rows import Row, read_table
from meeting_agent.world.people import CHRONOTYPES, MAX_MEETINGS_A_DAY, PHRASES_PATH, all_interests, all_needs, phrases

COLUMNS = ("name", "role", "seniority", "interests", "seeking", "offering", "energy", "mood", "meetings_today")
OPTIONAL = ("chronotype", "introversion")
LISTS = ("interests", "seeking", "offering")
LONGEST_NAME = 100
MAX_PARTS = 10
SHOWN_WORDS = 5


def read_attendees(path: Path) -> list[Person]:
    """The attendees in a CSV; raises InputError naming the row and the field, warns of words the base hardly knows."""
    rows = read_table(path, COLUMNS, "--attendees", OPTIONAL, several_lines=LISTS)
    if len(rows) < 2:
        raise InputError(f"{path} holds {len(rows)} attendees: give at least two")
    spelling = {comparison_key(word): word for word in (*all_interests(), *all_needs())}
    separators = {column: _separator(path, column, rows) for column in LISTS}
    people = [_person(number, row, spelling, separators) for number, row in enumerate(rows)]
    first: dict[str, Row] = {}
    for person, row in zip(people, rows, strict=True):
        known = first.setdefault(comparison_key(person.name), row)
        if known is not row:
            raise row.wrong("name", f"as in {known.where}: make names unique")
    warn_of_strangers(path, people)
    warn_of_new_words(path, people)
    return people


def _separator(path: Path, column: str, rows: list[Row]) -> str:
    """What the lists of a column are split at; says so where it is not what we ask for, or not in every cell."""
    cells = [row.text(column) for row in rows]
    separator = list_separator(cells)
    if separator != "semicolons":
        print(f"{path}: {column}: lists split at {separator}", flush=True)
    other = [row for row, text in zip(rows, cells, strict=True) if _looks_split_elsewhere(text, separator)]
    if other:
        print(
            f"warning: {other[0].where}: {column} is {other[0].text(column)[:60]!r}, one part because the column has "
            f"{separator} elsewhere ({len(other)} such cells)",
            flush=True,
        )
    return separator


def _looks_split_elsewhere(text: str, separator: str) -> bool:
    """Whether a cell has none of the column's separators but another one; slashes stand in many words."""
    return not re.search(LIST_SEPARATORS[separator], text) and any(
        re.search(form, text) for name, form in LIST_SEPARATORS.items() if name not in (separator, "slashes")
    )


def _person(number: int, row: Row, spelling: dict[str, str], separators: Mapping[str, str]) -> Person:
    name = " ".join(row.text("name").split())
    if not comparison_key(name):
        raise row.wrong("name", f"nothing to read: give 1 to {LONGEST_NAME} characters")
    if len(name) > LONGEST_NAME:
        raise row.wrong("name", f"of {len(name)} characters: give 1 to {LONGEST_NAME}")
    seeking = row.listed("seeking", 1, separators["seeking"])
    interests = row.listed("interests", MAX_PARTS, separators["interests"])
    if not interests:
        raise row.wrong("interests", "no list: give at least one, semicolons between them")
    chronotype = comparison_key(row.text("chronotype")) or "neutral"
    if chronotype not in CHRONOTYPES:
        raise row.wrong("chronotype", f"none of {', '.join(CHRONOTYPES)}")

    def same(words: list[str]) -> tuple[str, ...]:
        """The words as they were first spelled, so that equal ones are equal."""
        return tuple(sorted({spelling.setdefault(comparison_key(word), word) for word in words}))

    role = role_of(row)
    return Person(
        person_id=number,
        name=name,
        person_type=role,
        interests=same(interests),
        seeking="".join(same(seeking)),
        offering=same(row.listed("offering", MAX_PARTS, separators["offering"])),
        energy=row.number("energy", 0, 1),
        chronotype=chronotype,
        meetings_today=row.whole_number("meetings_today", 0, MAX_MEETINGS_A_DAY),
        introversion=row.number("introversion", 0, 1, usual=0.5),
        engagement=row.number("mood", 0, 1),
        seniority=row.whole_number("seniority", 1, 5) if row.text("seniority") else None,
    )


def role_of(row: Row) -> PersonType | str:
    """One of the ten roles, or words of the user's own, which need a seniority."""
    words = " ".join(row.text("role").split()).rstrip(".")
    try:
        return PersonType(identifier(words))
    except ValueError:
        pass
    if not comparison_key(words) or len(words) > LONGEST_NAME:
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
    own = {comparison_key(p.name) for p in people}
    kept = {comparison_key(name): name for name in known if comparison_key(name) in own}
    free = (n for n in random.Random("known names").sample(known, len(known)) if comparison_key(n) not in kept)
    return {p.name: replace(p, name=kept.get(comparison_key(p.name)) or next(free)) for p in people}


def by_key(people: Mapping[str, Person]) -> dict[str, Person]:
    """People by the keys of the names that the user gave them, however somebody spells these later."""
    return {comparison_key(name): person for name, person in people.items()}


def warn_of_strangers(path: Path, people: list[Person]) -> None:
    """Says so where nobody has anything in common with anybody: words or separators are then probably not right."""
    likes = Counter(interest for p in people for interest in p.interests)
    if max(likes.values()) == 1:
        print(f"warning: {path}: no two people share an interest: check how interests are written", flush=True)
    offers = Counter(offer for p in people for offer in p.offering)
    met = any(offers[p.seeking] > (p.seeking in p.offering) for p in people if p.seeking)
    if offers and any(p.seeking for p in people) and not met:
        print(f"warning: {path}: nobody offers what another one seeks: check how both are written", flush=True)


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
