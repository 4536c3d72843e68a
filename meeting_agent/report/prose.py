"""The report's prose: Markdown files with placeholders in `templates/`, to be edited as prose.

`report.md.j2` is the frame of the report and `readme_results.md.j2` the README's part; every other file is a section.
Numbers and tables come from Python.
"""

from __future__ import annotations

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
TEMPLATES.filters |= {function.__name__: function for function in FILTERS}


def render(name: str, **values) -> str:
    """Fills in the template `name`.md.j2. A placeholder without a value is an error."""
    return TEMPLATES.get_template(f"{name}.md.j2").render(values)


def section(name: str, **values) -> str:
    """Like `render`, without the line break that ends the file: sections are joined with an empty line."""
    return render(name, **values).removesuffix("\n")
