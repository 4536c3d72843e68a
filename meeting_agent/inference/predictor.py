"""The phase 1 model as a function from a prompt to a probability and a reason."""

from __future__ import annotations

from pathlib import Path


class Predictor:
    """Predicts probabilities and reasons, and caches them by prompt.

    `model_path` is the adapter that phase 1 wrote, or any causal LM. `fp32` means full precision even on hardware that
    supports bfloat16.
    """

    def __init__(self, model_path: str | Path, base_model_name: str | None = None, fp32: bool = False):
        from meeting_agent.inference.engine import open_engine

        self.engine = open_engine(str(model_path), base_model_name, fp32)
        self._answers: dict[str, dict] = {}

    def predict_prompt(self, prompt: str) -> dict:
        """`probability` in [0.01, 0.99] (an expectation over the model's digits) and `reason`."""
        return self.predict_many([prompt])[0]

    def predict_many(self, prompts: list[str]) -> list[dict]:
        """`predict_prompt` for many, in batches."""
        from meeting_agent.inference.prediction import predict_prompts

        new = list(dict.fromkeys(p for p in prompts if p not in self._answers))
        self._answers |= dict(zip(new, predict_prompts(self.engine, new), strict=True))
        return [self._answers[p] for p in prompts]

    def clear(self) -> None:
        """Clears the prediction cache."""
        self._answers.clear()
