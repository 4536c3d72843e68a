"""The page for reading: what it holds, that data stays data, and how it behaves in a real browser."""

import base64
import gzip
import json
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from data_classes import Trajectory
from meeting_agent.agent.claims import count_grounded_claims
from meeting_agent.agent.trajectory_file import TraceFile
from meeting_agent.common.files import InputError, read_json, write_json
from meeting_agent.report.glossary import read_glossary
from meeting_agent.report.page import csp_hash, main, report_html, write_page
from meeting_agent.report.page_data import closing_pieces, pack

RESULTS, TRACES = Path("results"), Path("trajectories/agent_traces.json")
ENERGY, TOPICS = "assess_time_slot_fit_and_energy", "extract_common_interests_and_topics"
HOSTILE = "</script><img src=x onerror=\"window.hacked='yes'\"><svg onload=window.hacked=1>"
GROUNDED = 'energy_a 3.1 is low. {"probability": 0.33, "recommendation": "NO"}'


def rollout(
    number, policy="sft", persona="cautious", said="YES", truth="YES", reward=1.0, tool=ENERGY, answer=GROUNDED
):
    """A trajectory, as its file holds it."""
    scenario = f"c1-{number}-{number + 1}-day1_morning"
    call = {"id": "call_0", "type": "function", "function": {"name": tool, "arguments": '{"person_a": "Ada Lee"}'}}
    return {
        "id": f"{scenario}-{policy}-0",
        "scenario_id": scenario,
        "system_prompt_name": persona,
        "sample_index": 0,
        "initial_user_prompt": "",
        "messages": [
            {"role": "system", "content": f"You are a {persona} advisor."},
            {"role": "user", "content": f"Person A: Ada Number{number}. Tired.\nPerson B: Bo Berg. Awake."},
            {"role": "assistant", "content": f"{policy} looks it up.", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_0", "content": '{"energy_a": 3.1, "shared": []}'},
            {"role": "assistant", "content": answer},
        ],
        "tools_used": [tool],
        "final_recommendation_parsed": said and {"recommendation": said, "probability": 0.33, "reasoning": ""},
        "ground_truth": 0.6,
        "true_outcome": truth,
        "policy": policy,
        "completed_naturally": True,
        "reward": reward,
    }


def trace(number, **differs):
    return Trajectory.from_json(rollout(number, **differs))


PLAYED = [
    trace(1),
    trace(2, persona="empathic", said="NO", reward=0.1, tool=TOPICS),
    trace(3, said=None, reward=-1.0, answer="I cannot say."),
    trace(4, answer="energy_a 3.1 is low, engagement_a 8.0 is high 👍"),
]
EVALUATED = [trace(9, policy="sft", said="NO", reward=0.1), trace(9, policy="dpo")]
TOOL_LABELS = {ENERGY: "energy", TOPICS: "topics"}


def results_folder(folder, report):
    """What a page is made from, without plots, which take time to draw."""
    (folder / "evaluation_report.md").write_text(report, encoding="utf-8")
    write_json(folder / "metrics.json", {"task": {"tool_labels": TOOL_LABELS}})
    return folder


def unpacked(packed):
    return json.loads(gzip.decompress(base64.b64decode(packed)))


# ----------------------------------------------------------------------------- what the page holds


def test_marked_claims_are_those_that_rewards_count():
    for one in read_json(TRACES, "starter_agentic_traces.py"):
        pieces = closing_pieces(one["messages"])
        claims = [piece for piece in pieces if not isinstance(piece, str)]
        assert (sum(held is not None for _, held in claims), len(claims)) == count_grounded_claims(one["messages"])
        assert "".join(p if isinstance(p, str) else p[0] for p in pieces) == one["messages"][-1]["content"]
        for said, held in claims:
            if held is not None:
                assert said.split()[0] in json.loads(one["messages"][2 + held]["content"])


@pytest.mark.parametrize("answer", ["", "👍 energy_a 3.10 and energy_a 3", "energy_a ٣.١", "a 0.1a 0.2", "\ud800"])
def test_marked_claims_agree_on_odd_answers(answer):
    messages = trace(1, answer=answer).messages
    claims = [piece for piece in closing_pieces(messages) if not isinstance(piece, str)]
    assert (sum(held is not None for _, held in claims), len(claims)) == count_grounded_claims(messages)


def test_prompts_are_stored_once_and_nothing_differs_between_two_builds():
    packed = pack(PLAYED, EVALUATED, TOOL_LABELS, limit=3)
    assert packed == pack(PLAYED, EVALUATED, TOOL_LABELS, limit=3)
    data = unpacked(packed)
    assert (len(data["traces"]), data["left_out"]) == (5, 1)
    assert len(data["texts"]) == len(set(data["texts"])) == 6  # two personas, four questions
    first = data["traces"][0]
    assert first["turns"][1] == {"tool": ENERGY, "says": '{"energy_a": 3.1, "shared": []}'}
    assert first["turns"][2]["pieces"][0] == ["energy_a 3.1", 1]


def test_a_large_evaluation_is_shown_in_part_both_sides_of_a_scenario():
    many = [trace(number, policy=policy) for policy in ("sft", "dpo") for number in range(6)]
    data = unpacked(pack([], many, TOOL_LABELS, limit=5))
    assert [(t["group"], t["scenario"]) for t in data["traces"]] == [
        (policy, many[number].scenario_id) for policy in ("sft", "dpo") for number in range(2)
    ]
    assert data["left_out"] == 8


def test_what_a_model_said_cannot_leave_its_place(tmp_path):
    results_folder(tmp_path, f"# Report\n\n## 1. {HOSTILE}\n\n> {HOSTILE} ![x](http://a/b.png)\n")
    write_page(tmp_path / "report.html", tmp_path, [trace(1, answer=HOSTILE, persona=HOSTILE)], EVALUATED)
    page = (tmp_path / "report.html").read_text()
    assert page.count("</script>") == 2
    assert "<img" not in page
    assert "<svg" not in page
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page).group(1)
    assert policy.startswith("default-src 'none'")
    assert csp_hash(re.search(r"<script>(.*?)</script>", page, re.DOTALL).group(1)) in policy
    assert csp_hash(re.search(r"<style>(.*?)</style>", page, re.DOTALL).group(1)) in policy


