"""Links from report and page to `docs/glossary.md`, and its terms for the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from meeting_agent.common.settings import PROJECT

GLOSSARY = PROJECT / "docs" / "glossary.md"
FROM_REPORT = "../docs/glossary.md"  # as the report links to it, from `results/`
FROM_README = "docs/glossary.md"


class Term(NamedTuple):
    name: str
    sentence: str


def slug(name: str) -> str:
    """How GitHub links to a heading: small letters, no punctuation, dashes for spaces."""
    return re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-")


def term(text: str, name: str | None = None) -> str:
    """A Markdown link from `text` to the glossary's entry `name`, which is `text` itself if left out."""
    return f"[{text}]({FROM_REPORT}#{slug(name or text)})"


def read_glossary(path: Path = GLOSSARY) -> dict[str, Term]:
    """Every term by its slug; none where the file is missing, as in an installed package without docs."""
    if not path.is_file():
        return {}
    terms: dict[str, Term] = {}
    for entry in path.read_text(encoding="utf-8").split("\n### ")[1:]:
        name, _, sentence = entry.partition("\n")
        link = slug(name)
        repeats = sum(slug(known.name) == link for known in terms.values())
        terms[f"{link}-{repeats}" if repeats else link] = Term(name, " ".join(sentence.split()))
    return terms
