"""Whatever shape a server's answers have: they are understood, or the trajectory is marked with the cause."""

import json
import re
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meeting_agent.inference.turns import one_call_a_turn
from meeting_agent.servers.answers import UnreadableAnswer, as_completion, read_answer, with_own_ids
from meeting_agent.servers.calls_in_text import calls_in_text, without_thoughts
from meeting_agent.servers.client import PlainAnswers, plain_answer
from starter_agentic_traces import AgentToolLoop

FOLLOW_UP, ENERGY = "predict_follow_up_potential", "assess_time_slot_fit_and_energy"
ARGUMENTS = {"person_a": "X", "person_b": "Y", "time_slot": "Day1 Morning"}
TEXT = json.dumps(ARGUMENTS)
FINAL = '{"probability": 0.7, "recommendation": "YES", "reasoning": "fine"}'


# ----------------------------------------------------------------------------- servers of all kinds


@pytest.fixture
def serve(serve_answers, monkeypatch):
    """A function that starts a server, and gives an agent on it."""
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)  # seconds

    def start(behave):
        def checked(asked, _headers):
            check_request(asked)
            return behave(asked)

        return AgentToolLoop("balanced", "m", "openai", serve_answers(checked))

    return start


def check_request(body):
    """What goes back to a server is sane: calls have a name, an id of their own and an object, results their call."""
    calls = [call for message in body["messages"] for call in message.get("tool_calls") or []]
    ids = [call["id"] for call in calls]
    assert all(isinstance(json.loads(call["function"]["arguments"]), dict) for call in calls)
    assert all(call["function"]["name"] for call in calls)
    assert len(set(ids)) == len(ids)
    assert [m["tool_call_id"] for m in body["messages"] if m["role"] == "tool"] == ids
    json.dumps(body, ensure_ascii=False).encode()


def call(arguments=TEXT, name=FOLLOW_UP, **more):
    return {"id": "a1b2c3d4e", "type": "function", "function": {"name": name, "arguments": arguments}} | more


def says(message, finish="stop", **top):
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {"choices": [choice], "usage": {"completion_tokens": 10}} | top


def calls_first(message, finish="tool_calls"):
    """The message, and a closing answer once a tool has answered."""

    def behave(body):
        has_result = any(m["role"] == "tool" for m in body["messages"])
        return 200, says({"content": FINAL}) if has_result else says(message, finish)

    return behave


def calling(*calls):
    return calls_first({"role": "assistant", "content": "", "tool_calls": list(calls)})


def always(message, finish="stop", **top):
    return lambda _: (200, says(message, finish, **top))


def body(value):
    return lambda _: (200, value)


def unless(refused, words, behave):
    """Status 400 for conversations that `refused` finds something in."""
    return lambda asked: (400, {"error": {"message": words}}) if refused(asked["messages"]) else behave(asked)


def made_calls(messages):
    return [call for message in messages for call in message.get("tool_calls") or []]


def one_in(count, broken, good):
    """A server that answers `broken` to each request number `count` of them."""
    asked = iter(range(10**6))
    return lambda request: (broken if next(asked) % count == count - 1 else good)(request)


class Outcome(NamedTuple):
    """What a run comes to: calls of tools, the kind of a failure, and what cut the last answer."""

    tools: tuple[str, ...] = ()
    failure: str | None = None
    cut_by: str | None = None
    read: bool = True


USED = Outcome((FOLLOW_UP,))
READ = Outcome()
SILENT = Outcome(read=False)
NO_ANSWER = Outcome(failure="UnreadableAnswer", read=False)
LIMITED = Outcome(failure="RateLimitError", read=False)
RATE_LIMIT = {"error": {"message": "Provider returned error", "code": 429}}
IN_TAGS = f'<tool_call>\n{{"name": "{FOLLOW_UP}", "arguments": {TEXT}}}\n</tool_call>'
THOUGHT = "<think>\nOkay, the user wants to know whether these two"
BROKEN = '{"probability": 0.7, "recommendation": "YES", "reasoning": "They share'

