"""Other base models: each family's real architecture in small, with its special tokens and the template that TRL knows.

Weights are random and tokenizers trained here, so nothing is learned: what holds is the format, from the first training
row to the last trajectory.
"""

import copy
import json
import math
import random
import re
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from tokenizers import models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GenerationConfig,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
    SmolLM3Config,
)
from trl import chat_template_utils as trl_templates

import starter_agentic_rlft
import starter_agentic_traces
import starter_sft
from meeting_agent.base.corpus import sample_short
from meeting_agent.base.dialogues import dialogue_chat
from meeting_agent.base.tokenizer import byte_level_bpe
from meeting_agent.benchmarks.memory import committed_rollouts, write_traces
from meeting_agent.common.files import InputError, read_json
from meeting_agent.inference import export
from meeting_agent.inference.chat_format import prepare, read_message, render, turn_end
from meeting_agent.inference.digits import PREDICTION_OPENING, DigitReader
from meeting_agent.inference.engine import Engine, Request
from meeting_agent.inference.loading import load_tokenizer
from meeting_agent.inference.prediction import chat_text
from meeting_agent.inference.turns import one_call_a_turn
from meeting_agent.training.dpo import preference_dataset
from meeting_agent.training.rows import assistant_tokens
from meeting_agent.world.tools import tool_schemas
from tests.records import pair

SINGLE_DIGITS = r" ?[\p{L}_'-]+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+"
DIGITS_IN_THREES = r" ?[\p{L}_'-]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+"
CHATML_WITHOUT_TOOLS = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# TRL has no template of these two. Written here after what their model cards document: SmolLM3 reads tools from
# `xml_tools`, shows results as the user's words and knows no calls; FunctionGemma has calls and results in one turn.
SMOLLM3_TURNS = (
    "{{ '<|im_start|>system\\nReasoning Mode: ' + ('/no_think' if enable_thinking is false else '/think') + '\\n' }}"
    "{{ messages[0].content if messages[0].role == 'system' }}"
    "{% for tool in xml_tools or [] %}{{ '\\n' + tool | string }}{% endfor %}{{ '<|im_end|>\\n' }}"
    "{% for m in messages if m.role != 'system' %}"
    "{{ '<|im_start|>' + ('user' if m.role == 'tool' else m.role) + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{{ '<think>\\n\\n</think>\\n' if enable_thinking is false }}{% endif %}"
)
FUNCTION_GEMMA_TURNS = (
    "{{ bos_token }}{% if tools or messages[0].role == 'system' %}{{ '<start_of_turn>developer\\n' }}"
    "{{ messages[0].content if messages[0].role == 'system' }}"
    "{% for tool in tools or [] %}{{ '<start_function_declaration>declaration:' + tool.function.name + '{description:"
    "<escape>' + tool.function.description + '<escape>}<end_function_declaration>' }}{% endfor %}"
    "{{ '<end_of_turn>\\n' }}{% endif %}{% for m in messages if m.role != 'system' %}"
    "{% if m.role == 'tool' %}{{ '<start_function_response>response:{value:<escape>' + m.content + "
    "'<escape>}<end_function_response>' }}"
    "{% else %}{% if loop.previtem is not defined or loop.previtem.role != 'tool' %}"
    "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' }}{% endif %}{{ m.content }}"
    "{% for call in m.tool_calls or [] %}{{ '<start_function_call>call:' + call.function.name + '{' }}"
    "{{ call.function.arguments }}{{ '}<end_function_call>' }}{% endfor %}"
    "{{ '<end_of_turn>\\n' if not m.tool_calls }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt and messages[-1].role != 'tool' %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)
SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "max_position_embeddings": 8192,
}
GEMMA = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
GEMMA_TURNS = ("<start_of_turn>", "<end_of_turn>", "<start_of_image>")
GEMMA_CONFIG = Gemma3TextConfig(
    **SHAPE, sliding_window=64, layer_types=["sliding_attention", "full_attention"], query_pre_attn_scalar=16
)
FUNCTION_GEMMA = [
    f"<{side}_function_{part}>" for side in ("start", "end") for part in ("declaration", "call", "response")
]
QWEN = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
QWEN_TAGS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")
LLAMA = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
LLAMA_TURNS = ("<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|python_tag|>")
LLAMA_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


class Family(NamedTuple):
    """What a family's real models have: named and other special tokens, ordinary added tokens, digits, template."""

    config: PreTrainedConfig
    named: dict[str, str]
    special: tuple[str, ...]
    added: tuple[str, ...]
    pieces: str
    template: str | None
    ends_turns_with: str
    keeps_own_format: bool


