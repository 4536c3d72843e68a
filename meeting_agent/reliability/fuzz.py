"""Feeds broken model output to every parser of model output.

    python -m meeting_agent.reliability.fuzz --strings 200000

The strings are answers and tool calls in the model's notation that were cut, repeated, spliced and mixed with markers.
Each one is parsed as JSON, recommendation, probability, reason, tool calls and claims, and rendered with the chat
template. Then parsing is timed on strings of a million characters that make a parser with nested loops slow.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from operator import itemgetter

from meeting_agent.agent.answers import last_json_object, parse_recommendation
from meeting_agent.agent.claims import count_grounded_claims
from meeting_agent.base.dialogues import dialogue_chat
from meeting_agent.common.settings import parse_settings, run_script, setting
from meeting_agent.inference.chat_format import to_openai_message
from meeting_agent.inference.loading import load_tokenizer
from meeting_agent.inference.prediction import read_probability, read_reason
from meeting_agent.reliability.record import keep, open_record, record_setting

MARKERS = ("<tool_call>", "</tool_call>", "<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<unk>", "<pad>")
PIECES = (*MARKERS, "{", "}", "[", "]", '"', "\\", "\\u0000", "0.", "1e999", "NaN", "null", "\n", " ", "\x00", "é", "𝔘")


@dataclass
class FuzzConfig:
    """Settings of the harness."""

    strings: int = setting(200_000, "broken strings to read", 1, 1_000_000_000)
    jobs: int = setting(os.cpu_count() or 1, "processes", 1, 1024)
    seed: int = setting(0, "decides how the strings are broken", 0, 2**32 - 1)
    output: str = record_setting()


def written_by_the_model(rng: random.Random) -> str:
    """A turn of a dialogue, with its tool call in the model's own notation."""
    turns = [m for m in dialogue_chat(rng) if m["role"] == "assistant"]
    turn = rng.choice(turns)
    text = turn["content"]
    for call in turn.get("tool_calls", []):
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        text += f'<tool_call>{{"name": "{name}", "arguments": {arguments}}}</tool_call>'
    return text


def broken(rng: random.Random, text: str) -> str:
    for _ in range(rng.randint(1, 6)):
        start, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        kind = rng.randrange(4)
        if kind == 0:
            text = text[:start] + text[end:]
        elif kind == 1:
            text = text[:start] + "".join(rng.choices(PIECES, k=rng.randint(1, 8))) + text[start:]
        elif kind == 2:
            text = text[:end] + text[start:end] * rng.randint(1, 3) + text[end:]
        else:
            text = text[:start] + chr(rng.randrange(0xD800)) + text[start + 1 :]
    return text[:4000]


def broken_strings(count: int, seed: int) -> Iterator[str]:
    rng = random.Random(seed)
    models_words = [written_by_the_model(rng) for _ in range(500)]
    for _ in range(count):
        yield broken(rng, rng.choice(models_words))


def huge_strings(size: int = 1_000_000) -> dict[str, str]:
    """Strings of about `size` characters that make a parser with nested loops slow."""
    return {
        "brackets": "{" * size,
        "nested objects": '{"a":' * (size // 5),
        "open objects": '{"a": 1, ' * (size // 9),
        "open calls": "<tool_call>" * (size // 11),
        "calls": '<tool_call>{"name": "f", "arguments": {}}</tool_call>' * (size // 53),
        "escapes": '{"a": "' + "\\" * size,
        "spaces": '"recommendation":' + " " * size,
        "many recommendations": '"recommendation": ' * (size // 18),
        "digits": '"probability": 0.' + "1" * size,
        "letters": "a" * size,
        "words": "a " * (size // 2),
        "claims": "energy_a 5.5 finds_b no " * (size // 24),
    }


def readers() -> dict[str, Callable[[str], object]]:
    return {
        "json": last_json_object,
        "recommendation": parse_recommendation,
        "probability": read_probability,
        "reason": read_reason,
        "tool calls": to_openai_message,
        "claims": lambda text: count_grounded_claims([{"role": "assistant", "content": text}]),
    }


def special_tokens(tokenizer, content: str) -> list[int]:
    """The special token ids of a chat in which a user and a tool say `content`."""
    chat = [{"role": "user", "content": content}, {"role": "tool", "content": content}]
    ids = tokenizer.apply_chat_template(chat, return_dict=True)["input_ids"]
    special = set(tokenizer.all_special_ids)
    return [i for i in ids if i in special]


def read_broken_strings(count: int, seed: int, base: str) -> tuple[int, int]:
    """The number of exceptions, and the number of strings that changed the special tokens of a chat."""
    tokenizer = load_tokenizer(base)
    expected = special_tokens(tokenizer, "harmless")
    raised = smuggled = 0
    for text in broken_strings(count, seed):
        for read in readers().values():
            try:
                read(text)
            except Exception as error:  # the harness looks for exceptions of any kind
                raised += 1
                print(f"raised {error!r} on {text[:200]!r}")
        smuggled += special_tokens(tokenizer, text) != expected
    return raised, smuggled


def slowest_huge_string() -> tuple[str, float]:
    """The slowest pair of a parser and a huge string, and its seconds."""
    times = {}
    for name, text in huge_strings().items():
        for reader, read in readers().items():
            started = time.perf_counter()
            read(text)
            times[f"{reader} of {name}"] = time.perf_counter() - started
    return max(times.items(), key=itemgetter(1))


def fuzz(count: int, seed: int, jobs: int = 1, base: str = "models/base") -> dict:
    """Counts of exceptions and smuggled tokens over `count` strings in `jobs` processes, and the slowest parsing."""
    shares = [count // jobs + (job < count % jobs) for job in range(jobs)]
    seeds = [seed * jobs + job for job in range(jobs)]
    if jobs == 1:
        found = [read_broken_strings(count, seed, base)]
    else:
        with ProcessPoolExecutor(jobs) as pool:
            found = list(pool.map(read_broken_strings, shares, seeds, [base] * jobs))
    raised, smuggled = (sum(counts) for counts in zip(*found, strict=True))
    slowest, seconds = slowest_huge_string()
    return {
        "strings": count,
        "readers": len(readers()) + 1,
        "exceptions": raised,
        "smuggled_tokens": smuggled,
        "slowest_megabyte": slowest,
        "slowest_megabyte_seconds": round(seconds, 4),
    }


def main() -> None:
    config = parse_settings(FuzzConfig, __doc__.splitlines()[0])
    record = open_record(config.output)
    keep("fuzz", fuzz(config.strings, config.seed, config.jobs), record)


if __name__ == "__main__":
    run_script(main)
