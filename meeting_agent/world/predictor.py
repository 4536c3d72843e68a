"""The SFT model as a function from two descriptions and a slot to a probability and a reason."""

from __future__ import annotations

from pathlib import Path

from data_classes import TimeSlot


class MeetingPredictor:
    """The SFT model as a function from two descriptions and a slot to a probability and a reason.

    `model_path` is the adapter that phase 1 wrote, or any causal LM; `fp32` is full precision also where the machine
    computes bfloat16. Answers are kept, so asking again costs nothing.
    """

    def __init__(self, model_path: str | Path, base_model_name: str | None = None, fp32: bool = False):
        from meeting_agent.inference.engine import open_engine

        self.engine = open_engine(str(model_path), base_model_name, fp32)
        self._answers: dict[str, dict] = {}

    def predict(self, person_a_desc: str, person_b_desc: str, time_slot: TimeSlot) -> dict:
        """`probability` in [0.01, 0.99] (an expectation over the model's digits) and `reason`, a word."""
        from meeting_agent.world.prompts import prediction_prompt

        return self.predict_many([prediction_prompt(person_a_desc, person_b_desc, time_slot)])[0]

    def forget(self) -> None:
        """Drops the answers kept so far."""
        self._answers.clear()

    def predict_many(self, prompts: list[str]) -> list[dict]:
        """`predict` for prompts made by `prediction_prompt`, in batches."""
        from meeting_agent.inference.prediction import predict_prompts

        new = list(dict.fromkeys(p for p in prompts if p not in self._answers))
        self._answers |= dict(zip(new, predict_prompts(self.engine, new), strict=True))
        return [self._answers[p] for p in prompts]
