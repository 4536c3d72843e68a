"""A killed run of agents goes on after its finished blocks, alone or as several processes, and ends the same."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from data_classes import Trajectory
from meeting_agent.agent.blocks import UnfinishedRollouts
from meeting_agent.common.files import read_json, write_json, write_json_array
from meeting_agent.common.outputs import Output
from meeting_agent.conference import Conference
from meeting_agent.evaluation import held_out
from meeting_agent.inference.predictor import Predictor
from meeting_agent.world.scenarios import MAX_MEETINGS, conferences, make_scenarios
from starter_agentic_rlft import RLFTConfig, play_evaluation
from starter_agentic_traces import AgentTraceCollector
from tests.records import rollout

ASKED = {"seed": 1}
ALONE = SimpleNamespace(is_main_process=True, wait_for_everyone=lambda: None)


@pytest.fixture
def result(tmp_path):
    return Output("--traces_path", tmp_path / "agent_traces.json", "trajectories")


def unfinished_with(result, *blocks, asked=ASKED):
    unfinished = UnfinishedRollouts(result, asked, ALONE)
    for number, block in enumerate(blocks):
        unfinished.add(number, block)
    return unfinished


def test_keeps_whole_blocks_in_order(result):
    unfinished_with(result, [rollout("a"), rollout("b")]).add(11, [rollout("d")])
    UnfinishedRollouts(result, ASKED, ALONE).add(2, [rollout("c")])
    again = UnfinishedRollouts(result, ASKED, ALONE)
    assert [again.holds(n) for n in (0, 1, 2, 11)] == [True, False, True, True]
    assert [t.id for t in again.trajectories()] == ["a", "b", "c", "d"]


def test_a_block_that_was_cut_while_written_does_not_count(result):
    unfinished = unfinished_with(result, [rollout("a")])
    (unfinished.folder / ".block-00000001.partial.json").write_text('[{"id"')
    again = UnfinishedRollouts(result, ASKED, ALONE)
    assert not again.holds(1)
    assert [t.id for t in again.trajectories()] == ["a"]


@pytest.mark.parametrize("damage", ["", '[{"id": "a"}', "\0" * 30, "{}"])
def test_a_block_that_a_power_cut_damaged_is_played_again(result, capsys, damage):
    unfinished = unfinished_with(result, [rollout("a")], [rollout("b")])
    (unfinished.folder / "block-00000001.json").write_text(damage)
    again = UnfinishedRollouts(result, ASKED, ALONE)
    assert (again.holds(0), again.holds(1)) == (True, False)
    assert "block-00000001.json is damaged" in capsys.readouterr().out


def test_runs_that_were_asked_for_something_else_keep_their_own_blocks(result, tmp_path):
    unfinished_with(result, [rollout("a")])
    other = unfinished_with(result, [rollout("b")], asked={"seed": 2})
    assert [t.id for t in other.trajectories()] == ["b"]
    other.delete()
    again = UnfinishedRollouts(result, ASKED, ALONE)
    assert [t.id for t in again.trajectories()] == ["a"]
    again.delete()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_when_done(result, tmp_path):
    unfinished_with(result, [rollout("a")]).delete()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("items", [[], [1], [{"a": ["é\n", {}]}, [], "x", [{"b": None}]]])
def test_an_array_written_item_by_item_is_the_same(tmp_path, items):
    write_json(tmp_path / "whole.json", items)
    write_json_array(tmp_path / "streamed.json", iter(items))
    assert (tmp_path / "streamed.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_large_runs_get_further_conferences():
    first, second = conferences("traces", 5, MAX_MEETINGS + 3)
    assert (len(first), len(second)) == (MAX_MEETINGS, 3)
    assert first == make_scenarios("traces", 5, MAX_MEETINGS)
    ids = [s.scenario_id for s in first + second]
    assert len(set(ids)) == len(ids)
    energies = {s.subject.person_a.energy for s in first}
    assert not energies & {s.subject.person_a.energy for s in second}


def test_blocks_do_not_depend_on_which_were_played_before():
    predictor = Predictor("models/base")

    def blocks(wanted=None):
        collector = AgentTraceCollector(predictor, make_scenarios("traces", 7, 8), 1.0, 7)
        play = collector.agents_on(predictor.engine)
        return list(collector.collect(play, 3, "sft", 8, wanted))

    whole = blocks()
    assert len(whole) == 3
    assert whole == blocks()
    assert whole[2:] == blocks([2])


def test_the_evaluation_goes_on_after_its_finished_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(held_out, "CONCURRENT_AGENTS", 2)
    config = RLFTConfig(num_eval_scenarios=3, pairs_path=str(tmp_path / "preference_pairs.json"))
    task, predictor = Conference(), Predictor(config.sft_model_path)
    groups = list(task.scenarios("evaluation", config.eval_seed, config.num_eval_scenarios))

    def play() -> list[Trajectory]:
        return list(play_evaluation(config, task, predictor, groups).trajectories())

    whole = play()
    wanted = [s.scenario_id for s in groups[0]]
    assert [(t.policy, t.scenario_id) for t in whole] == [(p, w) for p in ("sft", "dpo") for w in wanted]

    first, second, _, last = sorted(tmp_path.glob(".evaluation_traces.json.unfinished/*/block-*.json"))
    kept = read_json(first, "")
    write_json(first, [kept[0] | {"tokens": -1}, kept[1]])
    for lost in (second, last):
        lost.unlink()
    assert play() == [replace(whole[0], tokens=-1), *whole[1:]]
    config.eval_temperature = 0.5
    assert all(t.tokens > 0 for t in play())
