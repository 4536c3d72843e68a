"""Bases that read in other ways than ours, or whose files do not fit each other: they work, or one line says why."""

import json
import math
import shutil
import sys
import time

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

import starter_agentic_rlft
import starter_agentic_traces
import starter_sft
from meeting_agent.benchmarks.memory import committed_rollouts, write_traces
from meeting_agent.common.files import InputError, read_json
from meeting_agent.common.settings import PROJECT
from meeting_agent.inference.bases import base_digest, base_place, check_base, looks_local, portable_name
from meeting_agent.inference.engine import Engine, Request
from meeting_agent.inference.loading import attends_to_all, load_model, position_limit
from meeting_agent.inference.prediction import chat_text, predict_probabilities
from meeting_agent.training.prefix_sharing import agrees, forward_as_trl, forward_by_pair, forward_by_row

TOKENIZER = AutoTokenizer.from_pretrained("models/base")
IDS = {name: getattr(TOKENIZER, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
IDS["vocab_size"] = len(TOKENIZER)
SHAPE = IDS | {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 4096,
}
WINDOW = "a window of which only the size is told"
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 2} | IDS
CONFIGS = {
    "learned positions": transformers.GPT2Config(**GPT2, n_positions=1024),
    "few positions": transformers.GPT2Config(**GPT2, n_positions=256),
    "no positions": transformers.BloomConfig(hidden_size=32, n_layer=2, n_head=2, **IDS),
    WINDOW: transformers.MistralConfig(**SHAPE, head_dim=16, sliding_window=64),
    "a window beside full attention": transformers.Gemma2Config(
        **SHAPE, head_dim=16, sliding_window=64, query_pre_attn_scalar=16
    ),
    "states": transformers.Lfm2Config(
        **(SHAPE | {"num_hidden_layers": 3}),
        layer_types=["conv", "full_attention", "conv"],
        block_multiple_of=8,
    ),
    "states alone": transformers.Mamba2Config(
        **IDS, hidden_size=32, state_size=8, num_hidden_layers=2, num_heads=4, head_dim=16, n_groups=1, chunk_size=16
    ),
}
WHOLE_RUNS = ("no positions", "states", "states alone")


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    root = tmp_path_factory.mktemp("bases")
    for name, config in CONFIGS.items():
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(config).save_pretrained(root / name)
        TOKENIZER.save_pretrained(root / name)
    return root


@pytest.fixture(params=CONFIGS)
def base(request, bases):
    return bases / request.param


# ----------------------------------------------------------------------------- reading


def test_the_engine_writes_what_transformers_would_in_every_turn(base, capsys):
    engine = Engine(str(base), fp32=True)
    texts = [chat_text(engine.tokenizer, text) for text in ("Hi.", "Who is tired? " * 12, "Who is tired? " * 12)]
    for _ in range(2):
        answers = engine.generate([Request(t, 10, read_fractions=False, session=str(i)) for i, t in enumerate(texts)])
        for text, answer in zip(texts, answers, strict=True):
            ids = engine.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
            ends = sorted(engine.end_ids)
            out = engine.model.generate(
                input_ids=ids, attention_mask=ids * 0 + 1, max_new_tokens=10, do_sample=False, eos_token_id=ends
            )
            new = [i for i in out[0, ids.shape[1] :].tolist() if i not in ends]
            assert answer.text == engine.tokenizer.decode(new)
        texts = [text + answer.text + " And now? " for text, answer in zip(texts, answers, strict=True)]
    said = [line for line in capsys.readouterr().out.splitlines() if "generate" in line]
    assert len(said) <= 1


def test_probabilities_do_not_depend_on_what_is_read_beside(base):
    engine = Engine(str(base), fp32=True)
    prompts = ["How likely? " * n for n in (1, 3, 7)]
    together = predict_probabilities(engine, prompts)
    assert together == pytest.approx([predict_probabilities(engine, [p])[0] for p in prompts], abs=1e-5)


def test_what_has_been_read_is_kept_only_where_every_layer_sees_it(bases):
    kept = {name for name in CONFIGS if Engine(str(bases / name)).reuses}
    assert kept == {"learned positions", "few positions", "no positions"}
    assert not attends_to_all(load_model(str(bases / WINDOW)))


def test_a_pair_is_read_in_a_way_that_agrees_with_a_plain_pass(base):
    from trl.trainer.utils import add_fused_lm_head

    model = load_model(str(base))
    add_fused_lm_head(model, outputs=("log_probs",))
    ways = {way.__name__ for way in (forward_by_pair, forward_as_trl) if agrees(model, way)}
    assert "forward_as_trl" in ways
    by_pair = attends_to_all(model) and "forward_by_pair" in ways
    assert by_pair == (base.name in ("learned positions", "few positions"))
    assert agrees(model, forward_by_row)


# ----------------------------------------------------------------------------- positions and tokens


def test_few_positions_end_an_answer_and_refuse_a_prompt(bases):
    engine = Engine(str(bases / "few positions"))
    assert position_limit(engine.model) == 256
    assert position_limit(load_model(str(bases / "states"))) is None
    long = "a b c d e f g h " * 15
    prompt = engine.tokenizer.decode(engine.tokenizer.encode(long, add_special_tokens=False)[:250])
    full, short = engine.generate([Request(prompt * 4, 50), Request(prompt, 50, read_fractions=False)])
    assert (full.text, full.completion_tokens) == ("", 0)
    assert short.prompt_tokens + short.completion_tokens <= 256
    with pytest.raises(InputError, match="256 positions"):
        engine.fractions([prompt * 4])


@pytest.fixture
def copy_of_base(tmp_path):
    return shutil.copytree("models/base", tmp_path / "base", ignore=shutil.ignore_patterns(".*"))


def settings(base, tmp_path, **more):
    few = {"max_train_rows": 12, "num_train_epochs": 1, "rehearsal_share": 0.1}
    return {"base_model_name": base, "output_model_path": tmp_path / "sft"} | few | more


def run(monkeypatch, phase, **given) -> None:
    monkeypatch.setattr(sys, "argv", [phase.__name__, *(f"--{name}={value}" for name, value in given.items())])
    phase.main()


def test_a_padding_token_without_an_embedding_pads_with_another(copy_of_base, tmp_path, monkeypatch, capsys):
    tokenizer = AutoTokenizer.from_pretrained(copy_of_base)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(copy_of_base)
    run(monkeypatch, starter_sft, **settings(copy_of_base, tmp_path))
    assert "no embedding for the padding token [PAD]" in capsys.readouterr().out
    assert (tmp_path / "sft" / "adapter_model.safetensors").exists()


def test_words_without_an_embedding_are_refused_before_training_where_a_text_has_them(
    copy_of_base, tmp_path, monkeypatch
):
    tokenizer = AutoTokenizer.from_pretrained(copy_of_base)
    tokenizer.add_tokens(["[PERSON]"])
    tokenizer.save_pretrained(copy_of_base)
    data = tmp_path / "data.csv"
    rows = [f"[PERSON] {i} meets somebody,0.{i + 1},energy,0.{i + 1}" for i in range(9)] * 2
    header = "input_text,target_probability,target_reason,ground_truth_prob"
    data.write_text("\n".join([header, *(f"{i}{row}" for i, row in enumerate(rows))]))
    with pytest.raises(InputError, match=r"holds '\[PERSON\]'.*resize_token_embeddings"):
        run(monkeypatch, starter_sft, **settings(copy_of_base, tmp_path, sft_data_path=data))
    assert not (tmp_path / "sft").exists()
    run(monkeypatch, starter_sft, **settings(copy_of_base, tmp_path))


def test_rows_that_do_not_fit_into_the_positions_are_left_out_or_refused(bases, tmp_path, monkeypatch, capsys):
    run(monkeypatch, starter_sft, **settings(bases / "few positions", tmp_path, max_train_rows=40))
    assert "rows have more than 256 tokens: left out" in capsys.readouterr().out
    data = tmp_path / "data.csv"
    data.write_text(
        "input_text,target_probability,target_reason,ground_truth_prob\n"
        + "".join(f"{'a b c d e f g h ' * 40}{i},0.5,energy,0.{i % 10}\n" for i in range(20))
    )
    with pytest.raises(InputError, match="positions"):
        run(monkeypatch, starter_sft, **settings(bases / "few positions", tmp_path, sft_data_path=data))


# ----------------------------------------------------------------------------- files


def test_weights_in_several_files_have_a_digest(copy_of_base, tmp_path, monkeypatch):
    whole = base_digest(str(copy_of_base))
    model = AutoModelForCausalLM.from_pretrained(copy_of_base)
    (copy_of_base / "model.safetensors").unlink()
    model.save_pretrained(copy_of_base, max_shard_size="5MB")
    known = base_digest(str(copy_of_base))
    assert known not in (whole, None)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(copy_of_base)}))
    (adapter / "training_log.json").write_text(json.dumps({"sha256": {"base": known}}))
    check_base(adapter)
    shard = next(copy_of_base.glob("model-00002*"))
    shard.write_bytes(shard.read_bytes()[:-4] + b"abcd")
    with pytest.raises(InputError, match="was trained on another"):
        check_base(adapter)


