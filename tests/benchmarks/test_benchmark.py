"""The benchmark's peers do the same work as we do, or the ratios would say nothing."""

import json
import shutil

import pytest

from meeting_agent.benchmarks.comparisons import figures_of_other_parts
from meeting_agent.benchmarks.rollout_peers import SequentialEngine, check_holds_no_code, npcpy_trajectory
from meeting_agent.common.files import InputError
from meeting_agent.inference.predictor import Predictor
from meeting_agent.world.scenarios import make_scenarios
from starter_agentic_traces import AgentTraceCollector

SFT = "models/sft_prediction_model_gemma_270m"


def test_one_agent_at_a_time_plays_what_many_play():
    predictor = Predictor(SFT)
    collector = AgentTraceCollector(predictor, make_scenarios("evaluation", 5, 6), 0.0, 5)
    played = []
    for engine in (predictor.engine, SequentialEngine(predictor.engine)):
        play = collector.agents_on(engine)
        played.append([trace for block in collector.collect(play, 1, "benchmark") for trace in block])
    ours, theirs = ([t.tools_used for t in traces] for traces in played)
    assert ours == theirs
    assert min(map(len, ours)) >= 1


def test_npcpys_own_provider_calls_tools():
    predictor = Predictor(SFT)
    scenarios = make_scenarios("evaluation", 5, 2)
    tools = AgentTraceCollector(predictor, scenarios, 0.0, 5).tools
    conversations = [npcpy_trajectory(SFT, predictor.engine.tokenizer, s, tools) for s in scenarios]
    assert any(m["role"] == "tool" and "error" not in m["content"] for c in conversations for m in c)


@pytest.mark.parametrize("brings", ["a file", "a configuration", "a hub name"])
def test_a_peer_that_would_run_code_is_given_none(tmp_path, brings):
    check_holds_no_code(SFT)
    adapter = tmp_path / "adapter"
    shutil.copytree(SFT, adapter)
    if brings == "a file":
        (adapter / "modeling_x.py").write_text("")
    else:
        told = {"a configuration": {"auto_map": {}}, "a hub name": {"base_model_name_or_path": "them/theirs"}}[brings]
        settings = json.loads((adapter / "adapter_config.json").read_text())
        (adapter / "adapter_config.json").write_text(json.dumps(settings | told))
    with pytest.raises(InputError, match="code of its own"):
        check_holds_no_code(str(adapter))


def test_figures_of_parts_that_are_not_run_stay_if_they_were_measured_alike(tmp_path, capsys):
    output = tmp_path / "benchmark.json"
    origin = {"machine": "m", "versions": {"torch": "1"}, "quick": False}
    assert figures_of_other_parts(output, origin) == {}
    written = origin | {"comparisons": [{"name": "a"}], "growth": []}
    output.write_text(json.dumps(written), encoding="utf-8")
    assert figures_of_other_parts(output, origin) == written
    assert capsys.readouterr().out == ""
    for changed in ({"machine": "n"}, {"versions": {"torch": "2"}}, {"quick": True}):
        assert figures_of_other_parts(output, origin | changed) == {}
        assert f"measured with other {next(iter(changed))}: its figures will be replaced" in capsys.readouterr().out
