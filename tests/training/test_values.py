"""What a rollout is worth, by each way of ranking."""

from itertools import islice
from pathlib import Path

import pytest

from meeting_agent.agent.trajectory_file import TraceFile
from meeting_agent.common.files import InputError, read_json
from meeting_agent.conference import Conference
from meeting_agent.inference.engine import Engine
from meeting_agent.training.values import check_ranking, rollout_values, shuffled_rewards
from starter_agentic_rlft import RLFTConfig
from tests.records import rollout

SFT = Path("models/sft_prediction_model_gemma_270m")


@pytest.fixture(scope="module")
def traces():
    return list(islice(TraceFile(Path("trajectories/agent_traces.json")), 24))


def values_by(ranking, traces, folder):
    return rollout_values(RLFTConfig(ranking=ranking, fp32=True), Conference(), traces, SFT, folder)


def test_observed_values_are_the_rewards_of_those_who_answered(tmp_path):
    some = [rollout("a", reward=1.0), rollout("b", "NO", reward=0.1), rollout("c", None, reward=-1.0)]
    assert values_by("observed", some, tmp_path) == {"a": 1.0, "b": 0.1}


def test_shuffled_rewards_stay_within_their_scenario():
    some = [rollout(f"s{s}-{i}", scenario_id=f"s{s}", reward=s / 10 + i / 1000) for s in range(9) for i in range(6)]
    values = shuffled_rewards(some, seed=3)
    for s in range(9):
        names = [f"s{s}-{i}" for i in range(6)]
        assert sorted(values[name] for name in names) == [s / 10 + i / 1000 for i in range(6)]
    assert sum(values[one.id] != one.reward for one in some) > len(some) / 2
    assert shuffled_rewards(some, seed=3) == values
    assert shuffled_rewards(some, seed=4) != values


def test_expected_values_are_what_the_policy_itself_expects(traces, tmp_path):
    values = values_by("expected", traces, tmp_path)
    readable = [one for one in traces if one.recommendation in ("YES", "NO")]
    assert values.keys() == {one.id for one in readable}
    assert read_json(tmp_path / "values.json", "the test") == values
    assert all(0.1 <= value <= 1.0 for value in values.values())
    assert len(set(values.values())) > len(readable) / 3
    # The policy that wrote an answer reads about the number that it wrote.
    task = Conference()
    gaps = [abs(values[one.id] - task.expected_reward(one, one.probability)) for one in readable]
    assert sum(gaps) / len(gaps) < 0.05


def test_a_number_is_read_where_it_stands(traces, tmp_path):
    from meeting_agent.agent.tool_calls import no_prediction, tool_schemas
    from meeting_agent.training.values import closing_prompts

    engine = Engine("models/base", str(SFT), fp32=True)
    tools = tool_schemas(Conference().tools([], no_prediction))
    for one, prompt in closing_prompts(engine.tokenizer, traces[:4], tools):
        last = one.messages[-1]["content"]
        assert prompt.endswith(last[: last.rindex('{"probability": 0.') + len('{"probability": 0.')])
    assert not list(closing_prompts(engine.tokenizer, traces[:4], tools, positions=10))


def test_an_unknown_ranking_is_refused():
    check_ranking("observed")
    with pytest.raises(InputError, match="expected, observed, shuffled"):
        check_ranking("best")