FAMILIES = {
    "gemma3": Family(
        GEMMA_CONFIG, GEMMA, GEMMA_TURNS, (), SINGLE_DIGITS, trl_templates.gemma3_chat_template, "<end_of_turn>", False
    ),
    "functiongemma": Family(
        GEMMA_CONFIG,
        GEMMA,
        (*GEMMA_TURNS, "<escape>", *FUNCTION_GEMMA),
        (),
        SINGLE_DIGITS,
        FUNCTION_GEMMA_TURNS,
        "<end_of_turn>",
        False,
    ),
    "qwen3": Family(
        Qwen3Config(**SHAPE),
        QWEN,
        ("<|im_start|>",),
        QWEN_TAGS,
        SINGLE_DIGITS,
        trl_templates.qwen3_chat_template,
        "<|im_end|>",
        True,
    ),
    "smollm2": Family(
        LlamaConfig(**SHAPE),
        {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "unk_token": "<|endoftext|>"},
        ("<|im_start|>", "<|im_end|>"),
        (),
        SINGLE_DIGITS,
        CHATML_WITHOUT_TOOLS,
        "<|im_end|>",
        False,
    ),
    "smollm3": Family(
        SmolLM3Config(**SHAPE, no_rope_layers=[1, 0]),
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"},
        ("<|im_start|>", *LLAMA_TURNS, "<|eot_id|>"),
        QWEN_TAGS,
        DIGITS_IN_THREES,
        SMOLLM3_TURNS,
        "<|im_end|>",
        False,
    ),
    "llama3.2": Family(
        LlamaConfig(**SHAPE, rope_parameters=LLAMA_ROPE, tie_word_embeddings=True),
        LLAMA,
        LLAMA_TURNS,
        (),
        DIGITS_IN_THREES,
        trl_templates.llama3_2_chat_template,
        "<|eot_id|>",
        True,
    ),
}


SHIPPED = {
    f"trl-{path.stem}": path.read_text(encoding="utf-8")
    for path in sorted(Path(trl_templates.__file__).with_name("chat_templates").glob("*.jinja"))
    if not path.stem.endswith("_training")
}


@pytest.fixture(scope="session")
def texts():
    rng = random.Random(0)
    chats = [dialogue_chat(rng) if i % 3 == 0 else sample_short(rng, 1.0) for i in range(300)]
    numbers = [f"{number:0{digits}d}" for digits in (1, 2, 3) for number in range(10**digits)]
    return [message["content"] for chat in chats for message in chat] + [json.dumps(tool_schemas())] + 30 * numbers


def train_tokenizer(family: Family, texts: list[str]) -> PreTrainedTokenizerFast:
    tokenizer = byte_level_bpe(models.BPE(), family.pieces)
    special = list(dict.fromkeys([*family.named.values(), *family.special]))
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=2400, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, additional_special_tokens=list(family.special), **family.named
    )
    wrapped.add_tokens(list(family.added))
    wrapped.chat_template = family.template
    return wrapped


@pytest.fixture(scope="session")
def bases(texts, tmp_path_factory):
    """A folder for every family, as the hub would give it."""
    root = tmp_path_factory.mktemp("bases")
    for name, family in FAMILIES.items():
        tokenizer = train_tokenizer(family, texts)
        config = copy.deepcopy(family.config)
        config.vocab_size = len(tokenizer)
        config.bos_token_id, config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
        config.pad_token_id = tokenizer.pad_token_id
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(config).save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
    return root


@pytest.fixture(params=FAMILIES)
def base(request, bases):
    return bases / request.param


@pytest.fixture(scope="session")
def shipped(texts):
    """A tokenizer for every template that TRL ships, with whatever in it looks like a special token."""
    plain = train_tokenizer(Family(GEMMA_CONFIG, GEMMA, (), (), SINGLE_DIGITS, None, "", False), texts)
    tokenizers = {}
    for name, template in SHIPPED.items():
        tokenizers[name] = tokenizer = copy.deepcopy(plain)
        tokenizer.add_tokens(re.findall(r"<[^<>\s'\"%{}]{2,}>", template), special_tokens=True)
        tokenizer.chat_template = template
        prepare(tokenizer)
    return tokenizers


@pytest.fixture(params=[*FAMILIES, *SHIPPED])
def tokenizer(request, bases, shipped):
    return shipped[request.param] if request.param in SHIPPED else load_tokenizer(str(bases / request.param))


# ----------------------------------------------------------------------------- the chat format


