"""Phase 2 on a server: it works, or ends in one line that holds the server's own words and says what to do."""

import threading
from collections import Counter

import pytest

from meeting_agent.agent.answer_tally import AnswerTally, Notes
from meeting_agent.agent.server_checks import check_failures
from meeting_agent.agent.trajectory_file import TraceFile
from meeting_agent.common.files import InputError
from meeting_agent.common.stopping import RunStopped
from meeting_agent.conference import Conference
from meeting_agent.servers.client import plain_api_url
from meeting_agent.servers.errors import START_WITH_TOOLS, explained, failure_of, scrubbed
from meeting_agent.world.tools import ConferenceTools
from starter_agentic_traces import AgentToolLoop, TraceConfig, generate_agent_traces_for_training
from tests.records import rollout

KEY = "sk-secret-of-the-user"
FINAL = '{"probability": 0.7, "recommendation": "YES", "reasoning": "fine"}'


def answer(content, finish="stop", calls=None):
    message = {"role": "assistant", "content": content, "tool_calls": calls}
    return 200, {"choices": [{"message": message, "finish_reason": finish}], "usage": {"completion_tokens": 1}}


def call(name="predict_follow_up_potential"):
    arguments = '{"person_a": "X", "person_b": "Y", "time_slot": "Day1 Morning"}'
    return [{"id": "a1b2c3d4e", "type": "function", "function": {"name": name, "arguments": arguments}}]


def good(asked, _headers):
    return answer(FINAL) if asked["messages"][-1]["role"] == "tool" else answer("", "tool_calls", call())


@pytest.fixture
def play(tmp_path, monkeypatch):
    """A function that plays two scenarios twice on a server, in blocks of two; gives summary and trajectories."""
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)  # seconds

    def run(url, environment=None, **more):
        path = tmp_path / "traces.json"
        settings = {"num_scenarios": 2, "samples_per_scenario": 2, "concurrent_agents": 2} | more
        summary = generate_agent_traces_for_training(
            TraceConfig(traces_path=str(path), api_url=url, model="m", **settings), environment
        )
        return summary, list(TraceFile(path))

    return run


def refusal(play, url, **more) -> str:
    with pytest.raises(InputError) as refused:
        play(url, **more)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_good_server_needs_no_key_and_no_exact_address(play, serve_answers, capsys):
    keys, limits = set(), set()

    def behave(asked, headers):
        keys.add(headers["Authorization"])
        limits.add(asked["max_tokens"])
        return good(asked, headers)

    url = serve_answers(behave)
    summary, traces = play(f" {url}/chat/completions/", max_answer_tokens=777)
    assert summary["settings"]["api_url"] == url
    assert summary["settings"]["max_answer_tokens"] == 777
    assert (keys, limits) == ({"Bearer none"}, {777})
    assert all(t.recommendation == "YES" and t.tools_used for t in traces)
    assert "warning" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "http://", "ftp://x/v1", "http://x:port/v1", "http://a b/v1", "/v1"]
)
def test_an_address_without_scheme_or_host_is_refused_before_any_work(play, url, tmp_path):
    assert "give an address with http:// or https://" in refusal(play, url)
    assert list(tmp_path.iterdir()) == []


def test_addresses_are_made_plain():
    for url in (
        "http://h:8/v1",
        "http://h:8/v1/",
        "http://h:8/v1/chat/completions",
        " http://h:8/v1/chat/completions/",
    ):
        assert plain_api_url(url) == "http://h:8/v1"


REFUSALS = {
    "no automatic tools": (
        (400, {"object": "error", "message": '"auto" tool choice requires --enable-auto-tool-choice', "code": 400}),
        ("BadRequestError", '"auto" tool choice requires', START_WITH_TOOLS),
    ),
    "no template": (
        (500, {"error": {"message": "tools param requires --jinja flag"}}),
        ("InternalServerError", "requires --jinja", START_WITH_TOOLS),
    ),
    "no such model": (
        (404, {"error": {"message": "The model `m` does not exist.", "type": "NotFoundError"}}),
        ("NotFoundError", "The model `m` does not exist.", "--model"),
    ),
    "wrong path": ((404, {"detail": "Not Found"}), ("NotFoundError", "Not Found", "--api_url")),
    "no key": ((401, {"error": {"message": "No key"}}), ("AuthenticationError", "No key", "set OPENAI_API_KEY")),
    "forbidden": ((403, {"error": {"message": "Not yours"}}), ("PermissionDeniedError", "Not yours", "OPENAI_API_KEY")),
    "too long": (
        (400, {"error": {"message": "This model's maximum context length is 512 tokens"}}),
        ("ContextWindowExceededError", "maximum context length is 512", "--max-model-len"),
    ),
    "too many": ((429, {"error": {"message": "Slow down"}}), ("RateLimitError", "Slow down", "--concurrent_agents")),
    "a gateway's page": (
        (502, b"<html><head><title>502 Bad Gateway</title></head><hr>nginx</html>"),
        ("BadGatewayError", "502 Bad Gateway nginx", "see to the server"),
    ),
    "a web page": ((200, b"<!doctype html><title>Chat</title>"), ("UnreadableAnswer", "<title>Chat", "/v1")),
    "torn": ((200, b'{"choices": ['), ("UnreadableAnswer", "no JSON", "/v1")),
    "a field": ((422, {"detail": [{"msg": "field required"}]}), ("BadRequestError", "field required", "template")),
    "roles": (
        (400, {"error": {"message": "Conversation roles must alternate user/assistant/user/assistant/..."}}),
        ("BadRequestError", "Conversation roles must alternate user/assistant", "template"),
    ),
    "no words": ((500, b""), ("InternalServerError", "status 500", "see to the server")),
    "other types": ((400, {"error": {"message": {"a": 1}}}), ("BadRequestError", "a", "template")),
    "half a character": ((400, {"error": {"message": "x\ud83d"}}), ("BadRequestError", "x", "template")),
}