KINDS_OF_SERVERS = {
    "good": (calling(call()), USED),
    "Mistral's ids": (
        unless(
            lambda m: any(not re.fullmatch("[a-zA-Z0-9]{9}", c["id"]) for c in made_calls(m)),
            "Tool call id must be a-z, A-Z, 0-9, with a length of 9.",
            calling(call(), call(id=""), call(id="a1b2c3d4e")),
        ),
        Outcome((FOLLOW_UP,) * 3),
    ),
    "only its own ids": (
        unless(lambda m: any(c["id"] != "a1b2c3d4e" for c in made_calls(m)), "No tool call found", calling(call())),
        USED,
    ),
    "no id": (calling({"function": {"name": FOLLOW_UP, "arguments": TEXT}}), USED),
    "an id that is no text": (calling(call(id=7)), USED),
    "no automatic tools": (
        unless(lambda _: True, '"auto" tool choice requires --enable-auto-tool-choice', calling(call())),
        Outcome(failure="BadRequestError", read=False),
    ),
    "one call a turn": (
        unless(
            lambda m: any(len(x.get("tool_calls") or []) > 1 for x in m),
            "This model only supports single tool-calls at once!",
            calling(call(), call(name=ENERGY, id="b1b2c3d4e")),
        ),
        Outcome((FOLLOW_UP, ENERGY)),
    ),
    "choices null": (body({"id": None, "choices": None} | RATE_LIMIT), LIMITED),
    "choices null one time in ten": (one_in(3, body({"choices": None} | RATE_LIMIT), calling(call())), USED),
    "choices empty": (body(says({"content": "x"}, choices=[])), NO_ANSWER),
    "choices of null": (body({"choices": [None]}), NO_ANSWER),
    "choices missing": (body({}), NO_ANSWER),
    "an error in a 200": (body({"error": {"message": "rate limited", "code": 429}}), LIMITED),
    "a wrong key in a 200": (
        body({"error": {"message": "No auth", "code": 401}}),
        Outcome(failure="AuthenticationError", read=False),
    ),
    "an error as text": (body({"error": "out of memory"}), NO_ANSWER),
    "an error in the choice": (always({"content": "x"}, "error"), NO_ANSWER),
    "message null": (body({"choices": [{"message": None}]}), NO_ANSWER),
    "a list": (body([]), NO_ANSWER),
    "a text": (body("ok"), NO_ANSWER),
    "null": (body(None), NO_ANSWER),
    "usage null": (always({"content": FINAL}, usage=None), READ),
    "usage of text": (always({"content": FINAL}, usage={"prompt_tokens": "10", "completion_tokens": "5"}), READ),
    "usage of lists": (always({"content": FINAL}, usage=[{"completion_tokens": []}]), READ),
    "finish reason null": (always({"content": FINAL}, None), READ),
    "finish reason a number": (always({"content": FINAL}, 3), READ),
    "content in parts": (
        always({"content": [{"type": "thinking", "text": "No"}, {"type": "text", "text": FINAL}]}),
        READ,
    ),
    "content an object": (always({"content": json.loads(FINAL)}), READ),
    "content a number": (always({"content": 0.7}), SILENT),
    "content null": (always({"content": None}), SILENT),
    "content missing": (always({}), SILENT),
    "half a character": (always({"content": "Great \ud83d " + FINAL}), READ),
    "half a character in the recommendation": (
        always({"content": '{"probability": 0.7, "recommendation": "\\ud83d"}'}),
        SILENT,
    ),
    "half a character in arguments": (calling(call('{"person_a": "\\ud83d"}')), USED),
    "half a character in a name": (calling(call(name="\udc00")), Outcome(("�",))),
    "arguments an object": (calling(call(ARGUMENTS)), USED),
    "arguments null": (calling(call(None)), USED),
    "arguments missing": (calling({"id": "1", "function": {"name": FOLLOW_UP}}), USED),
    "arguments empty": (calling(call("")), USED),
    "arguments twice encoded": (calling(call(json.dumps(TEXT))), USED),
    "arguments a list": (calling(call(["X", "Y"])), USED),
    "arguments a number": (calling(call(5)), USED),
    "arguments no JSON": (calling(call("{not json")), USED),
    "arguments not a number": (calling(call('{"person_a": NaN}')), USED),
    "arguments deep": (calling(call("[" * 3000 + "]" * 3000)), USED),
    "arguments unhashable": (calling(call('{"person_a": ["X"], "person_b": {}, "time_slot": 1}')), USED),
    "name null": (calling(call(name=None)), Outcome(("unnamed",))),
    "name blank": (calling(call(name=" ")), Outcome(("unnamed",))),
    "name a number": (calling(call(name=7)), Outcome(("7",))),
    "name an object": (calling(call(name={"a": 1})), Outcome(("unnamed",))),
    "call null": (calling(None), Outcome(("unnamed",))),
    "call null beside a good one": (calling(None, call()), USED),
    "call a text": (calling(FOLLOW_UP), USED),
    "call a number": (calling(7), Outcome(("unnamed",))),
    "calls an object": (calls_first({"tool_calls": call()}), USED),
    "a call of another type": (
        calling({"id": "1", "type": "custom", "custom": {"name": "x", "input": "y"}}),
        Outcome(("x",)),
    ),
    "a call without its wrapper": (calling({"name": FOLLOW_UP, "arguments": TEXT}), USED),
    "the legacy function call": (calls_first({"function_call": {"name": FOLLOW_UP, "arguments": "{}"}}), USED),
    "a call as text": (calls_first({"content": IN_TAGS}, "stop"), USED),
    "a call as text in thoughts": (always({"content": f"<think>{IN_TAGS}</think>{FINAL}"}), READ),
    "thoughts beside the answer": (always({"content": FINAL, "reasoning_content": "No, NO"}), READ),
    "thoughts alone": (always({"content": "", "reasoning_content": FINAL}), SILENT),
    "thoughts cut": (always({"content": THOUGHT}, "length"), Outcome(cut_by="length", read=False)),
    "an answer cut": (always({"content": BROKEN}, "length"), Outcome(cut_by="length", read=False)),
    "an answer cut, as Anthropic says it": (
        always({"content": FINAL}, "max_tokens"),
        Outcome(cut_by="length", read=False),
    ),
    "a call cut": (
        always({"content": "", "tool_calls": [call('{"person_a": "X')]}, "length"),
        Outcome(cut_by="length", read=False),
    ),
    "a call as text cut": (always({"content": IN_TAGS[:60]}, "length"), Outcome(cut_by="length", read=False)),
    "filtered": (always({"content": None}, "content_filter"), Outcome(cut_by="content_filter", read=False)),
    "refused": (always({"content": None, "refusal": "I cannot"}), Outcome(cut_by="content_filter", read=False)),
}