def test_own_format_is_kept_where_agents_can_use_it(base):
    family, tokenizer = FAMILIES[base.name], load_tokenizer(str(base))
    assert tokenizer.chat_template.endswith(family.template[-200:]) == family.keeps_own_format
    assert turn_end(tokenizer) == family.ends_turns_with
    asked = render(tokenizer, dialogue_chat(random.Random(1))[:2], tool_schemas(), ask=True)
    assert "predict_follow_up_potential" in asked
    assert asked.count(tokenizer.bos_token or "<bos>") <= 1 or tokenizer.bos_token == "<|im_start|>"


def test_saved_and_loaded_again_it_is_the_same(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(str(tmp_path))
    assert again.chat_template == tokenizer.chat_template
    assert again.response_template == tokenizer.response_template


def test_mask_is_exactly_what_the_model_writes(tokenizer):
    """Token by token: a turn begins where the prompt for it ends, and ends with the first token that stops it."""
    chat = dialogue_chat(random.Random(2))
    *_, ids, own = assistant_tokens(tokenizer, chat, tool_schemas())
    assert ids == tokenizer.apply_chat_template(chat, tools=tool_schemas(), return_dict=True)["input_ids"]
    expected = [0] * len(ids)
    end = tokenizer.convert_tokens_to_ids(turn_end(tokenizer))
    for i, message in enumerate(chat):
        if message["role"] == "assistant":
            asked = tokenizer.encode(render(tokenizer, chat[:i], tool_schemas(), ask=True), add_special_tokens=False)
            assert ids[: len(asked)] == asked
            stop = ids.index(end, len(asked))
            expected[len(asked) : stop + 1] = [1] * (stop + 1 - len(asked))
    assert own == expected


def test_masks_fit_what_trl_reads_from_the_dataset(tokenizer):
    """Stored as a dataset, messages without calls have empty ones, which a template must not see."""
    chat, other = dialogue_chat(random.Random(6)), dialogue_chat(random.Random(7))
    sides = {"prompt": chat[:2], "chosen": chat[2:], "rejected": other[2:]}
    (row,) = preference_dataset([pair(**sides, tools=tool_schemas())], tokenizer)
    prompt = tokenizer.apply_chat_template(
        row["prompt"], tools=json.loads(row["tools"]), add_generation_prompt=True, return_dict=True
    )["input_ids"]
    for side in ("chosen", "rejected"):
        ids = tokenizer.apply_chat_template(
            row["prompt"] + row[side], tools=json.loads(row["tools"]), return_dict=True
        )["input_ids"]
        assert ids[: len(prompt)] == prompt
        assert ids == assistant_tokens(tokenizer, sides["prompt"] + sides[side], tool_schemas()).ids
        assert len(row[f"{side}_agent_mask"]) == len(ids)
        assert not any(row[f"{side}_agent_mask"][: len(prompt)])


def test_a_call_comes_back_as_it_went_in(tokenizer):
    chat = dialogue_chat(random.Random(3))[:2]
    arguments = {"person_a": 'Ada "Ad" Lövelace', "person_b": "Bo {}\n", "time_slot": "Day1 Morning"}
    for name in (tool["function"]["name"] for tool in tool_schemas()):
        call = {"type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        said = {"role": "assistant", "content": "", "tool_calls": [call]}
        asked = render(tokenizer, chat, tool_schemas(), ask=True)
        whole = render(tokenizer, [*chat, said], tool_schemas())
        written = whole.removeprefix(asked).rstrip().removesuffix(turn_end(tokenizer))
        read = read_message(tokenizer, asked, written)
        assert [c["function"] for c in read["tool_calls"]] == [call["function"]]
        assert read["content"] == ""
        broken = read_message(tokenizer, asked, written[:-30])
        assert "tool_calls" not in broken


def two_calls_in_a_turn(chat: list[dict]) -> list[dict]:
    """`chat` with its first two calls made in one turn."""
    first, second = [i for i, message in enumerate(chat) if message.get("tool_calls")][:2]
    calls = [call | {"id": f"{i}"} for i in (first, second) for call in chat[i]["tool_calls"]]
    results = [chat[i + 1] | {"tool_call_id": f"{i}"} for i in (first, second)]
    return [*chat[:first], chat[first] | {"tool_calls": calls}, *results, *chat[second + 2 :]]


def test_a_turn_of_two_calls_is_shown_in_turns_that_the_template_takes(tokenizer):
    chats = [two_calls_in_a_turn(dialogue_chat(random.Random(seed))) for seed in (8, 9)]
    sides = {"prompt": chats[0][:2], "chosen": chats[0][2:], "rejected": chats[1][2:]}
    (row,) = preference_dataset([pair(**sides, tools=tool_schemas())], tokenizer)
    for side in ("chosen", "rejected"):
        chat = assistant_tokens(tokenizer, sides["prompt"] + sides[side], tool_schemas())
        fields = [key for m in sides[side] if m["role"] == "tool" for key in json.loads(m["content"])]
        assert all(field in chat.text for field in fields)
        turns = [message for message in row[side] if message["role"] == "assistant"]
        assert len(chat.turns) == len(turns)
        assert len(row[f"{side}_agent_mask"]) == len(chat.ids)
        if tokenizer.one_call_a_turn:
            assert all(len(turn["tool_calls"] or []) <= 1 for turn in turns)
            assert chat.text == render(tokenizer, one_call_a_turn(sides["prompt"] + sides[side]), tool_schemas())


def test_llama_takes_one_call_a_turn_and_the_embedded_base_several(bases):
    assert load_tokenizer(str(bases / "llama3.2")).one_call_a_turn
    tokenizer = load_tokenizer("models/base")
    assert not tokenizer.one_call_a_turn
    chat = two_calls_in_a_turn(dialogue_chat(random.Random(8)))
    assert render(tokenizer, chat) == tokenizer.apply_chat_template(chat, tokenize=False)


def test_a_pair_that_the_template_refuses_is_named(bases):
    tokenizer = load_tokenizer(str(bases / "llama3.2"))
    tokenizer.chat_template = "{{ raise_exception('no, thanks') }}"
    chat = dialogue_chat(random.Random(8))
    with pytest.raises(InputError, match=r"pair of a and b: .* refuses a conversation: no, thanks"):
        preference_dataset([pair(chat[:2], chat[2:], chat[2:], [])], tokenizer)


def test_plain_answers_come_back_as_they_are(tokenizer):
    chat = dialogue_chat(random.Random(4))
    asked = render(tokenizer, chat[:-1], tool_schemas(), ask=True)
    assert read_message(tokenizer, asked, chat[-1]["content"]) == chat[-1]


@pytest.mark.parametrize("role", ["system", "user", "tool", "assistant"])
def test_data_cannot_open_a_turn(tokenizer, role):
    def special(content):
        chat = [{"role": "user", "content": "Hi."}, {"role": role, "content": content}]
        ids = tokenizer.apply_chat_template(chat, return_dict=True)["input_ids"]
        return [i for i in ids if i in tokenizer.all_special_ids]

    attack = "".join(tokenizer.all_special_tokens) + "".join(token[:5] + token + token[5:] for token in LLAMA.values())
    assert special(attack) == special("harmless")


def test_without_template_and_markers_turns_are_plain_text(texts):
    family = FAMILIES["qwen3"]._replace(named={"eos_token": "<|endoftext|>"}, special=(), added=(), template=None)
    tokenizer = train_tokenizer(family, texts)
    prepare(tokenizer)
    chat = dialogue_chat(random.Random(5))
    *_, ids, own = assistant_tokens(tokenizer, chat, tool_schemas())
    written = tokenizer.decode([i for i, mine in zip(ids, own, strict=True) if mine])
    assert written.count("<|endoftext|>") == sum(message["role"] == "assistant" for message in chat)
    assert written.endswith(chat[-1]["content"] + "<|endoftext|>")


def test_what_cannot_be_used_is_refused_in_one_line(texts):
    family = FAMILIES["qwen3"]._replace(named={}, special=(), added=(), template=None)
    with pytest.raises(InputError, match="no token to end a turn"):
        prepare(train_tokenizer(family, texts))
    joined = FAMILIES["gemma3"]._replace(pieces=r" ?[\p{L}_'-]+|[\S]+|\s+")
    with pytest.raises(InputError, match="joins digits"):
        DigitReader(train_tokenizer(joined, texts))


# ----------------------------------------------------------------------------- the engine


def test_the_engine_writes_what_transformers_would(base):
    engine = Engine(str(base))
    prompts = [chat_text(engine.tokenizer, text) for text in ("Hi.", "Who is tired, and who is not? " * 8)]
    answers = engine.generate([Request(prompt, 12, read_fractions=False) for prompt in prompts])
    for prompt, answer in zip(prompts, answers, strict=True):
        ids = engine.tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
        out = engine.model.generate(**ids, max_new_tokens=12, do_sample=False, eos_token_id=sorted(engine.end_ids))
        new = [i for i in out[0, ids["input_ids"].shape[1] :].tolist() if i not in engine.end_ids]
        assert answer.text == engine.tokenizer.decode(new)


def test_the_end_of_a_turn_ends_generation(base):
    engine = Engine(str(base))
    end = engine.tokenizer.convert_tokens_to_ids(FAMILIES[base.name].ends_turns_with)

    def stop(_module, _inputs, output):
        output[..., end] = 1e4

    engine.model.lm_head.register_forward_hook(stop)
    (answer,) = engine.generate([Request(chat_text(engine.tokenizer, "Hi."))])
    assert (answer.text, answer.completion_tokens) == ("", 0)


def test_rail_is_the_expectation_over_all_tokens_of_digits(base):
    """Brute force over the vocabulary, with every second digit equally likely where digits stand alone."""
    engine = Engine(str(base))
    prompt = chat_text(engine.tokenizer, "How likely?") + PREDICTION_OPENING
    ids = engine.tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
    share = engine.model(**ids).logits[0, -1].double().softmax(-1).tolist()
    alone = FAMILIES[base.name].pieces == SINGLE_DIGITS
    mass = total = 0.0
    for token, p in enumerate(share):
        text = engine.tokenizer.decode([token])
        if re.fullmatch("[0-9]{1,3}", text):
            values = [float(f"0.{text}{second}") for second in range(10)] if alone else [float(f"0.{text}")]
            mass += p
            total += p * sum(values) / len(values)
    assert sum(t.isdecimal() for t in engine.tokenizer.get_vocab()) == (10 if alone else 1110)
    assert engine.fractions([prompt]) == [pytest.approx(total / mass, abs=1e-5)]


# ----------------------------------------------------------------------------- the three phases


def run(monkeypatch, phase, **settings) -> None:
    monkeypatch.setattr(sys, "argv", [phase.__name__, *(f"--{name}={value}" for name, value in settings.items())])
    phase.main()


@pytest.fixture(scope="session")
def rollouts():
    return committed_rollouts(1)


def test_all_three_phases(base, rollouts, tmp_path, monkeypatch):
    sft, traces = tmp_path / "sft", tmp_path / "traces.json"
    few = {"max_train_rows": 12, "num_train_epochs": 1, "rehearsal_share": 0.1, "max_length": 8192}
    run(monkeypatch, starter_sft, base_model_name=base, output_model_path=sft, **few)
    history = read_json(sft / "training_log.json", "starter_sft.py")["history"]
    assert all(math.isfinite(loss) for loss in (entry["loss"] for entry in history if "loss" in entry))

    played = tmp_path / "played.json"
    few = {"num_scenarios": 2, "samples_per_scenario": 2}
    run(monkeypatch, starter_agentic_traces, sft_model_path=sft, traces_path=played, **few)
    told = read_json(played, "starter_agentic_traces.py")
    assert len(told) == 4
    assert all(trace["messages"][2]["role"] == "assistant" and "failure" not in trace for trace in told)

    write_traces(traces, sft, rollouts)
    files = {
        "pairs_path": tmp_path / "pairs.json",
        "adapter_path": tmp_path / "dpo",
        "results_dir": tmp_path / "results",
    }
    few = {"max_steps": 1, "per_device_train_batch_size": 2, "num_eval_scenarios": 4}
    monkeypatch.setattr("meeting_agent.world.scenarios.MAX_MEETINGS", 3)  # so that four are of two conferences
    run(monkeypatch, starter_agentic_rlft, sft_model_path=sft, traces_path=traces, **files, **few)
    step = read_json(tmp_path / "dpo/training_log.json", "starter_agentic_rlft.py")["history"][0]
    assert math.isfinite(step["loss"])
    assert step["rewards/chosen"] == pytest.approx(0.0, abs=1e-3)  # the reference is the policy's own copy
    run(monkeypatch, export, adapter=tmp_path / "dpo", output=tmp_path / "merged")
    ends = GenerationConfig.from_pretrained(tmp_path / "merged").eos_token_id
    tokenizer = load_tokenizer(str(tmp_path / "merged"))
    assert tokenizer.convert_tokens_to_ids(turn_end(tokenizer)) in (ends if isinstance(ends, list) else [ends])
    metrics = read_json(tmp_path / "results/metrics.json", "starter_agentic_rlft.py")
    assert metrics["run"]["base_model"] == str(base)
    assert metrics["phases"]["sft"]["valid_rate"] == 1.0
    evaluated = [t["scenario_id"] for t in read_json(tmp_path / "evaluation_traces.json", "starter_agentic_rlft.py")]
    assert evaluated[:4] == evaluated[4:]
    assert len(set(evaluated)) == 4
