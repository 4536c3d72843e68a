"""The phase 1 model as a function: a prompt in, a probability and a reason out."""

from __future__ import annotations

from pathlib import Path


class Predictor:
    """Answers phase 1's question.

    `model_path` is the adapter that phase 1 wrote, or any causal LM; `fp32` is full precision also where the machine
    computes bfloat16. Answers are kept, so asking again costs nothing.
    """

    def __init__(self, model_path: str | Path, base_model_name: str | None = None, fp32: bool = False):
        from meeting_agent.inference.engine import open_engine

        self.engine = open_engine(str(model_path), base_model_name, fp32)
        self._answers: dict[str, dict] = {}

    def predict_prompt(self, prompt: str) -> dict:
        """`probability` in [0.01, 0.99] (an expectation over the model's digits) and `reason`, a word."""
        return self.predict_many([prompt])[0]

    def predict_many(self, prompts: list[str]) -> list[dict]:
        """`predict_prompt` for many, in batches."""
        from meeting_agent.inference.prediction import predict_prompts

        new = list(dict.fromkeys(p for p in prompts if p not in self._answers))
        self._answers |= dict(zip(new, predict_prompts(self.engine, new), strict=True))
        return [self._answers[p] for p in prompts]

    def clear(self) -> None:
        """Clears the answers kept so far."""
        self._answers.clear()
