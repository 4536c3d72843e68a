"""Cases of phase 3: trajectories, settings, outputs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from meeting_agent.agent.trajectory_file import companion
from meeting_agent.common.files import ADAPTER_WEIGHTS
from meeting_agent.reliability.bad_input_cases.case import TRACES, Case, Prepare, cut, nothing
from meeting_agent.reliability.bad_input_cases.hand_offs import adapter_cases, own_cases
from meeting_agent.reliability.bad_input_cases.outputs import file_cases, output_cases

SCRIPT = "starter_agentic_rlft"


def traces(change: Callable[[list], object] | None = None, summary: bool = True) -> Prepare:
    """Forty trajectories of the reference run, changed in place; `change` may also return what to write instead."""

    def prepare(here: Path) -> None:
        some = json.loads(TRACES.read_text(encoding="utf-8"))[:40]
        instead = change(some) if change else None
        (here / "traces.json").write_text(json.dumps(some if instead is None else instead), encoding="utf-8")
        if summary:
            shutil.copy(companion(TRACES, "summary"), here / "traces.summary.json")

    return prepare


def put(**values: object) -> Callable[[list], object]:
    return lambda some: some[3].update(values)


def take_out(name: str) -> Callable[[list], object]:
    def change(some: list) -> None:
        del some[3][name]

    return change


def trajectory_cases() -> list[Case]:
    changes: dict[str, tuple[Prepare, str]] = {
        "none": (nothing, "run starter_agentic_traces.py first"),
        "cut": (lambda here: (here / "traces.json").write_text('[{"id": '), "cannot be read as JSON"),
        "no text": (lambda here: (here / "traces.json").write_bytes(b"\xff\xfe"), "cannot be read as JSON"),
        "deeply nested": (lambda here: (here / "traces.json").write_text("[" * 10**6), "cannot be read"),
        "empty": (traces(lambda some: []), "holds no trajectories"),
        "an object": (traces(lambda some: {"traces": some}), "holds no trajectories"),
        "no objects": (traces(lambda some: [1, 2]), "trajectory 0: is no object"),
        "reward as text": (traces(put(reward="good")), "trajectory 3: reward is 'good'"),
        "reward NaN": (traces(put(reward=float("nan"))), "cannot be read as JSON"),
        "reward too high": (traces(put(reward=5)), "trajectory 3: reward is 5"),
        "messages as text": (traces(put(messages="hello")), "trajectory 3: messages is 'hello'"),
        "no messages": (traces(put(messages=[])), "trajectory 3: messages are not"),
        "messages without role": (traces(put(messages=[{"content": "x"}] * 3)), "trajectory 3: messages are not"),
        "tools as a number": (traces(put(tools_used=2)), "trajectory 3: tools_used is '2'"),
        "twice the same": (traces(lambda some: some + some[:1]), "occurs twice"),
        "nothing to prefer": (
            traces(lambda some: [t | {"final_recommendation_parsed": "YES", "reward": 1.0} for t in some]),
            "no scenario has a better and a worse",
        ),
        "no summary": (traces(summary=False), "traces.summary.json is missing"),
    }
    changes |= {
        f"without {name}": (traces(take_out(name)), f"trajectory 3: {name} is missing")
        for name in ("id", "scenario_id", "initial_user_prompt", "messages", "tools_used", "reward", "true_outcome")
    }
    return [Case(SCRIPT, f"trajectories: {name}", says, {}, prepare) for name, (prepare, says) in changes.items()]


def rlft_cases() -> list[Case]:
    cases = trajectory_cases()
    settings = {
        "beta": (0, -0.1),
        "sft_weight": (-1,),
        "learning_rate": (0, "inf"),
        "loraplus_ratio": (0,),
        "max_steps": (0,),
        "per_device_train_batch_size": (-8,),
        "min_reward_gap": (0,),
        "outcome_epochs": (-1,),
        "outcome_weight": (-1,),
        "outcome_learning_rate": (0,),
        "outcome_loraplus_ratio": (0,),
        "ranking": ("best",),
        "preference_weight": (-1,),
        "max_pairs": (0,),
        "num_eval_scenarios": (0, 1_000_000),
        "eval_seed": (-1,),
        "eval_temperature": (-0.5,),
    }
    for name, values in settings.items():
        for value in values:
            cases.append(Case(SCRIPT, f"{name} {value}", f"--{name} is", {name: value}, traces()))
    given = {"results_dir": "{here}/traces.json/results"}
    cases.append(Case(SCRIPT, "results inside a file", "cannot be written", given, traces()))
    cases += output_cases(SCRIPT, "adapter_path", traces())
    cases += output_cases(SCRIPT, "results_dir", traces())[:5]
    cases += file_cases(SCRIPT, "pairs_path", "{here}/traces.json", traces())
    for name, given in {
        "results over the adapter": {"results_dir": "{here}/out/dpo"},
        "pairs over the summary": {"pairs_path": "{here}/traces.summary.json"},
        "pairs inside the results": {"pairs_path": "{here}/out/results/pairs.json"},
        "adapter inside the results": {"results_dir": "{here}/out"},
    }.items():
        cases.append(Case(SCRIPT, name, "reads: give" if "summary" in name else "give each", given, traces()))
    adapters: dict[str, tuple[Prepare, str]] = {
        "other weights": (lambda a: cut(a / ADAPTER_WEIGHTS), "was not played by")
    }
    return cases + adapter_cases(SCRIPT, traces(), adapters) + own_cases(SCRIPT, traces())
