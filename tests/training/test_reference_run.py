"""The committed artifacts belong together, and have the form that other programs read."""

import json
import re
from pathlib import Path

from data_classes import Trajectory
from meeting_agent.agent.claims import UNGROUNDED
from meeting_agent.common.files import digest, read_json

SFT = "models/sft_prediction_model_gemma_270m"


def test_committed_artifacts_belong_together():
    log = read_json(Path(SFT) / "training_log.json", "starter_sft.py")["sha256"]
    assert log == {
        "data": digest(Path("data/sft_training_data.csv")),
        "base": digest(Path("models/base/model.safetensors")),
    }
    log = read_json(Path("models/dpo_aligned_adapter/training_log.json"), "starter_agentic_rlft.py")["sha256"]
    assert log["sft"] == digest(Path(SFT) / "adapter_model.safetensors")
    assert log["pairs"] == digest(Path("trajectories/preference_pairs.json"))
    summary = read_json(Path("trajectories/agent_traces.summary.json"), "starter_agentic_traces.py")
    assert summary["sha256"]["adapter"] == digest(Path(SFT) / "adapter_model.safetensors")
    assert summary["sha256"]["traces"] == digest(Path("trajectories/agent_traces.json"))


def test_committed_pairs_come_from_the_committed_trajectories(pairs):
    traces = {t["id"]: t for t in read_json(Path("trajectories/agent_traces.json"), "starter_agentic_traces.py")}
    for pair in pairs:
        if pair.chosen_id.startswith("corpus-"):
            continue
        chosen, rejected = traces[pair.chosen_id], traces[pair.rejected_id.removesuffix(UNGROUNDED)]
        made_up = chosen is rejected
        assert pair.prompt + pair.chosen == chosen["messages"]
        assert (pair.prompt + pair.rejected != rejected["messages"]) == made_up
        assert round(pair.chosen_reward - pair.rejected_reward, 6) >= 0.05


def test_committed_traces_are_the_contract():
    traces = read_json(Path("trajectories/agent_traces.json"), "starter_agentic_traces.py")
    needed = {"id", "scenario_id", "system_prompt_name", "sample_index", "initial_user_prompt", "messages"}
    needed |= {"tools_used", "total_iterations", "completed_naturally", "final_recommendation_parsed"}
    needed |= {"ground_truth", "true_outcome", "reward", "policy", "seed"}
    said = {"recommendation", "probability", "reasoning"}
    assert len(traces) >= 50
    for trace in traces:
        assert needed <= trace.keys()
        assert trace["final_recommendation_parsed"] is None or trace["final_recommendation_parsed"].keys() == said
        assert Trajectory.from_json(trace).to_json() == trace
        assert re.match(r"c\d+-\d+-\d+-day\d", trace["scenario_id"])
        for message in trace["messages"]:
            for call in message.get("tool_calls") or []:
                json.loads(call["function"]["arguments"])
