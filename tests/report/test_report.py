"""What a reader is told is what was measured."""

import copy
import re
from pathlib import Path

import pytest

from meeting_agent.common.files import InputError, read_json
from meeting_agent.evaluation.criteria import BRIEF, criteria, met
from meeting_agent.report.glossary import FROM_README, FROM_REPORT, read_glossary, slug, term
from meeting_agent.report.markdown import fill_readme, readme_results, render_report
from meeting_agent.report.other_records import RECORDS, add_other_records
from meeting_agent.report.plots import accuracy_ladder, tool_use

RESULTS = Path("results")


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


# ----------------------------------------------------------------------------- another task

TICKETS = {
    "name": "ticket",
    "call_range": [1, 2],
    "tool_labels": {"look_up_account": "account", "search_known_faults": "faults"},
}


@pytest.fixture
def tickets(metrics):
    """Metrics of a task with tools, ceilings, baselines and comparisons that the report has never heard of."""
    m = copy.deepcopy(metrics) | {"task": TICKETS, "audit": None, "attainable": {}}
    of_meetings = (*RECORDS, "adaptivity", "fixed_sets", "best_fixed_set", "fixed_rules")  # these hold names of tools
    m = {name: value for name, value in m.items() if name not in of_meetings}
    known = m["paired"]
    m["ceilings"] = {"majority": 0.55, "account_only": 0.7, "account_and_faults": 0.9}
    m["baselines"] = {"longest_text": m["baselines"]["tfidf_logistic"]}
    m["paired"] = {name: known[name] for name in ("dpo_vs_agent", "dpo_vs_sft")}
    m["paired"]["dpo_vs_longest_text"] = known["sft_vs_base"]
    shares = {"look_up_account": 0.75, "ask_a_colleague": 0.25}
    for scores in (m["traces"], m["phases"]["agent"], m["phases"]["dpo"]):
        scores["tool_share"] = shares
    m["phases"]["sft"]["errors"] = []
    m["run"]["base_model"] = "tickets"
    return m


def test_a_report_on_another_task_speaks_of_that_task_only(tickets):
    report = render_report(tickets, [])
    assert 'task "ticket"' in report
    assert "1 to 2 calls" in report
    assert "2 to 5" not in report
    for known in (
        "| account only | 70.0% |",
        "| account and faults | 90.0% |",
        f"| longest text | {tickets['baselines']['longest_text']['accuracy']:.1%} (",
        "| agent after DPO against longest text | +",
        "| `ask_a_colleague` | 25.0% |",
    ):
        assert known in report
    words = ("meeting", "conference", "attendee", "chemistry", "topics", "energy", "advisor")
    assert [word for word in words if word in report.replace("meeting_agent", "")] == []
    assert "account only" not in readme_results(tickets)


def test_a_task_may_have_no_ceilings_and_no_baselines(tickets):
    tickets |= {"ceilings": {}, "baselines": {}}
    report = render_report(tickets, [])
    assert "| agent after DPO | 9" in report
    assert "A ceiling is" not in report


def test_plots_of_another_task_show_its_tools_and_baselines(tickets):
    (axis,) = accuracy_ladder(tickets).axes
    assert any(text.get_text().startswith("longest text") for text in axis.texts)
    which, _ = tool_use(tickets["phases"], TICKETS["tool_labels"]).axes
    assert [label.get_text() for label in which.get_xticklabels()] == ["account", "faults", "ask a colleague"]


def test_what_was_measured_on_the_conference_stays_out_of_other_tasks(tickets):
    add_other_records(tickets, RESULTS)
    assert not tickets.keys() & set(RECORDS)


# ----------------------------------------------------------------------------- glossary


def test_the_glossary_has_one_sentence_a_term_in_alphabetical_order():
    terms = list(read_glossary().values())
    assert [t.name for t in terms] == sorted((t.name for t in terms), key=str.casefold)
    assert len({t.name for t in terms}) == len(terms)
    assert [t.name for t in terms if not re.fullmatch(r"[^.]+(\.\d[^.]*)*\.", t.sentence)] == []


def test_every_linked_term_is_in_the_glossary(metrics):
    """Those of sections too that this run does not have."""
    folder = Path("meeting_agent/report")
    prose = "".join(path.read_text(encoding="utf-8") for path in (folder / "templates").glob("*.j2"))
    tables = (folder / "tables.py").read_text(encoding="utf-8")
    used = re.findall(r'"([^"]+)" \| term(?:\("([^"]+)"\))?', prose) + re.findall(
        r"""term\(["']([^"']+)["'](?:, ["']([^"']+)["'])?\)""", tables
    )
    assert len(used) > 30
    terms = read_glossary()
    wrong = [name or text for text, name in used if terms[slug(name or text)].name.lower() != (name or text).lower()]
    assert wrong == []


def test_links_lead_to_the_glossary_from_where_they_stand(metrics):
    report, readme = render_report(metrics, []), readme_results(metrics)
    assert term("ECE") in report
    for text, file in ((report, FROM_REPORT), (readme, FROM_README)):
        links = re.findall(r"\]\(([^)#]+\.md)(?:#([\w-]+))?\)", text)
        assert {path for path, _ in links} == {file}
        assert {link for _, link in links if link} <= read_glossary().keys()