def test_an_adapter_is_no_base(tmp_path):
    with pytest.raises(InputError, match="is a LoRA adapter: merge it"):
        base_place("models/dpo_aligned_adapter")


def test_a_name_that_looks_like_a_path_is_never_looked_up_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.hf_hub_download", lambda *_, **__: pytest.fail("asked the hub"))
    missing = ("models/none", "./base", "../base", "~/base", "/none/base", "a/b/c", "none/", "base.gguf", "a\\b")
    for name in missing:
        assert looks_local(name), name
        with pytest.raises(InputError, match="there is no such folder"):
            load_model(name)
    for name in ("google/gemma-3-270m-it", "gpt2", "org/name.v1"):
        assert not looks_local(name)
        assert base_place(name) == name


def test_a_hub_that_does_not_answer_is_said_at_once(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    started = time.monotonic()
    with pytest.raises(InputError, match="does not answer, and it is not in the cache"):
        load_model("nobody/nothing")
    assert time.monotonic() - started < 5


def test_the_embedded_base_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert base_place("models/base") == str(PROJECT / "models" / "base")
    assert portable_name(str(PROJECT / "models" / "base")) == "models/base"
    assert portable_name("/elsewhere/base") == "/elsewhere/base"
    run(monkeypatch, starter_sft, max_train_rows=12, num_train_epochs=1, output_model_path="mine/sft")
    assert read_json(tmp_path / "mine/sft/adapter_config.json", "")["base_model_name_or_path"] == "models/base"
    run(monkeypatch, starter_agentic_traces, sft_model_path="mine/sft", traces_path="t.json", num_scenarios=1)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".meeting_agent.json", "mine", "t.json", "t.summary.json"]