@pytest.mark.parametrize("kind", KINDS_OF_SERVERS)
def test_every_kind_of_server_is_understood_or_marked(serve, kind):
    behave, expected = KINDS_OF_SERVERS[kind]
    run = serve(behave).run("Should they meet?")
    assert tuple(run["tools_used"]) == expected.tools
    assert run.get("failure") == expected.failure
    assert run.get("cut_by") == expected.cut_by
    assert run["completed_naturally"] == (expected.failure is None and expected.cut_by is None)
    assert ('"recommendation": "YES"' in run["messages"][-1]["content"] and run["completed_naturally"]) == expected.read
    assert json.loads(json.dumps(run, ensure_ascii=False).encode()) == run
    assert sum(len(m.get("tool_calls") or []) for m in run["messages"]) == len(run["tools_used"])


def test_turns_that_were_taken_apart_stay_so_and_later_ones_are_not_refused_first(serve):
    refused = []
    two = calling(call(), call(name=ENERGY, id="b1b2c3d4e"))

    def behave(asked):
        if any(len(m.get("tool_calls") or []) > 1 for m in asked["messages"]):
            refused.append(True)
            return 400, {"error": {"message": "only single tool-calls"}}
        return two(asked)

    agent = serve(behave)
    runs = [agent.run("Should they meet?") for _ in range(2)]
    assert len(refused) == 1
    assert runs[0]["messages"] == runs[1]["messages"]
    roles = [(m["role"], len(m.get("tool_calls") or [])) for m in runs[0]["messages"][2:]]
    assert roles == [("assistant", 1), ("tool", 0), ("assistant", 1), ("tool", 0), ("assistant", 0)]
    made = made_calls(runs[0]["messages"])
    assert [m["tool_call_id"] for m in runs[0]["messages"] if m["role"] == "tool"] == [c["id"] for c in made]