@pytest.mark.parametrize("why", REFUSALS)
def test_a_first_turn_shows_what_is_wrong_before_anything_is_written(play, serve_answers, tmp_path, why):
    refused, says = REFUSALS[why]
    line = refusal(play, serve_answers(lambda *_: refused))
    assert "does not answer an agent" in line
    line.encode()
    for words in says:
        assert words in line
    assert list(tmp_path.iterdir()) == []


def test_a_status_422_is_one_too_where_litellm_may_drop_parameters(play, serve_answers, monkeypatch):
    monkeypatch.setattr("litellm.drop_params", True)
    assert "field required" in refusal(play, serve_answers(lambda *_: REFUSALS["a field"][0]))


def test_nothing_that_listens_is_said_so(play, tmp_path, monkeypatch):
    line = refusal(play, "http://127.0.0.1:9/v1")
    assert "APIConnectionError: [Errno 111] Connection refused" in line
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    assert "put somewhere.example into NO_PROXY" in explained(
        "http://somewhere.example/v1", Counter(["APIConnectionError"]), {}
    )


def test_a_run_that_fails_says_why_and_keeps_no_key(play, serve_answers, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "my own key")
    asked_before = iter(range(100))

    def behave(asked, headers):
        if next(asked_before) < 5:  # the first turn, and the two turns of two agents
            return good(asked, headers)
        return 401, {"error": {"message": f"Key my own key, {KEY} and Bearer abc.def are no good\nat all"}}

    line = refusal(play, serve_answers(behave))
    assert "failed in 2 of 2 trajectories (AuthenticationError 2 times: Key [key], [key] and [key] are no good" in line
    assert "then start again: finished trajectories are kept" in line
    kept = "".join(p.read_text() for p in tmp_path.rglob("*.json"))
    assert len(list(tmp_path.rglob("block-*.json"))) == 1
    for secret in ("my own key", KEY, "abc.def"):
        assert secret not in line + kept


def test_secrets_are_scrubbed(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "x1y2")
    said = scrubbed("x1y2 sk-abc***wxyz sk-proj-1_2 Bearer q.w http://me:pass@host/v1 hf_abcdefghijk task-force")
    assert said == "[key] [key] [key] [key] http://[key]@host/v1 [key] task-force"


def test_check_failures_names_the_first_remedy():
    block = [rollout(failure=kind) for kind in ("Timeout", "Timeout", "NotFoundError")]
    config = TraceConfig(api_url="http://server", model="m")
    with pytest.raises(InputError, match=r"\(Timeout 2 times: slow; NotFoundError\): lower --concurrent_agents"):
        check_failures(block, config, {"Timeout": "slow"})


def test_some_failures_are_told_at_the_end_and_do_not_stop_phase_3(play, serve_answers, capsys, tmp_path):
    turns = threading.Semaphore(1)  # the first turn alone: agents fail before they have said a word

    def behave(asked, headers):
        return good(asked, headers) if turns.acquire(blocking=False) else (404, {"error": {"message": "gone"}})

    _, traces = play(serve_answers(behave), max_failed_share=1.0, num_scenarios=1)
    failed = sum(t.failure is not None for t in traces)
    assert failed == len(traces)  # and phase 3 can read them
    assert f"warning: {failed} trajectories failed and are left out of the pairs (NotFoundError {failed})" in (
        capsys.readouterr().out
    )


# ----------------------------------------------------------------------------- answers that cannot be read


