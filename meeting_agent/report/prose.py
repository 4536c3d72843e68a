"""The report's prose: Markdown files with placeholders in `templates/`, to be edited as prose.

`report.md.j2` is the frame of the report and `readme_results.md.j2` the README's part; every other file is a section.
Numbers and tables come from Python.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from meeting_agent.report import wording
from meeting_agent.report.glossary import term

FILTERS = (
    wording.percent,
    wording.points,
    wording.fixed,
    wording.score,
    wording.p_text,
    wording.compared,
    wording.with_interval,
    term,
)
# No autoescape: the output is Markdown, which HTML escapes would spoil. A model's words are still data. Jinja never
# reads a filled-in value as a template, and the page shows HTML in a report as text.
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates"), encoding="utf-8"),
    undefined=StrictUndefined,
    autoescape=False,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
# Tables, headings, images, quotes, code and comments keep their lines.
UNFOLDED = re.compile(r"^(\||#|!|>|```|<!--)", re.MULTILINE)
LINK_OR_CODE = re.compile(r"\[[^\]]*\]\([^)]*\)|`[^`]*`")  # never folded inside
WIDTH = 118
TEMPLATES.filters |= {function.__name__: function for function in FILTERS}


def render(name: str, **values) -> str:
    """Fills in the template `name`.md.j2 and folds its lines. A placeholder without a value is an error."""
    return folded(TEMPLATES.get_template(f"{name}.md.j2").render(values))


def folded(markdown: str) -> str:
    """Markdown whose paragraphs and list items have lines of at most `WIDTH` characters. All else stays as it is."""
    blocks = markdown.split("\n\n")
    return "\n\n".join(block if UNFOLDED.search(block) else folded_block(block) for block in blocks)


def folded_block(block: str) -> str:
    """A paragraph, or a list whose items begin with a dash."""
    end = "\n" if block.endswith("\n") else ""
    lead = "\n" if block.startswith("\n") else ""
    items = re.split(r"\n(?=- )", block.strip("\n"))
    return lead + "\n".join(folded_item(" ".join(item.split())) for item in items) + end


def folded_item(text: str) -> str:
    indent = "  " if text.startswith("- ") else ""
    whole = LINK_OR_CODE.sub(lambda found: found[0].replace(" ", "\0"), text)
    lines = textwrap.fill(whole, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return lines.replace("\0", " ")


def section(name: str, **values) -> str:
    """Like `render`, without the line break that ends the file: sections are joined with an empty line."""
    return render(name, **values).removesuffix("\n")
