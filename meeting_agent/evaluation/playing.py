"""The held-out scenarios, played by the policy before DPO and by the aligned one."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from data_classes import Scenario
from meeting_agent.agent.blocks import UnfinishedRollouts
from meeting_agent.agent.environment import Environment
from meeting_agent.common.files import ADAPTER_WEIGHTS, digests
from meeting_agent.common.outputs import Output
from meeting_agent.common.processes import this_process
from meeting_agent.common.settings import recorded
from meeting_agent.evaluation.held_out import play_held_out
from meeting_agent.inference.bases import base_of_adapter
from meeting_agent.inference.engine import Engine
from meeting_agent.inference.predictor import Predictor


class PlaySettings(Protocol):
    """The settings of phase 3 for held-out rollouts; `RLFTConfig` in `starter_agentic_rlft.py` explains them."""

    sft_model_path: str
    adapter_path: str
    eval_temperature: float
    eval_seed: int
    fp32: bool


def play_evaluation(
    settings: PlaySettings,
    task: Environment,
    predictor: Predictor,
    groups: list[list[Scenario]],
    output: Output,
    max_answer_tokens: int,
) -> UnfinishedRollouts:
    """Every held-out scenario once by the policy before DPO ("sft"), then once by the aligned one ("dpo").

    The rollouts are kept beside `output` until it is written. Processes share the scenarios.
    """
    adapters = {"sft": Path(settings.sft_model_path), "dpo": Path(settings.adapter_path)}
    weights = digests(**{name: folder / ADAPTER_WEIGHTS for name, folder in adapters.items()})
    asked = {"settings": recorded(settings)} | weights | digests(**task.inputs)
    unfinished = UnfinishedRollouts(output, asked, this_process())
    aligned = Engine(base_of_adapter(Path(settings.sft_model_path)), settings.adapter_path, fp32=settings.fp32)
    play_held_out(
        task,
        predictor,
        {"sft": predictor.engine, "dpo": aligned},
        groups,
        settings.eval_temperature,
        settings.eval_seed,
        max_answer_tokens,
        unfinished,
        this_process(),
    )
    return unfinished