USELESS = {
    "empty": (answer(None), ("empty 2", "without a tool call 2", "instruction-tuned", START_WITH_TOOLS)),
    "prose": (answer("I think\x07 so,\n yes. " * 20), ("no JSON 2", "'I think so, yes. I think", "...'")),
    "cut": (
        answer('{"probability": 0.7, "recomm', "length"),
        ("cut at the limit of 160 tokens 2", "--max_answer_tokens"),
    ),
    "thoughts": (answer("<think>Well, well", "length"), ("cut at", "'<think>Well, well'", "turn thinking off")),
    "calls": (
        answer('<tool_call>{"name": "rm", "arguments": {}}</tool_call>'),
        ("calls as text that cannot be read 2",),
    ),
    "maybe": (answer('{"probability": 0.5, "recommendation": "MAYBE"}'), ("JSON without YES or NO 2",)),
    "refused": (answer(None, "content_filter"), ("refused or filtered 2",)),
}


@pytest.mark.parametrize("how", USELESS)
def test_a_server_of_no_use_ends_the_run_at_the_first_block(play, serve_answers, how):
    useless, says = USELESS[how]
    line = refusal(play, serve_answers(lambda *_: useless))
    assert line.startswith("2 of 2 answers cannot be read (")
    assert line.isprintable()
    for words in says:
        assert words in line


def test_a_server_of_little_use_is_told_of_at_the_first_block_and_at_the_end(play, serve_answers, capsys):
    def behave(asked, _headers):
        return answer("Hm.") if asked["messages"][-1]["role"] == "tool" else answer("", "tool_calls", call())

    play(serve_answers(behave))
    first, last = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning")]
    assert (
        first
        == "warning: 2 of 2 answers cannot be read (no JSON 2), for example 'Hm.': take an instruction-tuned model"
    )
    assert "4 of 4 answers" in last


def test_agents_that_call_no_tool_are_told_of(play, serve_answers, capsys):
    play(serve_answers(lambda *_: answer(FINAL)))
    assert f"warning: 4 of 4 agents called no tool: {START_WITH_TOOLS}" in capsys.readouterr().out


def test_agents_in_process_are_never_stopped_for_what_they_say(tmp_path, capsys):
    config = TraceConfig(
        traces_path=str(tmp_path / "t.json"),
        num_scenarios=1,
        samples_per_scenario=2,
        temperature=5.0,
        max_answer_tokens=16,
    )
    generate_agent_traces_for_training(config)
    out = capsys.readouterr().out
    assert "warning: 2 of 2 answers cannot be read (cut at the limit of 16 tokens 2" in out
    assert START_WITH_TOOLS not in out
    assert all(t.completed_naturally and t.cut_by is None for t in TraceFile(tmp_path / "t.json"))


def test_a_readable_half_is_no_complaint():
    good, bad = ([rollout(answer=said, tools_used=["a"])] for said in ("YES", None))
    assert AnswerTally(good + bad, Notes()).complaint(160, True) is None
    assert AnswerTally(good + bad + bad, Notes()).complaint(160, True).startswith("2 of 3 answers")
    assert AnswerTally([], Notes()).complaint(160, True) is None


class MyTools(ConferenceTools):
    NAMES = (*ConferenceTools.NAMES, "my_tool")

    def my_tool(self, person_a: str, person_b: str, time_slot: str) -> dict:
        """Fails.

        Args:
            person_a: A name.
            person_b: A name.
            time_slot: A time.
        """
        raise KeyError("x")


def test_a_tool_that_fails_is_named_at_the_end(play, serve_answers, capsys):
    def behave(asked, _headers):
        return answer(FINAL) if asked["messages"][-1]["role"] == "tool" else answer("", "tool_calls", call("my_tool"))

    summary, _ = play(serve_answers(behave), environment=Conference(toolset=MyTools))
    assert summary["tool_failures"] == {"my_tool": 4}
    assert "warning: tool my_tool failed 4 times: KeyError: 'x'" in capsys.readouterr().out


# ----------------------------------------------------------------------------- what must come through


def test_a_stop_and_a_bug_of_the_watcher_come_through(serve_answers):
    agent = AgentToolLoop("balanced", "m", "openai", serve_answers(good))
    for stop in (KeyboardInterrupt, RunStopped, ZeroDivisionError):

        def stop_at_once(_message, stop=stop):
            raise stop

        with pytest.raises(stop):
            agent.run("Should they meet?", on_message=stop_at_once)


def test_causes_that_go_in_circles_have_an_end():
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert failure_of(first) == ("ValueError", "a")


def test_answers_that_were_cut_have_no_probability(play, serve_answers):
    turns = iter(range(100))

    def behave(asked, headers):
        return good(asked, headers) if next(turns) < 5 else answer(FINAL, "length")

    _, traces = play(serve_answers(behave))
    cut = [t for t in traces if t.cut_by]
    assert len(cut) == 2
    assert all(t.probability is None and t.reward == -1.0 and not t.completed_naturally for t in cut)
    assert cut[0].cut_by == "length"
