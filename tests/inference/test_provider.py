"""Agents in process: calls are numbered over the conversation, and what breaks comes out of the run as itself."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from meeting_agent.agent.loop import MAX_ANSWER_TOKENS
from meeting_agent.common.files import InputError, read_json
from meeting_agent.inference.engine import Completion
from meeting_agent.inference.loading import load_tokenizer
from meeting_agent.inference.provider import MODEL, PROVIDER, serve_engine
from starter_agentic_traces import AgentToolLoop

CLOSING = '{"probability": 0.70, "recommendation": "YES", "reasoning": "rested"}'


class ScriptedEngine:
    """Writes what it was told to, one answer after the other, or raises it, and keeps the limits that it was given."""

    def __init__(self, *answers, tokens=1):
        self.answers, self.tokens, self.limits = list(answers), tokens, []
        self.tokenizer = load_tokenizer("models/base")
        self.prefix_cache = SimpleNamespace(clear=lambda: None)

    def generate(self, requests):
        answers = []
        for request in requests:
            self.limits.append(request.max_new_tokens)
            answer = self.answers.pop(0)
            if isinstance(answer, BaseException):
                raise answer
            answers.append(Completion(answer, 1, self.tokens))
        return answers


def play(engine, agents=1, **settings):
    batcher, loop = serve_engine(engine), AgentToolLoop("balanced", MODEL, PROVIDER, **settings)
    return batcher.play([lambda: loop.run("Should they meet?")] * agents)


def calls(*names):
    return "".join(f'<tool_call>{{"name": "{name}", "arguments": {{}}}}</tool_call>' for name in names)


def test_calls_are_numbered_over_the_conversation():
    (run,) = play(ScriptedEngine("Look." + calls("a", "b"), calls("c"), CLOSING))
    made = [call for m in run["messages"] for call in m.get("tool_calls", [])]
    assert [call["id"] for call in made] == ["call_0", "call_1", "call_2"]
    assert [m["tool_call_id"] for m in run["messages"] if m["role"] == "tool"] == ["call_0", "call_1", "call_2"]
    assert list(made[0]) == ["id", "type", "function"]
    assert list(made[0]["function"]) == ["arguments", "name"]
    assert run["completed_naturally"]


def test_committed_trajectories_hold_such_ids():
    for trace in read_json(Path("trajectories/agent_traces.json"), ""):
        made = [call["id"] for m in trace["messages"] for call in m.get("tool_calls", [])]
        assert made == [f"call_{i}" for i in range(len(made))]


@pytest.mark.parametrize("bug", [MemoryError("no room"), RuntimeError("a bug"), KeyboardInterrupt()])
def test_what_breaks_in_the_engine_comes_out_as_itself(bug):
    with pytest.raises(type(bug)) as raised:
        play(ScriptedEngine(calls("a"), calls("a"), bug), agents=2)
    assert raised.value is bug


def test_what_breaks_in_the_provider_comes_out_as_itself():
    engine = ScriptedEngine(CLOSING)
    engine.tokenizer.chat_template = "{{ raise_exception('no, thanks') }}"
    with pytest.raises(InputError, match="refuses a conversation: no, thanks"):
        play(engine, agents=3)
    (run,) = play(ScriptedEngine(CLOSING))
    assert run["completed_naturally"]


def test_an_answer_at_the_limit_counts_as_it_always_has():
    (run,) = play(ScriptedEngine(CLOSING, tokens=16), max_answer_tokens=16)
    assert run["completed_naturally"]
    assert "cut_by" not in run
    (whole,) = play(ScriptedEngine(CLOSING))
    assert {**run, "tokens": 0} == {**whole, "tokens": 0}


def test_the_limit_reaches_the_engine():
    for limit in (MAX_ANSWER_TOKENS, 777):
        engine = ScriptedEngine(calls("a"), CLOSING)
        play(engine, max_answer_tokens=limit)
        assert engine.limits == [limit, limit]


def test_in_process_nothing_but_its_own_format_is_a_call():
    for text in (
        f"<think>x</think>{CLOSING}",
        '[TOOL_CALLS] [{"name": "predict_follow_up_potential", "arguments": {}}]',
    ):
        (run,) = play(ScriptedEngine(text))
        assert run["messages"][-1] == {"role": "assistant", "content": text}


def test_half_a_character_in_a_name_can_be_written():
    (run,) = play(ScriptedEngine(calls("\\ud83d"), CLOSING))
    json.dumps(run, ensure_ascii=False).encode()
