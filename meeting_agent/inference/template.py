"""The chat format of the embedded base, and of any base without a chat format that agents can use."""

from __future__ import annotations

from typing import Any

# Gemma's turns, with roles that Gemma's own template lacks: a system turn that lists the tools, tool calls in Hermes
# style, and tool results. Markers inside content get parentheses for their angle brackets, so that data can never open
# a turn. Removing a marker instead could join the text around it into a new marker.
# Tools are listed as signatures, because full schemas would fill half the context of a small model.
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

# How to parse the model's text, in Transformers' declarative form (see "Response parsing" in its documentation).
# Servers read text and tool calls with it.
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
