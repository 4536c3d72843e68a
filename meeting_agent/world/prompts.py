"""The prompts of the three phases: prediction prompt, personas, scenario prompt."""

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


# Characters with a meaning in code or JSON, and their replacements.
AS_PROSE = str.maketrans('{}[]<>"`_\\|', "()()()'' //")
DECIMAL_POINT = re.compile(r"(?<=\d)\.(?=\d)")


def prose(text: str) -> str:
    """Makes untrusted text one line of prose, so that its form marks it as data (spotlighting, Hines et al., 2024).

    Without braces, quotes and line breaks the text cannot start a new "Person" line. With decimal commas its numbers
    do not look like a tool's scores.
    """
    # Clean twice: Unicode composition can create a quote, and a character replaced by a space can leave a lone joiner.
    plain = clean_text(clean_text(text).translate(AS_PROSE))
    return " ".join(DECIMAL_POINT.sub(",", plain).split())


def prediction_prompt(description_a: str, description_b: str, time_slot: TimeSlot) -> str:
    """The `input_text` of the training data."""
    return f"{pair_context(prose(description_a), prose(description_b), time_slot)}\n\n{PREDICTION_QUESTION}"


def scenario_prompt(name_a: str, description_a: str, name_b: str, description_b: str, time_slot: TimeSlot) -> str:
    """The prompt of an agent. Tools expect the names and the time exactly as written here."""
    context = pair_context(f"{name_a}. {prose(description_a)}", f"{name_b}. {prose(description_b)}", time_slot)
    return f"{context}\n\n{AGENT_QUESTION}"
