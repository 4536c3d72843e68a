"""The dry run of the evaluation: what would fail after hours of training fails in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from meeting_agent.agent.environment import Environment
from meeting_agent.agent.tool_calls import no_prediction, tool_schemas
from meeting_agent.common.files import read_json
from meeting_agent.evaluation.baselines import fitted_baselines, missing_rows, zero_label_readings
from meeting_agent.inference.predictor import Predictor
from meeting_agent.training.dry_run import try_agent, try_predictions


class EvaluationSettings(Protocol):
    """The settings of phase 3 for the evaluation; `RLFTConfig` in `starter_agentic_rlft.py` explains them."""

    sft_model_path: str
    seed: int
    data_seed: int
    eval_seed: int
    num_eval_scenarios: int
    fp32: bool


def try_evaluation(settings: EvaluationSettings, task: Environment) -> None:
    """Raises InputError in seconds if the evaluation cannot run: earlier phases' records, baselines, engine."""
    sft = Path(settings.sft_model_path)
    log, _ = (read_json(sft / name, "starter_sft.py") for name in ("training_log.json", "validation.json"))
    some = next(task.scenarios("evaluation", settings.eval_seed, settings.num_eval_scenarios))[:1]
    if missing := missing_rows(log):
        print(f"warning: {missing}", flush=True)
    fitted_baselines(task, log, some, settings.seed, settings.data_seed)
    engine = Predictor(settings.sft_model_path, fp32=settings.fp32).engine
    zero_label_readings(task, engine, some)
    try_predictions(engine, [s.prediction_prompt for s in some])
    try_agent(engine, some[0].system_prompt, some[0].user_prompt, tool_schemas(task.tools([], no_prediction)))
