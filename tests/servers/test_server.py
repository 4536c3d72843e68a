"""Agents on a server that misbehaves: retried, then marked with the cause, and never an exception."""

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from meeting_agent.agent.rollouts import run_together
from meeting_agent.agent.server_checks import check_failures
from meeting_agent.common.files import InputError
from meeting_agent.common.stopping import RunStopped
from meeting_agent.training.pairs import same_prompt_pairs
from starter_agentic_traces import AgentToolLoop, TraceConfig
from tests.records import rollout

KEY = "sk-secret-of-the-user"
ANSWER = {"role": "assistant", "content": '{"probability": 0.7, "recommendation": "YES", "reasoning": "x"}'}
BROKEN_CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "rm", "arguments": "{not json"}}],
}


@pytest.fixture
def server(monkeypatch):
    """Answers request after request with what `script` holds: a status, a message, or a cut connection."""
    script: list = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            step = script.pop(0) if script else 500
            if step == "cut":
                self.connection.close()
                return
            status, body = (200, completion(step)) if isinstance(step, dict) else (step, {"error": {"message": KEY}})
            data = json.dumps(body).encode() if step != "torn" else b'{"choices": ['
            self.send_response(200 if step == "torn" else status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    yield script, f"http://127.0.0.1:{httpd.server_port}/v1"
    httpd.shutdown()


def completion(message: dict) -> dict:
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def play(url: str) -> dict:
    return AgentToolLoop("balanced", "m", "openai", url).run("Should they meet?")


@pytest.mark.parametrize("trouble", [[429, 429], [500, 500], ["cut", 500], [503]])
def test_passing_trouble_is_retried(server, trouble):
    script, url = server
    script += [*trouble, ANSWER]
    run = play(url)
    assert run["completed_naturally"], run
    assert "failure" not in run


@pytest.mark.parametrize("trouble", [429, 500, "cut", 404, 401, "torn"])
def test_lasting_trouble_marks_the_trajectory(server, trouble):
    script, url = server
    script += [trouble] * 50
    run = play(url)
    assert run["failure"]
    assert not run["completed_naturally"]
    assert KEY not in json.dumps(run)


def test_a_call_of_an_unknown_tool_with_broken_arguments_is_answered(server):
    script, url = server
    script += [BROKEN_CALL, ANSWER]
    run = play(url)
    assert run["tools_used"] == ["rm"]
    assert "unknown tool" in run["messages"][3]["content"]
    assert run["completed_naturally"]


def test_a_run_stops_when_too_much_fails():
    config = TraceConfig(api_url="http://server", model="m", max_failed_share=0.25)
    good, bad = rollout("a"), rollout("b", failure="Timeout")
    check_failures([good, good, good, bad], config)
    with pytest.raises(InputError, match=r"2 of 4 trajectories \(Timeout 2 times\)"):
        check_failures([good, good, bad, bad], config)


def test_ctrl_c_ends_agents_at_their_next_message():
    ended = []
    at_work = threading.Barrier(3)  # an agent that has not started yet is never started

    def play_one(job, go_on):
        at_work.wait(timeout=10)
        if job == 0:
            raise KeyboardInterrupt
        try:
            for _ in range(1000):
                go_on({})
                time.sleep(0.01)
        except RunStopped:
            ended.append(job)

    with pytest.raises(KeyboardInterrupt):
        run_together(play_one, [0, 1, 2])
    assert sorted(ended) == [1, 2]


def test_failed_trajectories_teach_nothing():
    def three(scenario, right, wrong):
        def one(index, answer, **changes):
            messages = [*rollout().messages[:2], {"role": "assistant", "content": f"answer {index}"}]
            return rollout(f"{index}{scenario}", answer, scenario_id=scenario, messages=messages, **changes)

        return [one(0, right), one(1, wrong), one(2, right, failure="Timeout")]

    traces = [*three("s", "YES", "NO"), *three("t", "NO", "YES")]
    values = {one.id: -int(one.id[0]) / 2 for one in traces}
    found = same_prompt_pairs(traces, values, min_gap=0.5, max_pairs=999, seed=0)
    assert Counter(t.id for pair in found for t in pair) == dict.fromkeys(("0s", "1s", "0t", "1t"), 1)
