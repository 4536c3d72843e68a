"""Bfloat16 on a CPU is the usual arithmetic, rounded."""

import subprocess
import sys

import pytest
import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from meeting_agent.common.hardware import computes_bfloat16
from meeting_agent.inference.engine import Request
from meeting_agent.inference.loading import load_model, with_adapter
from meeting_agent.inference.prediction import chat_text, predict_probabilities
from meeting_agent.inference.predictor import Predictor
from meeting_agent.training.bfloat16 import MAX_TOKENS, attention_by_products, use_few_passes
from meeting_agent.world.scenarios import make_scenarios

ADAPTER = "models/sft_prediction_model_gemma_270m"
MANY_SHAPES = """
import resource

import torch

import meeting_agent.common.hardware

weight = torch.zeros(512, 192, dtype=torch.bfloat16)
peaks = []
for first, last in ((1, 100), (100, 1000)):
    for rows in range(first, last):
        torch.nn.functional.linear(torch.zeros(rows, 192, dtype=torch.bfloat16), weight)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print((peaks[1] - peaks[0]) // 1024)
"""


class Layer(torch.nn.Module):
    """What an attention function asks of its layer."""

    is_causal, num_key_value_groups, training = True, 2, True


def heads(tokens: int) -> list[torch.Tensor]:
    """Queries of four heads, keys and values of two, for three rows."""
    torch.manual_seed(0)
    return [torch.randn(3, count, tokens, 16).requires_grad_() for count in (4, 2, 2)]


def with_gradients(attention, mask, tokens: int, dtype: torch.dtype) -> list[torch.Tensor]:
    query, key, value = tensors = heads(tokens)
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        out, _ = attention(Layer(), query, key, value, mask, scaling=0.3)
    (out.float() ** 2).sum().backward()
    return [out.detach(), *(t.grad for t in tensors)]


def banded(tokens: int) -> torch.Tensor:
    """A causal mask that also hides what is more than four tokens back, for each row."""
    seen = torch.ones(tokens, tokens, dtype=torch.bool).tril()
    return (seen & ~seen.tril(-5)).expand(3, 1, -1, -1)


@pytest.mark.parametrize("mask", [None, banded(9)], ids=["causal", "masked"])
def test_attention_by_products_is_attention(mask):
    usual = with_gradients(sdpa_attention_forward, mask, 9, torch.float32)
    ours = with_gradients(attention_by_products, mask, 9, torch.bfloat16)
    for exact, rounded in zip(usual, ours, strict=True):
        assert rounded.shape == exact.shape
        assert (rounded.float() - exact).abs().max() < 0.03 * exact.abs().max()
    assert not torch.equal(ours[0].float(), usual[0])


@pytest.mark.parametrize(("tokens", "dtype"), [(9, torch.float32), (MAX_TOKENS + 1, torch.bfloat16)])
def test_in_full_precision_and_for_long_texts_attention_is_the_usual_one(tokens, dtype):
    usual = with_gradients(sdpa_attention_forward, None, tokens, dtype)
    ours = with_gradients(attention_by_products, None, tokens, dtype)
    assert all(torch.equal(a, b) for a, b in zip(usual, ours, strict=True))


@pytest.fixture
def tuned():
    return with_adapter(load_model("models/base"), ADAPTER, trainable=True)


def answered(model, ids: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Logits, and the adapter's gradients of their squares."""
    model.zero_grad()
    logits = model(input_ids=ids).logits
    (logits**2).mean().backward()
    return logits.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def test_an_adapter_in_the_weight_does_what_it_does_beside_it(tuned):
    ids = torch.arange(100, 148).view(2, 24)
    tuned.eval()
    beside, gradients = answered(tuned, ids)
    use_few_passes(tuned)
    within, own_gradients = answered(tuned, ids)
    assert within == pytest.approx(beside, abs=1e-4)
    assert own_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert (own_gradients[name] - gradient).abs().max() <= 1e-3 * gradient.abs().max()


def test_without_its_adapter_the_model_is_the_base(tuned):
    ids = torch.arange(100, 124).view(1, 24)
    use_few_passes(tuned)
    with torch.no_grad(), tuned.disable_adapter():
        said = tuned(input_ids=ids).logits
        assert said == pytest.approx(load_model("models/base")(input_ids=ids).logits, abs=1e-4)


def test_dropout_leaves_out_inputs_of_the_adapter_and_keeps_its_mean(tuned):
    use_few_passes(tuned)
    layer = tuned.base_model.model.model.layers[0].mlp.gate_proj
    assert layer.lora_dropout["default"].p == pytest.approx(0.15)
    x = torch.eye(layer.in_features)
    tuned.eval()
    with torch.no_grad():
        adapter = layer(x) - layer.base_layer(x)
        tuned.train()
        torch.manual_seed(0)
        drawn = torch.stack([layer(x) - layer.base_layer(x) for _ in range(400)])
    left_out = (drawn.abs().amax(2) < 1e-6).float()
    assert left_out.mean() == pytest.approx(0.15, abs=0.01)
    assert (drawn.mean(0) - adapter).abs().max() < 0.15 * adapter.abs().max()


@pytest.mark.skipif(not computes_bfloat16(), reason="this machine answers in full precision")
def test_answers_in_bfloat16_are_those_in_full_precision_but_for_rounding():
    scenarios = make_scenarios("evaluation", 777, 64)
    prompts = [s.prediction_prompt for s in scenarios]
    engines = [Predictor(ADAPTER, fp32=fp32).engine for fp32 in (True, False)]
    assert [next(e.model.parameters()).dtype for e in engines] == [torch.float32, torch.bfloat16]
    exact, rounded = (torch.tensor(predict_probabilities(e, prompts)) for e in engines)
    assert 0 < (exact - rounded).abs().max() < 0.03
    asked = [Request(chat_text(engines[0].tokenizer, p)) for p in prompts]
    said = [[c.text.partition(", ")[2] for c in e.generate(asked)] for e in engines]
    same = sum(one == other for one, other in zip(*said, strict=True))
    assert same >= 0.9 * len(prompts)  # of two reasons that are all but equally likely, rounding may choose the other


@pytest.mark.skipif(not computes_bfloat16(), reason="this machine answers in full precision")
def test_kernels_for_shapes_that_do_not_come_again_are_not_kept():
    grown = subprocess.run([sys.executable, "-c", MANY_SHAPES], capture_output=True, text=True, check=True).stdout
    assert int(grown) < 100  # MiB; without bounds 500 and more
