"""The words of the three phases: prediction prompt, personas, scenario prompt."""

from __future__ import annotations

import re

from data_classes import TimeSlot
from meeting_agent.common.text import clean_text

PREDICTION_QUESTION = (
    'What is the likelihood of a successful meeting? Respond with JSON: {"probability": 0.XX, "reason": "word"}'
)

AGENT_QUESTION = (
    "Should they meet? Call tools, then answer with JSON: "
    '{"probability": 0.XX, "recommendation": "YES" or "NO", "reasoning": "..."}'
)

system_prompt_configurations: dict[str, str] = {
    "balanced": "You are a balanced meeting advisor. Weigh every side before you decide.",
    "cautious": "You are a cautious meeting advisor. Look for what could go wrong.",
    "optimistic": "You are an optimistic meeting advisor. Look for what could come of it.",
    "data-driven": "You are a data-driven meeting advisor. Trust measurements over impressions.",
    "empathic": "You are an empathic meeting advisor. Think of how both people feel.",
    "strategic": "You are a strategic meeting advisor. Think of what both people gain.",
    "efficiency-minded": "You are an efficiency-minded meeting advisor. Do not waste time.",
}


def pair_context(description_a: str, description_b: str, time_slot: TimeSlot) -> str:
    """The three lines that open every prompt about two people."""
    return f"Person A: {description_a}\nPerson B: {description_b}\nTime: {time_slot.label}"


# What programs need and prose does not, and what stands for it.
AS_PROSE = str.maketrans('{}[]<>"`_\\|', "()()()'' //")
DECIMAL_POINT = re.compile(r"(?<=\d)\.(?=\d)")


def prose(text: str) -> str:
    """What somebody else wrote, as one line of prose.

    Without braces, quotes and line breaks it cannot open the next person; with decimal commas none of its numbers looks
    like a tool's score (telling data from instructions by its form: Hines et al., 2024, spotlighting).
    """
    # Composing can bring forth a quote, and a sign that became a space leaves a joiner alone: once before, once after.
    plain = clean_text(clean_text(text).translate(AS_PROSE))
    return " ".join(DECIMAL_POINT.sub(",", plain).split())


def prediction_prompt(description_a: str, description_b: str, time_slot: TimeSlot) -> str:
    """The `input_text` of the training data."""
    return f"{pair_context(prose(description_a), prose(description_b), time_slot)}\n\n{PREDICTION_QUESTION}"


def scenario_prompt(name_a: str, description_a: str, name_b: str, description_b: str, time_slot: TimeSlot) -> str:
    """What an agent is asked; tools want the names and the time exactly as they stand here."""
    context = pair_context(f"{name_a}. {prose(description_a)}", f"{name_b}. {prose(description_b)}", time_slot)
    return f"{context}\n\n{AGENT_QUESTION}"
