"""A page for reading: the report with its plots, and every trajectory, in one file that needs no network.

python -m meeting_agent.report.page              # writes results/report.html anew from results/ and trajectories/

Whatever a model or a description said is data here: it travels packed and becomes text, never markup. Should it become
markup all the same, the page's policy (CSP) runs no script but its own and loads nothing.
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
from meeting_agent.report.page_data import pack

PARTS = Path(__file__).resolve().parent / "page_parts"
SCRIPTS = ("data.js", "state.js", "list.js", "conversation.js", "page.js")
MAX_TRACES = 5000  # of each phase: a page with many more opens slowly and is hard to keep


@dataclass
class PageConfig:
    """Settings of the page."""

    traces_path: str = input_path("trajectories/agent_traces.json", "the trajectories that phase 2 wrote")
    evaluation_path: str = input_path("trajectories/evaluation_traces.json", "those of phase 3's evaluation")
    results_dir: str = input_path("results", "where report and plots lie")
    output: str = output_path("results/report.html", "where the page goes")
    max_traces: int = setting(MAX_TRACES, "trajectories of each of the two files to show, the first ones", 0, 100_000)
    overwrite: bool = overwrite_setting()


def main() -> None:
    config = parse_settings(PageConfig, "Writes the page for reading report and trajectories.")
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
    """Writes the page of a run: the report in `results`, phase 2's trajectories and those of the evaluation."""
    try:
        report = (results / "evaluation_report.md").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{results / 'evaluation_report.md'} is missing: run starter_agentic_rlft.py first") from None
    labels = read_json(results / "metrics.json", "starter_agentic_rlft.py")["task"]["tool_labels"]
    body, contents = report_html(report, results)
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
    """How a content security policy names the one script, or style, that it allows."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


class ReportRenderer(RendererHTML):
    """Plots inside the page, and tables that scroll on a phone, by keyboard too, where the page does not."""

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping) -> str:
        says, plot = html.escape(tokens[idx].content), env["plots"].get(tokens[idx].attrs["src"])
        if plot is None:
            return f"[{says}]"
        return f'<img src="data:image/png;base64,{base64.b64encode(plot.read_bytes()).decode()}" alt="{says}">'

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping) -> str:
        return '<div class="wide" role="region" aria-label="Table" tabindex="0"><table>'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping) -> str:
        return "</table></div>"


def report_html(markdown: str, results: Path) -> tuple[str, str]:
    """The report as HTML with the plots of `results`, and links to its sections.

    Its examples quote a model: HTML, links and pictures from elsewhere stay the text that they are.
    """
    parser = MarkdownIt("commonmark", {"html": False}, renderer_cls=ReportRenderer)
    parser.enable("table").disable(["link", "autolink"])
    tokens = parser.parse(markdown)
    plots = {path.name: path for path in results.glob("*.png")}
    links: list[str] = []
    for heading, inline in itertools.pairwise(tokens):
        if heading.type == "heading_open" and heading.tag == "h2":
            section = f"section={len(links) + 1}"
            heading.attrSet("id", section)
            links.append(f'<a href="#{section}">{html.escape(inline.content)}</a>')
    return parser.renderer.render(tokens, parser.options, {"plots": plots}), "\n".join(links)


if __name__ == "__main__":
    run_script(main)
