"""The page for reading: report, plots, glossary and every trajectory in one file that needs no network.

python -m meeting_agent.report.page              # writes results/report.html from results/ and trajectories/

What a model or a description said is data. It is packed, and the page shows it as text, never as markup. The page's
content security policy is the second line of defence: it runs only the page's own script and loads nothing.
"""

from __future__ import annotations

import base64
import hashlib
import html
import itertools
from collections.abc import Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from data_classes import Trajectory
from meeting_agent.agent.trajectory_file import TraceFile
from meeting_agent.common.files import InputError, read_json, write_text
from meeting_agent.common.outputs import Output, check_outputs
from meeting_agent.common.settings import (
    input_path,
    output_path,
    overwrite_setting,
    parse_settings,
    run_script,
    setting,
)
from meeting_agent.report.glossary import FROM_REPORT, Term, read_glossary
from meeting_agent.report.page_data import pack

PARTS = Path(__file__).resolve().parent / "page_parts"
SCRIPTS = ("data.js", "state.js", "list.js", "conversation.js", "page.js")
MAX_TRACES = 5000  # of each file: a page with many more opens slowly


@dataclass
class PageConfig:
    """Settings of the page."""

    traces_path: str = input_path("trajectories/agent_traces.json", "trajectories of phase 2")
    evaluation_path: str = input_path(
        "trajectories/evaluation_traces.json", "trajectories of the evaluation in phase 3"
    )
    results_dir: str = input_path("results", "folder with the report and its plots")
    output: str = output_path("results/report.html", "file to write the page to")
    max_traces: int = setting(MAX_TRACES, "how many trajectories of each file to show, from its start", 0, 100_000)
    overwrite: bool = overwrite_setting()


def main() -> None:
    config = parse_settings(PageConfig, "Writes one HTML page with the report and the trajectories.")
    output = Output("--output", config.output, "results", overwrite=config.overwrite)
    check_outputs([output], {f"--{name}": getattr(config, name) for name in ("traces_path", "evaluation_path")})
    traces = TraceFile(Path(config.traces_path))
    evaluation = TraceFile(Path(config.evaluation_path), "starter_agentic_rlft.py")
    with output.writing() as folder:
        write_page(folder / output.path.name, Path(config.results_dir), traces, evaluation, config.max_traces)
    print(f"{config.output}, {output.path.stat().st_size / 1e6:.1f} MB: open it in any browser")


def write_page(
    output: Path, results: Path, traces: Iterable[Trajectory], evaluation: Iterable[Trajectory], limit: int = MAX_TRACES
) -> None:
    """Writes the page of a run from the report in `results` and the trajectories of phase 2 and of the evaluation."""
    try:
        report = (results / "evaluation_report.md").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{results / 'evaluation_report.md'} is missing: run starter_agentic_rlft.py first") from None
    labels = read_json(results / "metrics.json", "starter_agentic_rlft.py")["task"]["tool_labels"]
    body, contents = report_html(report, results, read_glossary())
    style = (PARTS / "page.css").read_text(encoding="utf-8")
    script = "\n".join(['"use strict";', *((PARTS / name).read_text(encoding="utf-8") for name in SCRIPTS)])
    page = Template((PARTS / "page.html").read_text(encoding="utf-8")).substitute(
        script=script,
        style=style,
        script_hash=csp_hash(script),
        style_hash=csp_hash(style),
        contents=contents,
        report=body,
        packed=pack(traces, evaluation, labels, limit),
    )
    write_text(output, page)


def csp_hash(text: str) -> str:
    """The hash by which a content security policy allows one script or style."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


class ReportParser(MarkdownIt):
    """Accepts links to the glossary and pictures of plots. All other links and pictures stay text."""

    def validateLink(self, url: str) -> bool:
        return url.startswith(FROM_REPORT) or ("/" not in url and url.endswith(".png"))


class ReportRenderer(RendererHTML):
    """Puts plots into the page and links terms to its glossary. Wide tables scroll on their own."""

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping) -> str:
        file, _, slug = str(tokens[idx].attrs["href"]).partition("#")
        term = env["terms"].get(slug)
        if file != FROM_REPORT:
            return "<a>"  # a link to a picture, which only a model can have written: it leads nowhere
        if term is None:
            return '<a href="#section=glossary">'
        return f'<a href="#section={slug}" title="{html.escape(term.sentence)}">'

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping) -> str:
        says, plot = html.escape(tokens[idx].content), env["plots"].get(tokens[idx].attrs["src"])
        if plot is None:
            return f"[{says}]"
        return f'<img src="data:image/png;base64,{base64.b64encode(plot.read_bytes()).decode()}" alt="{says}">'

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping) -> str:
        return '<div class="wide" role="region" aria-label="Table" tabindex="0"><table>'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping) -> str:
        return "</table></div>"


def report_html(markdown: str, results: Path, terms: dict[str, Term]) -> tuple[str, str]:
    """The report as HTML with the plots of `results` and the glossary's `terms`, and the links to its sections.

    The report quotes a model, so HTML, links and pictures from elsewhere stay text.
    """
    parser = ReportParser("commonmark", {"html": False}, renderer_cls=ReportRenderer)
    parser.enable("table").disable("autolink")
    tokens = parser.parse(markdown)
    plots = {path.name: path for path in results.glob("*.png")}
    links: list[str] = []
    for heading, inline in itertools.pairwise(tokens):
        if heading.type == "heading_open" and heading.tag == "h2":
            section = f"section={len(links) + 1}"
            heading.attrSet("id", section)
            links.append(f'<a href="#{section}">{html.escape(inline.content)}</a>')
    links.append('<a href="#section=glossary">Glossary</a>')
    body = parser.renderer.render(tokens, parser.options, {"plots": plots, "terms": terms})
    return body + glossary_html(terms), "\n".join(links)


def glossary_html(terms: dict[str, Term]) -> str:
    """Every term with its sentence, at the address that the report links to."""
    entries = [
        f'<dt id="section={slug}">{html.escape(term.name)}</dt><dd>{html.escape(term.sentence)}</dd>'
        for slug, term in terms.items()
    ]
    return "\n".join(['<h2 id="section=glossary">Glossary</h2>', '<dl class="glossary">', *entries, "</dl>"])


if __name__ == "__main__":
    run_script(main)