# ----------------------------------------------------------------------------- the three phases


@pytest.fixture(scope="module")
def four_bits(tmp_path_factory):
    """A base as "...-bnb-4bit" on the hub."""
    from transformers import BitsAndBytesConfig

    folder = tmp_path_factory.mktemp("bits") / "base"
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32)
    AutoModelForCausalLM.from_pretrained("models/base", quantization_config=config).save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", [*WHOLE_RUNS, "four bits"])
def test_all_three_phases(name, bases, tmp_path, monkeypatch, request):
    base = request.getfixturevalue("four_bits") if name == "four bits" else bases / name
    sft, traces = tmp_path / "sft", tmp_path / "traces.json"
    run(monkeypatch, starter_sft, **settings(base, tmp_path))
    few = {"num_scenarios": 2, "samples_per_scenario": 1}
    run(monkeypatch, starter_agentic_traces, sft_model_path=sft, traces_path=tmp_path / "played.json", **few)
    assert len(read_json(tmp_path / "played.json", "")) == 2
    write_traces(traces, sft, committed_rollouts(1))
    run(
        monkeypatch,
        starter_agentic_rlft,
        sft_model_path=sft,
        traces_path=traces,
        pairs_path=tmp_path / "pairs.json",
        adapter_path=tmp_path / "dpo",
        results_dir=tmp_path / "results",
        max_steps=1,
        per_device_train_batch_size=2,
        num_eval_scenarios=2,
    )
    step = read_json(tmp_path / "dpo/training_log.json", "")["history"][0]
    assert math.isfinite(step["loss"])
    assert step["rewards/chosen"] == pytest.approx(0.0, abs=1e-3)
    assert read_json(tmp_path / "results/metrics.json", "")["phases"]["sft"]["valid_rate"] == 1.0
