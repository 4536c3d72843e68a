"""The course's interface of the phase 1 model: two descriptions and a slot in, a probability and a reason out."""

from __future__ import annotations

from data_classes import TimeSlot
from meeting_agent.inference.predictor import Predictor
from meeting_agent.world.prompts import prediction_prompt


class MeetingPredictor(Predictor):
    """A `Predictor` that writes the prompt itself."""

    def predict(self, person_a_desc: str, person_b_desc: str, time_slot: TimeSlot) -> dict:
        """`probability` in [0.01, 0.99] (an expectation over the model's digits) and `reason`."""
        return self.predict_prompt(prediction_prompt(person_a_desc, person_b_desc, time_slot))
