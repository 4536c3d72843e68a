"""Quick dropout drops as many values as PyTorch's, at random, and none outside training."""

import pytest
import torch

from meeting_agent.training.dropout import QuickDropout, use_quick_dropout

P, SIZE = 0.15, (1001, 999)  # not a multiple of the four values that one number decides about


@pytest.fixture
def dropped():
    torch.manual_seed(0)
    values = torch.ones(SIZE, requires_grad=True)
    return values, QuickDropout(P)(values)


def test_share_and_scale(dropped):
    _, out = dropped
    # a standard error of the share is 0.00036
    assert (out == 0).float().mean().item() == pytest.approx(P, abs=0.0015)
    assert out[out != 0].unique().tolist() == pytest.approx([1 / (1 - P)])


def test_neighbours_are_dropped_independently(dropped):
    gone = (dropped[1].detach().flatten() == 0).float()
    for distance in (1, 2, 3, 4, 8, SIZE[1]):
        both = (gone[:-distance] * gone[distance:]).mean().item()
        assert both == pytest.approx(P**2, abs=0.001)


def test_gradient_passes_where_the_value_did(dropped):
    values, out = dropped
    out.sum().backward()
    assert torch.equal(values.grad, out.detach())


def test_a_seed_repeats_it():
    def drawn():
        torch.manual_seed(7)
        return QuickDropout(P)(torch.ones(50))

    assert torch.equal(drawn(), drawn())


def test_evaluation_changes_nothing_and_a_whole_model_is_reached():
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Sequential(torch.nn.Dropout(0.5)))
    use_quick_dropout(model)
    inner = model[1][0]
    assert type(inner) is QuickDropout
    assert inner.p == 0.5
    values = torch.randn(3, 4)
    assert torch.equal(inner.eval()(values), values)
