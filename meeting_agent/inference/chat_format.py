"""Gives every tokenizer a chat format that works for agents.

`prepare` runs once, when a tokenizer is loaded. It sets two attributes: a chat template (messages to text) and a
response template (the model's text back to a message). All other code uses the tokenizer.

- `prepare` keeps the tokenizer's own format if a dialogue with tools passes through it unchanged: the model sees tools,
  calls, results and answers; earlier turns do not change when later turns are added; and calls can be read back as they
  were made. If TRL has a training template and a response template for the model family, those are used. Llama 3 allows
  one call per turn and no text beside it, so it is shown a turn with several calls as several turns. Three things are
  fixed in every format. Content cannot open a turn. Thinking is off, because an answer has few tokens. The current date
  is constant, so that the same seed gives the same run.
- Any other tokenizer has no template, or one without tools, or one whose calls cannot be read back. It gets the format
  of the embedded base, `CHAT_TEMPLATE`, with the turn markers of its own vocabulary (`TURNS`).
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, NamedTuple

from jinja2 import TemplateError

from meeting_agent.common.files import InputError
from meeting_agent.inference.template import CHAT_TEMPLATE, RESPONSE_TEMPLATE
from meeting_agent.inference.turns import MAX_CALLS_A_TURN, one_call_a_turn


class Turn(NamedTuple):
    """The text of a turn is opening, role, middle, content, closing. Line breaks are escaped as in templates."""

    opening: str
    middle: str
    closing: str
    assistant: str


# Turn markers of model families. A tokenizer without any of them gets turns in plain text that end with its EOS token.
TURNS = (
    Turn("<start_of_turn>", "\\n", "<end_of_turn>", "model"),  # Gemma
    Turn("<|im_start|>", "\\n", "<|im_end|>", "assistant"),  # ChatML: Qwen, SmolLM
    Turn("<|start_header_id|>", "<|end_header_id|>\\n\\n", "<|eot_id|>", "assistant"),  # Llama 3
)
# Every template that `prepare` sets starts like this, which identifies it when the tokenizer is loaded again.
OURS = "{%- macro clean(text) -%}"
ARGUMENTS = re.compile(r"(\w+\.arguments)\s*\|\s*tojson")
# Goes before a tokenizer's own template. It defuses markers in the messages as `CHAT_TEMPLATE` does, and keeps the
# arguments of calls as the text that the model wrote.
PLAIN_MESSAGES = """\
{%- set plain = namespace(messages=[], calls=[]) -%}
{%- for message in messages -%}
{%- set plain.calls = [] -%}
{%- for call in message.tool_calls or [] -%}
{%- set f = call.function if call.function is defined else call -%}
{%- set arguments = clean(f.arguments if f.arguments is string else (f.arguments | tojson)) -%}
{%- set call = {'type': 'function', 'function': {'name': clean(f.name), 'arguments': arguments}} -%}
{%- set plain.calls = plain.calls + [call] -%}
{%- endfor -%}
{%- set message = {'role': message.role, 'content': clean(message.content or '')} -%}
{%- set message = dict(message, tool_calls=plain.calls) if plain.calls else message -%}
{%- set plain.messages = plain.messages + [message] -%}
{%- endfor -%}
{%- set messages = plain.messages -%}
"""
NO_THINKING = "{%- set enable_thinking = false -%}\n"
SAME_DAY = "{%- macro strftime_now(format) -%}26 Jul 2024{%- endmacro -%}\n"

PROBE_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "find",
        "description": "Finds somebody.",
        "parameters": {"type": "object", "properties": {"who": {"type": "string", "description": "A name."}}},
    },
}
PROBE_CALL = {"name": "find", "arguments": '{"who": "Ada"}'}
PROBE: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where is she?"},
    {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": PROBE_CALL}]},
    {"role": "tool", "content": "In the hall."},
    {"role": "assistant", "content": "She is there."},
]
PROBE_OF_TWO_CALLS: list[dict[str, Any]] = [
    *PROBE[:2],
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"type": "function", "function": {"name": "find", "arguments": json.dumps({"who": who})}}
            for who in ("Grace", "Edsger")
        ],
    },
    {"role": "tool", "content": "On the roof."},
    {"role": "tool", "content": "In the lobby."},
]


def prepare(tokenizer) -> None:
    """Sets a chat template and a response template on `tokenizer` that agents can run and train with.

    Raises InputError if the tokenizer has neither turn markers nor an end-of-text token.
    """
    tokenizer.padding_side = "left"
    tokenizer.clean_up_tokenization_spaces = False  # decoding must not change what the model wrote
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    is_prepared = isinstance(tokenizer.chat_template, str) and tokenizer.chat_template.startswith(OURS)
    if not is_prepared and not _keep_own_format(tokenizer):
        _give_our_format(tokenizer)
    if tokenizer.pad_token is None:
        raise InputError("this model's tokenizer has neither a padding token nor an end-of-text token: use another")
    tokenizer.one_call_a_turn = not _shows_two_calls(tokenizer)


def as_shown(tokenizer, messages: list[dict]) -> list[dict]:
    """The messages in turns that the tokenizer's template accepts: one call per turn if it cannot show several."""
    return one_call_a_turn(messages) if getattr(tokenizer, "one_call_a_turn", False) else messages


