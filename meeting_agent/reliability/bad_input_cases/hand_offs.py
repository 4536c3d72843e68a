"""What phases 2 and 3 both read: the adapter of phase 1, one's own attendees and their meetings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from meeting_agent.common.files import ADAPTER_WEIGHTS
from meeting_agent.reliability.bad_input_cases.case import (
    ATTENDEES,
    MEETINGS,
    SFT,
    Case,
    Prepare,
    as_pickle,
    nothing,
)


def adapter_copy(change: Prepare, then: Prepare) -> Prepare:
    def prepare(here: Path) -> None:
        shutil.copytree(SFT, here / "sft")
        change(here / "sft")
        then(here)

    return prepare


def edit_json(name: str, **values: object) -> Prepare:
    def change(folder: Path) -> None:
        known = json.loads((folder / name).read_text(encoding="utf-8"))
        (folder / name).write_text(json.dumps(known | values), encoding="utf-8")

    return change


def adapter_cases(script: str, prepare: Prepare, more: dict[str, tuple[Prepare, str]]) -> list[Case]:
    """Adapters changed in `more` ways than in those that both scripts notice; `prepare` puts the other inputs there."""
    changes: dict[str, tuple[Prepare, str]] = {
        "no weights": (lambda a: (a / ADAPTER_WEIGHTS).unlink(), "run starter_sft.py first"),
        "pickled weights": (lambda a: as_pickle(a / ADAPTER_WEIGHTS), "run starter_sft.py first"),
        "broken settings": (lambda a: (a / "adapter_config.json").write_text("{"), "holds no LoRA adapter"),
        "no settings": (lambda a: (a / "adapter_config.json").unlink(), "holds no LoRA adapter"),
        "log of another base": (edit_json("training_log.json", sha256={"base": "0"}), "was trained on another"),
        "no log": (lambda a: (a / "training_log.json").unlink(), "run starter_sft.py first"),
    }
    given = {"sft_model_path": "{here}/sft"}
    return [
        Case(script, f"adapter: {name}", says, given, adapter_copy(change, prepare))
        for name, (change, says) in (changes | more).items()
    ]


OWN = {"attendees": "{here}/people.csv", "meetings": "{here}/meetings.csv"}


def own(name: str, old: str, new: str, then: Prepare = nothing) -> Prepare:
    """The samples of one's own attendees and meetings, with `old` replaced once in the file `name`."""

    def prepare(here: Path) -> None:
        then(here)
        for file, sample in (("people.csv", ATTENDEES), ("meetings.csv", MEETINGS)):
            text = sample.read_text(encoding="utf-8")
            (here / file).write_text(text.replace(old, new, 1) if file == name else text, encoding="utf-8")

    return prepare


def with_two_needs(line: str) -> str:
    fields = line.split(",")
    return ",".join([*fields[:4], "funding|hiring", *fields[5:]])


def own_cases(script: str, prepared: Prepare) -> list[Case]:
    first, meeting = (path.read_text(encoding="utf-8").splitlines()[1] for path in (ATTENDEES, MEETINGS))
    name, a = first.split(",")[0], meeting.split(",")[0]
    changes = {
        "no column": ("people.csv", "mood", "moods", "column mood is missing"),
        "same name": ("people.csv", "\n", f"\n{first}\n", f"row 2: name is '{name}', as in"),
        "same name in capitals": ("people.csv", "\n", f"\n{first.upper()}\n", f"row 2: name is '{name}', as in"),
        "invisible name": ("people.csv", name, "\u3164", "row 1: name is ''"),
        "one column under another's name": ("people.csv", "role", "Mood ", "column role is missing"),
        "two needs": ("people.csv", first, with_two_needs(first), "2 parts between pipes: give 1 at most"),
        "unknown role": ("people.csv", first, f"{name},{','.join(['cook', *first.split(',')[2:]])}", "'cook', none of"),
        "escape in a name": ("people.csv", name, "A\x1bB", "row 1: name holds the control character"),
        "unknown attendee": ("meetings.csv", a, "Nobody", "row 1: person_a is 'Nobody', none of the attendees"),
        "no answer": ("meetings.csv", meeting, meeting.rpartition(",")[0] + ",", "row 1: success is '', not a number"),
        "no slot": ("meetings.csv", meeting.split(",")[2], "noon", "time_slot is 'noon', no slot"),
        "same meeting": ("meetings.csv", "\n", f"\n{meeting}\n", "row 2 is the same meeting as"),
    }
    cases = [
        Case(script, f"own people: {what}", says, OWN, own(file, old, new, prepared))
        for what, (file, old, new, says) in changes.items()
    ]
    few = own("meetings.csv", "\n".join(MEETINGS.read_text(encoding="utf-8").splitlines()[9:]), "", prepared)
    return [
        *cases,
        Case(script, "own people: few meetings", "too few, each side needs", OWN, few),
        Case(script, "own people: none", "cannot be read", OWN, prepared),
        Case(script, "people without meetings", "go together", {"attendees": str(ATTENDEES)}, prepared),
        Case(script, "meetings without people", "go together", {"meetings": str(MEETINGS)}, prepared),
    ]