def test_the_report_brings_its_plots_and_its_glossary_and_links_nowhere_else():
    report, terms = (RESULTS / "evaluation_report.md").read_text(encoding="utf-8"), read_glossary()
    body, contents = report_html(report, RESULTS, terms)
    assert body.count('<img src="data:image/png;base64,') == body.count("<img") == report.count("![") > 4
    assert contents.count("<a href=") == body.count("<h2 id=") >= 5
    places = set(re.findall(r'id="([^"]+)"', body))
    links = re.findall(r"<a([^>]*)>", body + contents)
    assert {re.search(r'href="#([^"]+)"', link).group(1) for link in links} <= places
    assert body.count("<dt id=") == len(terms)
    hostile = "[a](http://b) <http://c> [a][b] [f](javascript:alert) ![d](../secret.png) ![e](data:image/png;base64,xx)"
    body, _ = report_html(f"{hostile} [g](http://h/i.png) ![j](http://h/i.png)\n\n[b]: http://b\n", RESULTS, {})
    assert "<a" not in body
    assert "<img" not in body


def test_a_linked_term_says_what_it_means_without_a_network():
    terms = read_glossary()
    body, _ = report_html("An [ECE](../docs/glossary.md#ece) in the [glossary](../docs/glossary.md).", RESULTS, terms)
    assert f'<a href="#section=ece" title="{terms["ece"].sentence}">ECE</a>' in body
    assert '<a href="#section=glossary">glossary</a>' in body


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    given = tmp_path / "traces.json"
    write_json(given, [trajectory.to_json() for trajectory in PLAYED])

    def refused(traces, evaluation):
        flags = (f"--traces_path={traces}", f"--evaluation_path={evaluation}", f"--output={tmp_path}/page.html")
        monkeypatch.setattr("sys.argv", ["page", *flags])
        with pytest.raises(InputError) as error:
            main()
        assert list(tmp_path.iterdir()) == [given]
        return str(error.value)

    assert "run starter_agentic_traces.py first" in refused(tmp_path / "gone", given)
    assert "run starter_agentic_rlft.py first" in refused(given, tmp_path / "gone")
    assert "is not of an evaluation" in refused(given, given)
    write_json(given, [rollout(1), rollout(1, policy="another")])
    assert "is not of an evaluation" in refused(given, given)