def render(tokenizer, messages: list[dict], tools: list[dict] | None = None, ask: bool = False) -> str:
    """The chat as text. With `ask`, the text ends where the model's turn begins.

    Raises InputError if the template refuses the messages.
    """
    messages = as_shown(tokenizer, messages)
    try:
        return tokenizer.apply_chat_template(messages, tools=tools, add_generation_prompt=ask, tokenize=False)
    except TemplateError as error:
        raise InputError(f"this model's chat template refuses a conversation: {error}") from None


def turn_end(tokenizer) -> str:
    """The text of the token with which the model ends its turn."""
    asked, said = render(tokenizer, PROBE[:2], ask=True), render(tokenizer, [*PROBE[:2], PROBE[-1]])
    return said.removeprefix(asked).removeprefix(PROBE[-1]["content"]).strip()


def assistant_spans(tokenizer, text: str) -> list[tuple[int, int]]:
    """(start, end) of each assistant turn in a rendered chat, in characters: the assistant mask.

    A span starts after the turn's header and includes the token that ends the turn. Content can hold neither of the
    two. We do not use a template's own generation marks: some include the header, a line break or an empty thought.
    """
    return [turn.span(1) for turn in _own_turn(tokenizer, tokenizer.chat_template).finditer(text)]


@lru_cache(maxsize=8)
def _own_turn(tokenizer, _template: str) -> re.Pattern[str]:
    header = render(tokenizer, PROBE[:2], ask=True).removeprefix(render(tokenizer, PROBE[:2]))
    return re.compile(f"{re.escape(header)}(.*?{re.escape(turn_end(tokenizer))})", re.DOTALL)


def read_message(tokenizer, prompt: str, text: str) -> dict:
    """Parses what the model wrote after `prompt` (without its end token) into an assistant message with tool calls.

    If a call cannot be read, the whole text becomes the message's content.
    """
    if tokenizer.response_template["fields"]["tool_calls"] == RESPONSE_TEMPLATE["fields"]["tool_calls"]:
        return to_openai_message(text)
    try:
        read = tokenizer.parse_response(text + turn_end(tokenizer), prefix=prompt)
        calls = [_openai_call(i, call["function"]) for i, call in enumerate(read.get("tool_calls", []), start=1)]
    except (ValueError, TypeError, KeyError, RecursionError):
        return {"role": "assistant", "content": text}
    message = {"role": "assistant", "content": read.get("content", "")}
    return message | {"tool_calls": calls[:MAX_CALLS_A_TURN]} if calls else message


def to_openai_message(text: str) -> dict:
    """Parses text in our own format into an assistant message with at most `MAX_CALLS_A_TURN` tool calls."""
    calls = []
    for number, part in enumerate(text.split("<tool_call>", MAX_CALLS_A_TURN)[1:]):
        written, closed, _ = part.partition("</tool_call>")
        if not closed:
            continue
        try:
            calls.append(_openai_call(number, json.loads(written)))
        except (ValueError, TypeError, KeyError, RecursionError):
            return {"role": "assistant", "content": text}
    if not calls:
        return {"role": "assistant", "content": text}
    return {"role": "assistant", "content": text.partition("<tool_call>")[0], "tool_calls": calls}


def _openai_call(number: int, call: dict) -> dict:
    name, arguments = call["name"], call["arguments"]
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise TypeError("a call is a name and named arguments")
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def _keep_own_format(tokenizer) -> bool:
    """Adapts the tokenizer's own format for agents. If that fails, restores the tokenizer and returns False."""
    from trl.chat_template_utils import add_response_schema, get_training_chat_template

    template, response_template = tokenizer.chat_template, tokenizer.response_template
    try:
        tokenizer.chat_template = tokenizer.get_chat_template(tools=[PROBE_TOOL])  # selects the template for tools
        if response_template is None:
            add_response_schema(tokenizer)
        try:
            training_template = get_training_chat_template(tokenizer)
        except ValueError:  # TRL has none for this family
            training_template = None
        text = training_template or tokenizer.chat_template
        tokenizer.chat_template = (
            _defusing(tokenizer, text, [])
            + PLAIN_MESSAGES
            + NO_THINKING * ("enable_thinking" in text)
            + SAME_DAY * ("strftime_now" in text)
            + ARGUMENTS.sub(r"(\1 if \1 is string else \1 | tojson)", text)
        )
        if _dialogue_survives(tokenizer):
            return True
    except (InputError, TemplateError, ValueError, TypeError, KeyError):
        pass
    tokenizer.chat_template, tokenizer.response_template = template, response_template
    return False


