"""What README and guides show is real: the conversation before and after DPO, and the examples of one's own code."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from data_classes import Recommendation, Trajectory
from meeting_agent.agent.tool_calls import ToolError, checked_arguments, tool_schemas
from meeting_agent.agent.trajectory_file import TraceFile
from meeting_agent.common.files import InputError
from meeting_agent.inference.engine import Completion
from meeting_agent.inference.loading import load_tokenizer
from meeting_agent.inference.provider import MODEL, PROVIDER, serve_engine
from meeting_agent.report.readme_example import choose_example, fill_readme, is_telling, readme_example
from meeting_agent.training.rows import dialogue_row
from starter_agentic_traces import AgentToolLoop

README = Path("README.md")
EVALUATION = Path("trajectories/evaluation_traces.json")
GUIDE = Path("docs/guides/your_tools_and_reward.md")
OWN_TASK = Path("docs/guides/your_own_task.md")


# ----------------------------------------------------------------------------- the conversation


def test_the_conversation_in_the_readme_is_in_the_committed_evaluation():
    readme = README.read_text(encoding="utf-8")
    assert readme == fill_readme(readme, TraceFile(EVALUATION))


def test_a_readme_without_markers_is_refused():
    with pytest.raises(InputError, match="markers"):
        fill_readme("# nothing here", TraceFile(EVALUATION))


def rollout(scenario: str, policy: str, said: str, tools: int, truth: str = "NO", p: float = 0.2) -> Trajectory:
    answer = {"role": "assistant", "content": f"I say {said}."}
    return Trajectory(
        id=f"{scenario}-{policy}",
        scenario_id=scenario,
        system_prompt_name="cautious",
        sample_index=0,
        initial_user_prompt="Should they meet?",
        messages=[{"role": "system", "content": ""}, {"role": "user", "content": "Should they meet?"}, answer],
        tools_used=["a"] * tools,
        total_iterations=1,
        completed_naturally=True,
        tokens=1,
        final_recommendation_parsed=Recommendation(said, None, None),
        ground_truth=p,
        true_outcome=truth,
        happened=truth,
        policy=policy,
        seed=1,
        reward=1.0 if said == truth else 0.1,
    )


def test_the_example_is_the_first_in_which_one_more_call_corrects_the_answer():
    coin_flip = (rollout("a", "sft", "YES", 2, p=0.45), rollout("a", "dpo", "NO", 3, p=0.45))
    same_calls = (rollout("b", "sft", "YES", 2), rollout("b", "dpo", "NO", 2))
    telling = (rollout("c", "sft", "YES", 2), rollout("c", "dpo", "NO", 3))
    assert [is_telling(*both) for both in (coin_flip, same_calls, telling)] == [False, False, True]
    assert choose_example([coin_flip, same_calls, telling]) == telling
    assert choose_example([coin_flip, same_calls]) == coin_flip
    before, after = telling
    assert is_telling(before, replace(after, reward=0.96))
    assert not is_telling(before, replace(after, reward=0.95)), "a fault"
    assert not is_telling(before, replace(after, happened="YES")), "it was right, and something else happened"


def test_the_example_says_how_often_dpo_wins_and_loses():
    rollouts = [
        *(rollout("won", "sft", "YES", 2), rollout("won", "dpo", "NO", 3)),
        *(rollout("lost", "sft", "NO", 2), rollout("lost", "dpo", "YES", 3)),
        rollout("alone", "sft", "YES", 2),
    ]
    written = " ".join(readme_example(rollouts).split())
    assert "One of 2 held-out meetings" in written
    assert "DPO turned 1 wrong answers into right ones and 1 right ones into wrong ones" in written
    with pytest.raises(InputError, match="before and after DPO"):
        readme_example(rollouts[-1:])


# ----------------------------------------------------------------------------- tools and reward of one's own


def code_of(page: Path) -> str:
    (block,) = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)
    return block


@pytest.fixture(scope="module")
def own_module() -> ModuleType:
    """The guide's `my_conference.py`, imported."""
    module = ModuleType("my_conference")
    exec(compile(code_of(GUIDE), "my_conference.py", "exec"), vars(module))
    return module


class ScriptedEngine:
    """Writes what it was told to, one answer after the other, and keeps what it was asked."""

    def __init__(self, answers):
        self.answers, self.prompts = list(answers), []
        self.tokenizer = load_tokenizer("models/base")
        self.prefix_cache = SimpleNamespace(clear=lambda: None)

    def generate(self, requests):
        self.prompts += [r.prompt for r in requests]
        return [Completion(self.answers.pop(0), 1, 1) for _ in requests]