def test_taken_apart_each_call_keeps_its_own_result():
    def said(*ids):
        return {"role": "assistant", "content": "Look.", "tool_calls": [{"id": i} for i in ids]}

    def result(call_id):
        return {"role": "tool", "tool_call_id": call_id, "content": f"of {call_id}"}

    end = {"role": "assistant", "content": "Done."}
    chat = [said("a", "b", "c"), result("c"), result("a"), result("b"), said("d"), result("d"), end]
    apart = one_call_a_turn(chat)
    assert [m.get("tool_call_id") or [c["id"] for c in m.get("tool_calls", [])] for m in apart] == [
        *(["a"], "a", ["b"], "b", ["c"], "c"),
        *(["d"], "d", []),
    ]
    assert [m["content"] for m in apart if m.get("tool_calls")] == ["Look.", "", "", "Look."]
    assert one_call_a_turn(apart) is apart
    nameless = [said(None, None), *({"role": "tool", "content": x} for x in "xy"), end]
    assert [m["content"] for m in one_call_a_turn(nameless)] == ["Look.", "x", "", "y", "Done."]
    assert one_call_a_turn([said("a", "b"), result("a")])[1:] == [result("a"), {**said("b"), "content": ""}]


# ----------------------------------------------------------------------------- calls as text, and thoughts

PYTHON_TAG = f'<|python_tag|>{{"name": "{FOLLOW_UP}", "parameters": {TEXT}}}'


@pytest.mark.parametrize(
    "text",
    [
        IN_TAGS,
        IN_TAGS.replace("\n", ""),
        IN_TAGS.removesuffix("</tool_call>"),
        f"[TOOL_CALLS] [{json.dumps({'name': FOLLOW_UP, 'arguments': ARGUMENTS})}]",
        f"[TOOL_CALLS]{FOLLOW_UP}[ARGS]{TEXT}",
        f"[TOOL_CALLS]{FOLLOW_UP}[CALL_ID]abcdefghi[ARGS]{TEXT}",
        PYTHON_TAG,
        f"<function={FOLLOW_UP}>{TEXT}</function>",
        f"<tool_call>\n<function={FOLLOW_UP}>\n"
        + "".join(f"<parameter={k}>\n{v}\n</parameter>\n" for k, v in ARGUMENTS.items())
        + "</function>\n</tool_call>",
        json.dumps({"name": FOLLOW_UP, "arguments": ARGUMENTS}),
        json.dumps({"name": FOLLOW_UP, "arguments": TEXT}),
        json.dumps({"tool_calls": [call()]}),
        f"```json\n{json.dumps({'name': FOLLOW_UP, 'parameters': ARGUMENTS})}\n```",
    ],
)
@pytest.mark.parametrize("words", ["", "First, the follow-up."])
def test_calls_written_as_text_are_calls(text, words):
    answer = read_answer(says({"content": f"{words}\n{text}\n"}), [FOLLOW_UP])
    assert answer.content == words
    (made,) = answer.calls
    assert made["function"]["name"] == FOLLOW_UP
    assert json.loads(made["function"]["arguments"]) == ARGUMENTS


@pytest.mark.parametrize(
    "text",
    [
        FINAL,
        json.dumps({"name": "rm", "arguments": {}}),
        json.dumps({"name": FOLLOW_UP}),
        json.dumps(json.loads(FINAL) | {"calls": [{"name": FOLLOW_UP, "arguments": {}}]}),
        json.dumps({"name": FOLLOW_UP, "arguments": {}}) + FINAL,
        f'{FINAL[:-1]}, "calls": [{{"name": "{FOLLOW_UP}", "arguments": {{}}}}',
        "[" * 100_000,
        '{"name":' * 30_000,
    ],
)
def test_an_answer_is_never_taken_for_a_call(text):
    assert calls_in_text(text, [FOLLOW_UP]) == (text, [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<think>No.</think>\n\nYes.", "Yes."),
        ("No.</think>Yes.", "Yes."),
        ("<think>No.", ""),
        ("Ye<THINK>No.</think>s.", "Yes."),
        ("[THINK]No.[/THINK]Yes.", "Yes."),
        (" Yes. ", " Yes. "),
    ],
)
def test_thoughts_are_taken_off(text, said):
    assert without_thoughts(text)[0] == said


def test_in_process_answers_are_read_to_the_letter():
    for text in (IN_TAGS, THOUGHT, f"<think>x</think>{FINAL}"):
        answer = read_answer(says({"content": text}))
        assert (answer.content, answer.calls) == (text, [])