def _dialogue_survives(tokenizer) -> bool:
    whole, end = render(tokenizer, PROBE, [PROBE_TOOL]), turn_end(tokenizer)
    spans = []
    for i, message in enumerate(PROBE):
        if message["role"] == "assistant":
            asked = render(tokenizer, PROBE[:i], [PROBE_TOOL], ask=True)
            said = render(tokenizer, PROBE[: i + 1], [PROBE_TOOL]).rstrip()
            if not (whole.startswith(said) and said.startswith(asked)):
                return False
            spans.append((len(asked), len(said)))
            read = read_message(tokenizer, asked, said.removeprefix(asked).removesuffix(end))
            calls = [call["function"] for call in read.get("tool_calls", [])]
            if calls != [call["function"] for call in message.get("tool_calls", [])]:
                return False
            if read["content"] != message["content"]:
                return False
    words = ["Finds somebody.", *(message["content"] for message in PROBE)]
    return (
        end in tokenizer.get_added_vocab()
        and assistant_spans(tokenizer, whole) == spans
        and all(word in whole for word in words)
    )


def _shows_two_calls(tokenizer) -> bool:
    """Whether the template can show a turn with two calls, with both calls and both results in the text."""
    tokenizer.one_call_a_turn = False
    try:
        whole = render(tokenizer, PROBE_OF_TWO_CALLS, [PROBE_TOOL])
    except (InputError, ValueError, TypeError, KeyError):
        return False
    return all(word in whole for word in ("Grace", "Edsger", "On the roof.", "In the lobby."))


def _give_our_format(tokenizer) -> None:
    """Sets `CHAT_TEMPLATE` and `RESPONSE_TEMPLATE` with the turn markers of this tokenizer.

    Raises InputError if the tokenizer has no token that can end a turn.
    """
    vocabulary = tokenizer.get_added_vocab()
    plain = Turn("<|", "|>\\n", tokenizer.eos_token or "", "assistant")
    turn = next((t for t in TURNS if t.opening in vocabulary and t.closing in vocabulary), plain)
    if not turn.closing:
        raise InputError("this model's tokenizer has no token to end a turn with: use another model")

    def header(role: str) -> str:
        return f"{turn.opening}{role}{turn.middle}"

    _, _, template = CHAT_TEMPLATE.partition("{{- bos_token -}}\n")
    template = template.replace("<start_of_turn>system\\n", header("system"))
    template = template.replace("<start_of_turn>model\\n", header(turn.assistant))
    template = template.replace("<start_of_turn>' + message.role + '\\n", header("' + message.role + '"))
    template = template.replace("<end_of_turn>", turn.closing)
    if tokenizer.bos_token not in (None, turn.opening):
        template = "{{- bos_token -}}\n" + template
    roles = [header(role) for role in ("system", "user", "tool", turn.assistant)] if turn is plain else []
    markers = [turn.opening, turn.closing, "<tool_call>", "</tool_call>", *(role.strip("\\n") for role in roles)]
    tokenizer.chat_template = _defusing(tokenizer, template, markers) + template
    fields: dict[str, Any] = RESPONSE_TEMPLATE["fields"]
    tokenizer.response_template = RESPONSE_TEMPLATE | {
        "start_anchor": header(turn.assistant).replace("\\n", "\n"),
        "fields": fields | {"content": fields["content"] | {"close": turn.closing}},
    }


def _defusing(tokenizer, template: str, markers: list[str]) -> str:
    """The `clean` macro of `CHAT_TEMPLATE` for this tokenizer. It turns the angle brackets of markers to parentheses.

    The markers are `markers`, the tokenizer's special tokens, and the added tokens that occur in `template`.
    """
    found = {token for token in tokenizer.get_added_vocab() if len(token) > 2 and token in template}
    found |= {*markers, *tokenizer.all_special_tokens}
    names = sorted(token[1:-1] for token in found if re.fullmatch(r"<.+>", token))
    macro, _, _ = CHAT_TEMPLATE.partition("{{- bos_token -}}")
    return re.sub(r"(?<=for name in )\[.*\]", lambda _: json.dumps(names, ensure_ascii=False), macro)
