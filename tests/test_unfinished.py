"""A killed phase 2 goes on after its last finished block, and ends as if it had never been killed."""

import json

import pytest

from data_classes import MeetingPredictor
from starter_agentic_traces import AgentTraceCollector, UnfinishedTraces, make_scenarios

ASKED = {"seed": 1}


@pytest.fixture
def result(tmp_path):
    return tmp_path / "agent_traces.json"


def add_blocks(result, *blocks, asked=ASKED):
    with UnfinishedTraces(result, asked) as unfinished:
        for block in blocks:
            unfinished.add(block)
    return unfinished


def test_goes_on_after_whole_blocks_only(result):
    path = add_blocks(result, [{"id": "a"}, {"id": "b"}], [{"id": "c"}]).path
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        kept = [t["id"] for t in UnfinishedTraces(result, ASKED).kept]
        assert kept in ([], ["a", "b"])
    path.write_bytes(whole)
    assert [t["id"] for t in UnfinishedTraces(result, ASKED).kept] == ["a", "b", "c"]


def test_another_question_starts_anew(result):
    add_blocks(result, [{"id": "a"}])
    assert UnfinishedTraces(result, {"seed": 2}).kept == []
    assert UnfinishedTraces(result, ASKED).kept == []


def test_nothing_is_left_when_done(result, tmp_path):
    add_blocks(result, [{"id": "a"}]).delete()
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_goes_on_equals_one_that_never_stopped():
    predictor = MeetingPredictor("models/base")

    def blocks(skip=0):
        collector = AgentTraceCollector(predictor, make_scenarios("traces", 7, 8), 1.0, 7)
        with collector.agents_on(predictor.engine) as play:
            return [json.dumps(b) for b in collector.collect(play, 3, "sft", 8, skip)]

    whole = blocks()
    assert len(whole) == 3
    assert whole == blocks()
    assert whole[2:] == blocks(skip=16)