def call(name, **arguments):
    return f"Next.<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def test_a_tool_of_ones_own_is_shown_called_and_checked(own_module):
    assert len(code_of(GUIDE).splitlines()) < 50
    name = "count_meetings_so_far"
    task = own_module.MyConference()
    (scenario,) = next(task.scenarios("traces", 1, 1))
    tools = task.tools([scenario], lambda _prompt: {"probability": 0.5, "reason": ""})
    closing = '{"probability": 0.70, "recommendation": "YES", "reasoning": "rested"}'
    answers = [call(name, **scenario.arguments | {"person_b": 7}), call(name, **scenario.arguments), closing]
    engine, seen = ScriptedEngine(answers), []
    batcher, loop = serve_engine(engine), AgentToolLoop("balanced", MODEL, PROVIDER, tools=tools)
    (played,) = batcher.play([lambda: loop.run("Should they meet?", on_message=seen.append)])
    assert f"{name}(person_a, person_b, time_slot): How many meetings both have had today" in engine.prompts[0]
    wrong, good = [json.loads(m["content"]) for m in played["messages"] if m["role"] == "tool"]
    assert wrong == {"error": f"{name} needs person_a, person_b and time_slot as text"}
    meeting = scenario.subject
    assert good == {
        "meetings_a": meeting.person_a.meetings_today,
        "meetings_b": meeting.person_b.meetings_today,
    }
    assert played["tools_used"] == [name, name]
    assert played["completed_naturally"]
    assert seen == played["messages"][2:]


def test_rehearsals_go_on_with_a_tool_of_ones_own(own_module):
    task, tokenizer = own_module.MyConference(), load_tokenizer("models/base")
    schemas = tool_schemas(task.tools([], lambda _prompt: {}))
    assert [schema["function"]["name"] for schema in schemas].count("count_meetings_so_far") == 1
    chats = list(task.rehearsals(20, 1))
    rows = [dialogue_row(tokenizer, messages, schemas if uses_tools else None) for messages, uses_tools in chats]
    assert len(rows) == 20


def test_arguments_are_checked_against_any_signature():
    def tool(name: str, minutes: int, share: float = 0.5, strict: bool = False) -> dict:
        return {}

    for arguments in ({"name": "a", "minutes": 5}, {"name": "a", "minutes": 5, "share": 1, "strict": True}):
        assert checked_arguments(tool, arguments) == arguments
    for arguments in (
        {"name": "a"},
        {"name": "a", "minutes": "5"},
        {"name": "a", "minutes": True},
        {"name": "a", "minutes": 5, "share": "high"},
        {"name": "a", "minutes": 5, "more": 1},
        ["a", 5],
        None,
    ):
        with pytest.raises(
            ToolError, match="tool needs name as text, minutes as a whole number, share as a number and"
        ):
            checked_arguments(tool, arguments)


def test_a_reward_of_ones_own_counts(own_module):
    task = own_module.MyConference()
    right = rollout("a", "sft", "NO", 0)
    right.tools_used = ["a", "b"]
    assert task.reward(right) == pytest.approx(0.96)
    right.tools_used = ["a", "b", "c"]
    assert task.reward(right) == pytest.approx(0.92)  # the third call has the usual price too
    right.final_recommendation_parsed = None
    assert task.reward(right) == -1.0


# ----------------------------------------------------------------------------- a task of one's own


def test_the_guide_on_ones_own_task_names_the_whole_protocol():
    from meeting_agent.agent.environment import Environment

    members = set(Environment.__annotations__) | {n for n in vars(Environment) if not n.startswith("_")}
    named = set(re.findall(r"^\| `(\w+)", OWN_TASK.read_text(encoding="utf-8"), re.M))
    assert named == members


def test_the_guide_on_ones_own_task_calls_what_is_there():
    """Its code is that of the second environment's test, which runs; here its names and settings are looked up."""
    module = ModuleType("own_task")
    exec(compile(code_of(OWN_TASK), "own_task.py", "exec"), vars(module))
    assert callable(module.run)
    settings = module.RLFTConfig(**dict.fromkeys(re.findall(r"^        (\w+)=", code_of(OWN_TASK), re.M), "x"))
    assert settings.pairs_path == "x"
