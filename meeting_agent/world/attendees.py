"""Reads the user's own attendees from a table (CSV or .xlsx) with one person per row.

| column | holds |
|---|---|
| name | unique name |
| role | one of the ten roles ("senior_engineer", "VC partner") or free text |
| seniority | 1 (entry) to 5 (top); required for a free-text role; if empty, the level of the role |
| interests | one to ten, separated by semicolons (or line breaks, pipes, commas, slashes; one separator per column) |
| seeking | what the person wants most; may be empty |
| offering | up to ten, separated like interests; may be empty |
| energy, mood | 0 to 1: how rested the person is before the conference day, how eager to meet people |
| meetings_today | 0 to 6 |
| chronotype | morning, neutral or evening; default neutral |
| introversion | 0 to 1; default 0.5 |

Agents see attendees under names of the simulator's list (`under_known_names`). Names, interests, needs and offers are
compared by `comparison_key`. Words of `data/phrases.toml` get its varied descriptions; other words stay as they are.
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
    """The attendees of a table. Warns about words that the embedded base has not seen in training.

    Raises InputError that names the row and the field.
    """
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
    """The separator of the lists in a column. Prints if it is not the semicolon or if cells seem to use another."""
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
    """Whether a cell holds another separator instead of the column's. Slashes do not count; many words hold one."""
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
        """The words in their first spelling, so that words with the same key become equal."""
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
    """One of the ten roles, or free text. Raises InputError for free text without a seniority."""
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
    """Own name -> attendee with a name from the simulator's list.

    Agents must copy names into tool calls, and a small base copies only names from its training data. A person whose
    own name is on the list keeps it. The other names do not depend on a seed. So trajectories and pairs hold no names
    of the user's attendees, except names that are on the list. Raises InputError for more people than names.
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
    """`comparison_key` of a person's own name -> person, so that other spellings of the name are found."""
    return {comparison_key(name): person for name, person in people.items()}


def warn_of_strangers(path: Path, people: list[Person]) -> None:
    """Warns if no two people share an interest or if nobody offers what another seeks.

    Spellings or separators are then probably wrong.
    """
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
    """All words of `data/phrases.toml`, which is in the training data of the embedded base."""
    return words_of([PHRASES_PATH.read_text(encoding="utf-8")])


def warn_of_new_words(path: Path, people: list[Person]) -> None:
    """Prints one line with the number of words that are not in `data/phrases.toml`."""
    named = [str(p.person_type) for p in people if not isinstance(p.person_type, PersonType)]
    used = words_of([text for p in people for text in (*p.interests, p.seeking, *p.offering)] + named)
    new = sorted(used - known_words())
    if new:
        some = ", ".join(new[:SHOWN_WORDS]) + (", ..." if len(new) > SHOWN_WORDS else "")
        print(
            f"warning: {path}: the embedded base hardly knows {len(new)} of {len(used)} words ({some}): "
            "use a larger base if there are many of them",
            flush=True,
        )