@pytest.mark.skipif(not (RESULTS / "report.html").exists(), reason="the reference run has not written the page yet")
def test_the_committed_page_is_that_of_the_committed_files(tmp_path):
    write_page(
        tmp_path / "report.html", RESULTS, TraceFile(TRACES), TraceFile(TRACES.with_name("evaluation_traces.json"))
    )
    new, old = ((folder / "report.html").read_text(encoding="utf-8") for folder in (tmp_path, RESULTS))
    packed = re.compile(r'(?<=id="packed">)[^<]+')
    assert packed.sub("", new) == packed.sub("", old)
    assert unpacked(packed.search(new).group()) == unpacked(packed.search(old).group())


# ----------------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as driver:
        own = driver.chromium.executable_path
        found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome", own)]
        if not any(found):
            pytest.skip("no Chromium on this machine: install the package `chromium`")
        running = driver.chromium.launch(executable_path=next(filter(None, found)))
        yield running
        running.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    results_folder(folder, (RESULTS / "evaluation_report.md").read_text(encoding="utf-8"))
    write_page(folder / "report.html", folder, PLAYED, EVALUATED)
    return folder / "report.html"


@pytest.fixture
def visit(browser):
    """Opens a page at an address; afterwards nothing may have gone wrong, nor anything been asked of a network."""
    contexts, asked, complaints = [], [], []

    def open_page(path, address="view=trajectories", width=1280, height=800, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{path.as_uri()}#{address}")
        page.wait_for_function("performance.getEntriesByName('ready').length > 0")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not [url for url in asked if not url.startswith(("file:", "data:"))]
    assert complaints == []


def people(page):
    return page.locator(".row .people").all_inner_texts()


def numbers(page):
    return [int(re.search(r"Number(\d)", name).group(1)) for name in people(page)]


FILTERS = [
    ("Persona", "empathic", [2]),
    ("Outcome", "right", [1, 4, 9]),
    ("Outcome", "none", [3]),
    ("Tool", TOPICS, [2]),
    ("Rollouts", "dpo", [9]),
    ("Claims", "ungrounded", [4]),
    ("from", "0.5", [1, 4, 9]),
    ("to", "0", [3]),
]


def test_filters(visit, small):
    page = visit(small)
    for label, value, left in FILTERS:
        assert numbers(page) == [1, 2, 3, 4, 9, 9]
        if label in ("from", "to"):
            page.get_by_role("spinbutton", name=label, exact=True).fill(value)
        else:
            page.get_by_role("combobox", name=label, exact=True).select_option(value)
        assert numbers(page) == left, label
        assert page.get_by_role("status").inner_text() == f"1 to {len(left)} of {len(left)} trajectories"
        page.get_by_role("button", name="Clear filters").click()


def test_filters_work_together_and_can_be_linked(visit, small):
    page = visit(small, "view=trajectories&outcome=right&search=number9")
    assert numbers(page) == [9]
    page.get_by_role("combobox", name="Outcome", exact=True).select_option("wrong")
    page.reload()
    page.wait_for_selector(".row")
    assert numbers(page) == [9]
    assert page.get_by_role("combobox", name="Outcome", exact=True).input_value() == "wrong"
    assert page.get_by_label("Search").input_value() == "number9"
    assert page.locator(".mark").inner_text() == "✗"


def test_search_finds_all_words_anywhere(visit, small):
    page = visit(small)
    for words, left in (("number2", [2]), ("dpo LOOKS", [9]), ("engagement_a", [4]), ("no such thing", [])):
        page.get_by_label("Search").fill(words)
        assert numbers(page) == left


def test_a_conversation_turn_by_turn_with_its_claims_marked(visit, small):
    page = visit(small, "view=trajectories&claims=ungrounded")
    page.locator(".row").click()
    titles = ["System", "Question", "Agent", "Tool: energy", "Agent’s answer"]
    expect(page.locator(".turn h3")).to_have_text(titles)
    assert page.locator(".call").inner_text() == f"{ENERGY}(person_a: Ada Lee)"
    assert page.locator(".result > div").all_inner_texts() == ["energy_a\n3.1", "shared\nnone"]
    assert page.locator("button.grounded").all_inner_texts() == ["energy_a 3.1"]
    made_up = page.locator("mark.ungrounded")
    assert made_up.inner_text() == "engagement_a 8.0ungrounded"
    assert "1 of 2" in page.locator(".facts").inner_text()
    page.get_by_role("button", name="energy_a 3.1").click()
    assert page.locator(".held").inner_text() == page.locator(":focus").inner_text() == "energy_a\n3.1"
    page.go_back()
    expect(page.locator(".turn")).to_have_count(0)


@pytest.mark.parametrize("policy", ["sft", "dpo"])
def test_a_twin_stands_beside_its_trajectory_before_on_the_left(visit, small, policy):
    page = visit(small, f"open={EVALUATED[0].scenario_id}-{policy}-0")
    page.get_by_role("button", name="Compare with").click()
    expect(page.locator(".which")).to_have_text(["before DPO", "after DPO"])
    before, after = page.locator(".side").all()
    assert "sft looks it up" in before.inner_text()
    assert "✗ wrong" in before.inner_text()
    assert "dpo looks it up" in after.inner_text()
    assert "✓ right" in after.inner_text()
    left, right = before.bounding_box(), after.bounding_box()
    assert left["x"] + left["width"] < right["x"]
    assert left["y"] == right["y"]
    page.reload()
    page.wait_for_selector(".two")


def test_everything_by_keyboard(visit, small):
    page = visit(small, "view=report")
    focused, press = page.locator(":focus"), page.keyboard.press
    page.get_by_role("link", name="Trajectories", exact=True).focus()
    press("Enter")
    expect(page.locator(".row")).to_have_count(6)
    for key, number in (("j", 1), ("j", 2), ("ArrowDown", 3), ("ArrowUp", 2), ("k", 1)):
        press(key)
        expect(focused).to_contain_text(f"Number{number}")
    expect(focused).to_have_css("outline-style", "solid")
    press("Enter")
    expect(page.locator("h2:focus")).to_have_text("Ada Number1 and Bo Berg")
    press("c")  # has no twin
    press("j")
    expect(page.locator("h2:focus")).to_have_text("Ada Number2 and Bo Berg")
    expect(page.locator(".two")).to_have_count(0)
    press("Escape")
    expect(page.locator(".row:focus")).to_contain_text("Number2")
    expect(page.locator(".turn")).to_have_count(0)
    press("/")
    page.keyboard.type("number9")
    press("Enter")
    expect(page.locator(".row:focus")).to_contain_text("Number9")
    press("Enter")
    expect(page.locator("h2:focus")).to_have_text("Ada Number9 and Bo Berg")
    press("c")
    expect(page.locator(".two .side")).to_have_count(2)
    press("Escape")
    expect(page.locator(".side")).to_have_count(1)
    press("Escape")
    expect(page.locator(".row:focus")).to_contain_text("Number9")


OVERFLOW = "document.documentElement.scrollWidth - innerWidth"


def test_a_phone_shows_one_column_and_never_scrolls_sideways(visit, tmp_path):
    long = "x" * 900
    evaluated = [replace(one, system_prompt_name=long) for one in EVALUATED]
    evaluated[0].messages = [m | {"content": m["content"] + f" {long} {long}_0.3 1.5"} for m in PLAYED[0].messages]
    path = tmp_path / "report.html"
    write_page(path, RESULTS, [trace(1, persona=long, tool=long, answer=f"{long.lower()} 0.31 {long}")], evaluated)
    page = visit(path, "view=report", 390, 844)
    assert page.evaluate(OVERFLOW) <= 0
    for address in ("view=trajectories", f"open={PLAYED[0].id}", f"open={EVALUATED[0].id}&compare=1"):
        page.evaluate("address => { location.hash = address }", address)
        page.wait_for_selector(".row" if "view" in address else ".turn", state="visible")
        assert page.evaluate(OVERFLOW) <= 0, address
        assert page.locator(".finder").is_visible() != page.locator(".conversation").is_visible()
    above, below = page.locator(".side").all()
    assert above.bounding_box()["y"] + above.bounding_box()["height"] < below.bounding_box()["y"]
    page.get_by_role("button", name="Back to the list").click()
    expect(page.locator(".finder")).to_be_visible()


# The text with the least contrast against the ground that is painted behind it.
LEAST_CONTRAST = """() => {
  const rgb = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, part, i) => sum + part * linear(c[i] / 255), 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  let least = [99, ""];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !e.checkVisibility()) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < least[0]) least = [contrast, e.outerHTML.slice(0, 200)];
  }
  return [...least, light(ground(document.body))];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_in_dark(visit, small, scheme):
    page = visit(small, "view=report", 1500, scheme=scheme)
    for address, seen in (
        ("view=report", "article"),
        (f"open={PLAYED[3].id}", ".ungrounded"),
        (f"open={EVALUATED[0].id}&compare=1", ".two"),
    ):
        page.evaluate("address => { location.hash = address }", address)
        page.wait_for_selector(seen)
        contrast, where, ground = page.evaluate(LEAST_CONTRAST)
        assert contrast >= 4.5, where
        assert (ground < 0.1) == (scheme == "dark")


def test_hostile_text_is_shown_and_never_run(visit, tmp_path):
    hostile = rollout(1, persona=HOSTILE, said=HOSTILE, truth=HOSTILE, tool=HOSTILE, answer=f"{HOSTILE} energy_a 3.1")
    hostile |= {"id": HOSTILE, "scenario_id": HOSTILE, "failure": HOSTILE, "completed_naturally": False}
    hostile["messages"][0] = {"role": "system", "content": HOSTILE}
    hostile["messages"][1] = {"role": "user", "content": f"Person A: {HOSTILE}. x\nPerson B: {HOSTILE}. x"}
    hostile["messages"][3] |= {"content": json.dumps({HOSTILE: HOSTILE, "__proto__": HOSTILE, "energy_a": 3.1})}
    results_folder(tmp_path, f"# Report\n\n## {HOSTILE}\n\n> {HOSTILE}\n\n![a](javascript:alert())")
    odd = trace(2, persona="constructor", tool="__proto__", answer="\ud800 \0")
    write_page(tmp_path / "report.html", tmp_path, [Trajectory.from_json(hostile), odd], EVALUATED)
    page = visit(tmp_path / "report.html")
    before = page.evaluate("document.querySelectorAll('script, img, svg').length")
    page.get_by_label("Search").fill("onerror=")
    page.locator(".row").click()
    expect(page.locator(".turn")).to_have_count(5)
    shown = page.locator(".conversation").inner_text()
    assert shown.count(HOSTILE) >= 8
    assert page.evaluate("document.querySelectorAll('script, img, svg').length") == before == 2
    page.get_by_role("button", name="Clear filters").click()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.locator(".row", has_text="constructor").click()
    expect(page.locator(".about")).to_contain_text("persona constructor")
    assert page.evaluate("window.hacked") is None


def test_the_policy_stops_what_would_be_run_or_loaded(browser, small):
    """The second line of defence, tried with markup that the page itself would never make."""
    page = browser.new_page()
    page.goto(small.as_uri())
    stopped = page.evaluate(
        """async () => {
          const stopped = [];
          addEventListener("securitypolicyviolation", (e) => stopped.push(e.effectiveDirective));
          document.body.insertAdjacentHTML("beforeend", '<img src="data:x" onerror="window.hacked=1"><img src="http://[::1]/x">');
          const script = document.createElement("script");
          script.textContent = "window.hacked = 1";
          document.body.append(script);
          await fetch("http://[::1]/x").catch(() => null);
          await new Promise((done) => setTimeout(done, 200));
          return stopped;
        }"""
    )
    assert set(stopped) == {"script-src-attr", "script-src-elem", "img-src", "connect-src"}
    assert page.evaluate("window.hacked") is None
    page.close()


def test_five_thousand_trajectories_open_in_two_seconds(visit, tmp_path):
    traces = list(TraceFile(TRACES))
    many = [replace(one, id=f"{i}-{one.id}") for i in range(2) for one in traces][:5000]
    path = tmp_path / "report.html"
    write_page(path, RESULTS, many, EVALUATED)
    seconds = []
    for _ in range(3):
        started = time.monotonic()
        page = visit(path)
        assert page.locator(".row").count() == 100
        seconds.append(time.monotonic() - started)
    print(
        f"{path.stat().st_size / 1e6:.2f} MB opened in {min(seconds):.2f} s (of {len(seconds)}: {max(seconds):.2f} s)"
    )
    assert path.stat().st_size < 3_000_000
    assert min(seconds) < 2.0  # of three: whoever else uses the machine is not what is measured
    assert page.get_by_role("status").inner_text() == "1 to 100 of 5,002 trajectories"
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("status")).to_contain_text("101 to 200")
    started = time.monotonic()
    page.get_by_label("Search").fill(many[4321].id)
    assert page.locator(".row").count() == 1
    print(f"found one of them in {time.monotonic() - started:.2f} s")