def test_a_missing_or_repeated_id_gets_one_of_ours():
    earlier = [{"role": "assistant", "tool_calls": [{"id": "a"}, {"id": "call00002"}]}]
    ids = [c["id"] for c in with_own_ids([{"id": x} for x in ("b", "", "a", "b")], earlier)]
    assert ids[0] == "b"
    assert len({*ids, "a", "call00002"}) == 6
    assert all(re.fullmatch("[a-zA-Z0-9]{9}", x) for x in ids[1:])


# ----------------------------------------------------------------------------- anything at all

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from(
        [FINAL, IN_TAGS, PYTHON_TAG, THOUGHT, TEXT, FOLLOW_UP, "\ud83d", "length", "<tool_call>", "{", "null", '"{}"']
    )
)
anything = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=3), max_leaves=8
)

UNHURRIED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}


def mostly(shape):
    """What has the shape of an answer, and now and then anything."""
    return st.integers(0, 9).flatmap(lambda n: anything if n == 9 else shape)


def with_some(**fields):
    return mostly(st.fixed_dictionaries({}, optional=fields))


functions = with_some(name=mostly(st.just(FOLLOW_UP)), arguments=anything, parameters=anything, input=anything)
calls = with_some(id=mostly(st.just("a")), type=anything, function=functions, custom=functions, name=anything)
parts = st.lists(st.fixed_dictionaries({"type": scalars, "text": anything}), max_size=3)
messages = with_some(
    content=anything | parts,
    tool_calls=st.lists(calls, max_size=10),
    function_call=functions,
    refusal=scalars,
    reasoning_content=anything,
)
reasons = st.sampled_from([None, "stop", "length", "tool_calls", "content_filter"])
choices = mostly(st.fixed_dictionaries({"message": messages, "finish_reason": mostly(reasons)}))
bodies = mostly(
    st.fixed_dictionaries({"choices": mostly(st.lists(choices, min_size=1, max_size=2))}, optional={"usage": anything})
)


@given(bodies)
@settings(max_examples=400, **UNHURRIED)
def test_no_body_breaks_the_parser(response):
    try:
        answer = read_answer(response, [FOLLOW_UP])
    except UnreadableAnswer:
        return
    json.dumps(answer, ensure_ascii=False, allow_nan=False).encode()
    for made in answer.calls:
        assert isinstance(json.loads(made["function"]["arguments"], parse_constant=pytest.fail), dict)
        assert made["function"]["name"].strip()
    assert read_answer(as_completion(answer), [FOLLOW_UP]) == answer


@given(st.text())
@settings(max_examples=200, **UNHURRIED)
def test_no_text_breaks_the_parser(text):
    for body in (text, json.dumps(text), "[" * 5000 + text):
        status, told = plain_answer(body, [FOLLOW_UP])
        assert status == 502
        json.dumps(told, ensure_ascii=False).encode()


@pytest.fixture(scope="module")
def agent():
    return AgentToolLoop("balanced", "m", "openai", "http://127.0.0.1:9/v1")


@given(st.lists(bodies, min_size=1, max_size=3))
@settings(max_examples=150, **UNHURRIED)
def test_no_answer_breaks_a_run(agent, answers):
    """The whole way through litellm and npcpy, with the network left out."""
    import httpx

    raised = []

    def answer(_client, request, **_):
        try:
            check_request(json.loads(request.content))
            turns = sum(m["role"] == "assistant" for m in json.loads(request.content)["messages"])
            status, told = plain_answer(json.dumps(answers[turns % len(answers)]), [FOLLOW_UP])
            # 502 would be tried again.
            return httpx.Response(400 if status == 502 else status, json=told, request=request)
        except Exception as error:  # the OpenAI client would take it for the network's
            raised.append(error)
            raise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlainAnswers, "send", answer)
        run = agent.run("Should they meet?")
    assert raised == []
    assert json.loads(json.dumps(run, ensure_ascii=False).encode()) == run


@given(bodies)
@settings(max_examples=150, **UNHURRIED)
def test_no_response_of_a_library_breaks_a_run(agent, response):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("npcpy.llm_funcs.get_llm_response", lambda *_, **__: {"raw_response": response})
        run = agent.run("Should they meet?")
    assert json.loads(json.dumps(run, ensure_ascii=False).encode()) == run
