"""The words of the three phases: prediction prompt, personas, scenario prompt, chat template."""

from __future__ import annotations

import re
from typing import Any

from data_classes import TimeSlot
from meeting_agent.common.text import clean_text

PREDICTION_QUESTION = (
    'What is the likelihood of a successful meeting? Respond with JSON: {"probability": 0.XX, "reason": "word"}'
)
# Everything the model writes before the first digit of its probability; regression-aware inference starts here.
PREDICTION_OPENING = '{"probability": 0.'

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


# Gemma's turns, with the roles that Gemma's own template lacks: a system turn that lists the tools, tool calls in
# Hermes style, tool results. Markers inside content lose their angle brackets, so that data can never open a turn
# (removing them could join what stands around them into a new one).
# Tools are listed as signatures because schemas in full would fill half the context of a small model.
CHAT_TEMPLATE = """\
{%- macro clean(text) -%}
{%- set ns = namespace(text=text) -%}
{%- if '<' in text -%}
{%- for name in ['pad', 'eos', 'bos', 'unk', 'start_of_turn', 'end_of_turn', 'tool_call', '/tool_call'] -%}
{%- set ns.text = ns.text | replace('<' + name + '>', '(' + name + ')') -%}
{%- endfor -%}
{%- endif -%}
{{- ns.text -}}
{%- endmacro -%}
{{- bos_token -}}
{%- set ns = namespace(first=0) -%}
{%- if messages[0].role == 'system' or tools -%}
{{- '<start_of_turn>system\\n' -}}
{%- if messages[0].role == 'system' -%}
{%- set ns.first = 1 -%}
{{- clean(messages[0].content) -}}
{%- endif -%}
{%- if tools -%}
{{- '\\nTools:' -}}
{%- for tool in tools -%}
{%- set f = tool.function if tool.function is defined else tool -%}
{{- '\\n' + f.name + '(' + (f.parameters.properties.keys() | join(', ')) + '): ' -}}
{{- f.description.split('\\n')[0].split('. ')[0] -}}
{%- endfor -%}
{%- endif -%}
{{- '<end_of_turn>\\n' -}}
{%- endif -%}
{%- for message in messages[ns.first:] -%}
{%- if message.role == 'assistant' -%}
{{- '<start_of_turn>model\\n' -}}
{%- generation -%}
{{- clean(message.content or '') -}}
{%- for call in message.tool_calls or [] -%}
{%- set f = call.function if call.function is defined else call -%}
{{- '<tool_call>{"name": "' + clean(f.name) + '", "arguments": ' -}}
{{- clean(f.arguments if f.arguments is string else (f.arguments | tojson)) + '}</tool_call>' -}}
{%- endfor -%}
{{- '<end_of_turn>' -}}
{%- endgeneration -%}
{{- '\\n' -}}
{%- else -%}
{{- '<start_of_turn>' + message.role + '\\n' + clean(message.content) + '<end_of_turn>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<start_of_turn>model\\n' -}}
{%- endif -%}
"""

# The way back, in Transformers' declarative form (its documentation, "Response parsing"): servers take text and tool
# calls of what the model wrote from it.
RESPONSE_TEMPLATE: dict[str, Any] = {
    "defaults": {"role": "assistant"},
    "start_anchor": "<start_of_turn>model\n",
    "fields": {
        "tool_calls": {
            "open": "<tool_call>",
            "close": "</tool_call>",
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"close": "<end_of_turn>", "content": "text"},
    },
}
