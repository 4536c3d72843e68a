"""Which agents share a batch depends on their conversations, never on timing."""

import random
import time
from functools import partial

import pytest

from meeting_agent.common.stopping import RunStopped
from meeting_agent.inference.engine import Completion, Request
from meeting_agent.inference.prefix_cache import PrefixCache
from meeting_agent.inference.provider import Batcher


class RecordingEngine:
    """Answers with nothing, and remembers who was asked together."""

    def __init__(self):
        self.batches: list[list[str]] = []
        self.prefix_cache = PrefixCache(1)

    def generate(self, requests):
        self.batches.append([f"{r.session}:{r.prompt}" for r in requests])
        if any(r.prompt == "broken" for r in requests):
            raise RuntimeError("the engine broke")
        if any(r.prompt == "stop" for r in requests):
            raise KeyboardInterrupt
        return [Completion("", 0, 0) for _ in requests]


def play_all(turns: list[int], seed: int) -> list[list[str]]:
    """Agents of 0 or more turns that take a random time to think; returns the batches."""
    engine = RecordingEngine()
    batcher = Batcher(engine)
    rng = random.Random(seed)
    pauses = [[rng.random() * 0.004 for _ in range(n)] for n in turns]

    def agent(number: int) -> None:
        for turn in range(turns[number]):
            time.sleep(pauses[number][turn])
            batcher.submit(Request(f"turn {turn}", session=f"agent {number}")).result(timeout=10)

    batcher.play([partial(agent, number) for number in range(len(turns))])
    return engine.batches


@pytest.mark.parametrize("agents", [1, 5, 40])
def test_batches_are_the_same_whatever_the_timing(agents):
    turns = [random.Random(i).randint(0, 5) for i in range(agents)]
    first = play_all(turns, seed=1)
    assert sorted(map(len, first), reverse=True) == [n for t in range(5) if (n := sum(x > t for x in turns))]
    assert all(play_all(turns, seed) == first for seed in range(2, 8))


def test_a_broken_engine_ends_the_run_as_itself_and_the_next_one_goes_on():
    engine = RecordingEngine()
    batcher = Batcher(engine)
    ended = []

    def ask(prompt: str) -> str:
        try:
            return batcher.submit(Request(prompt, session=prompt)).result(timeout=10).text
        except RunStopped:
            ended.append(prompt)
            raise

    with pytest.raises(RuntimeError, match="broke"):
        batcher.play([lambda: ask("broken")])
    assert ended == ["broken"]
    assert batcher.play([lambda: ask("fine")]) == [""]
    assert engine.batches == [["broken:broken"], ["fine:fine"]]


def test_ctrl_c_ends_everybody_at_once():
    """Those who wait and those who would ask later: none is left hanging."""
    engine = RecordingEngine()
    batcher = Batcher(engine)
    ended = []

    def agent(number: int) -> None:
        for _ in range(3):
            try:
                batcher.submit(Request("stop", session=str(number))).result(timeout=10)
            except RunStopped:
                ended.append(number)

    with pytest.raises(KeyboardInterrupt):
        batcher.play([partial(agent, number) for number in range(4)])
    assert sorted(ended) == sorted([*range(4)] * 3)


def test_ctrl_c_while_agents_are_being_started_ends_those_that_have():
    class Interrupted(list):
        def __iter__(self):
            yield from super().__iter__()
            raise KeyboardInterrupt

    batcher = Batcher(RecordingEngine())
    ended = []

    def agent() -> None:
        with pytest.raises(RunStopped, match="stopped"):
            batcher.submit(Request("fine")).result(timeout=10)
        ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        batcher.play(Interrupted([agent, agent]))
    assert ended == [True, True]
