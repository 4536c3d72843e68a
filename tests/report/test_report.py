"""What a reader is told is what was measured."""

from pathlib import Path

import pytest

from meeting_agent.common.files import InputError, read_json
from meeting_agent.evaluation.criteria import BRIEF, criteria, met
from meeting_agent.report.markdown import fill_readme, render_report

RESULTS = Path("results")
METRICS = RESULTS / "metrics.json"


@pytest.fixture(scope="module")
def metrics():
    return read_json(RESULTS / "metrics.json", "starter_agentic_rlft.py")


def test_every_number_of_the_report_is_in_the_metrics(metrics):
    examples = read_json(RESULTS / "examples.json", "starter_agentic_rlft.py")
    assert (RESULTS / "evaluation_report.md").read_text(encoding="utf-8") == render_report(metrics, examples)


def test_every_result_in_the_readme_is_in_the_metrics(metrics):
    readme = Path("README.md").read_text(encoding="utf-8")
    assert readme == fill_readme(readme, metrics)


def test_a_readme_without_markers_is_refused(metrics):
    with pytest.raises(InputError, match="markers"):
        fill_readme("# nothing here", metrics)


def test_the_reference_run_meets_the_brief(metrics):
    found = [c for c in criteria(metrics) if c[0] in BRIEF]
    assert len(found) == len(BRIEF)
    assert [what for what, measured, comparison, bound in found if not met(measured, comparison, bound)] == []


def test_plots_are_there():
    for name in ("loss_curves", "accuracy_ladder", "calibration", "tool_use", "rewards", "benchmark"):
        assert (RESULTS / f"{name}.png").stat().st_size > 5000
