"""Shared blocks: packing of days, recurrent encoder, convolution, positions, attention."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from tests.models import oracles
from zoo.errors import ModelError
from zoo.layers import (
    Dropout,
    EncoderLayer,
    SelfAttention,
    convolve,
    pack_days,
    recurrent,
    sinusoids,
    unpack_days,
)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=20))
def test_unpacking_inverts_packing_whatever_the_order_of_days(days: list[int]) -> None:
    day, rows = torch.tensor(days), torch.randn(len(days), 3)
    packed, mask, index = pack_days(rows, day)
    assert torch.equal(unpack_days(packed, index), rows)
    for b, value in enumerate(day.unique()):
        assert torch.equal(packed[b][mask[b]], rows[day == value])
    assert not packed[~mask].any()
    assert mask.sum() == len(days)


def test_without_days_all_rows_are_one_day() -> None:
    rows = torch.randn(4, 2)
    packed, mask, index = pack_days(rows, None)
    assert torch.equal(packed, rows[None])
    assert mask.all()
    assert torch.equal(unpack_days(packed, index), rows)


def test_a_gradient_passes_packing_unchanged() -> None:
    rows = torch.randn(5, 2, requires_grad=True)
    packed, _, index = pack_days(rows, torch.tensor([3, 1, 3, 3, 1]))
    weight = torch.randn(5, 2)
    (unpack_days(packed, index) * weight).sum().backward()
    assert torch.equal(rows.grad, weight)


def test_one_recurrent_layer_has_nowhere_to_drop() -> None:
    rnn, x = recurrent("gru", 3, 4, 1, dropout=0.9).train(), torch.randn(2, 5, 3)
    assert torch.equal(rnn(x)[0], rnn(x)[0])


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_zeroes_independently_with_its_probability_and_keeps_the_mean(p: float) -> None:
    torch.manual_seed(0)
    x = torch.ones(1000, 1001, requires_grad=True)
    y = Dropout(p)(x)
    y.sum().backward()
    assert torch.equal(x.grad, y)
    zero = (y == 0).double()
    error = math.sqrt(p * (1 - p) / zero.numel())
    assert abs(zero.mean() - p) < 5 * error
    torch.testing.assert_close(y.unique(), torch.tensor([0, 1 / (1 - p)]), rtol=2e-4, atol=0)
    for shift in range(1, 5):
        neighbours = ((zero[:, shift:] - p) * (zero[:, :-shift] - p)).mean() / (p * (1 - p))
        assert abs(neighbours) < 5e-3


def test_dropout_follows_the_seed_and_rests_outside_training() -> None:
    drop, x = Dropout(0.3), torch.randn(5, 7)
    outputs = [(torch.manual_seed(1), drop(x))[1] for _ in range(2)]
    assert torch.equal(*outputs)
    assert torch.equal(drop.eval()(x), x)
    assert not Dropout(1.0)(x).any()


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel_size", [1, 2, 3])
def test_convolve_is_conv1d_with_time_in_the_middle(stride: int, kernel_size: int) -> None:
    x, weight, bias = torch.randn(2, 11, 4), torch.randn(5, 4, kernel_size), torch.randn(5)
    expected = F.conv1d(x.transpose(1, 2), weight, bias, stride).transpose(1, 2)
    torch.testing.assert_close(convolve(x, weight, bias, stride), expected)


@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_positions_are_sines_in_even_and_cosines_in_odd_columns(size: int) -> None:
    found = sinusoids(9, size)
    assert found.shape == (9, size)
    for column in range(size):
        angle = torch.arange(9, dtype=torch.float64) / 10000 ** ((column - column % 2) / size)
        expected = angle.cos() if column % 2 else angle.sin()
        torch.testing.assert_close(found[:, column].double(), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("window", [None, 1, 3, 16, 20, 100])
@pytest.mark.parametrize("steps", [1, 2, 5, 16, 37, 48])
def test_attention_and_its_last_step_equal_the_full_matrix_under_a_mask(steps: int, window: int | None) -> None:
    torch.manual_seed(0)
    module = SelfAttention(8, 2, window=window)
    torch.nn.init.normal_(module.in_proj_bias)
    h = torch.randn(3, steps, 8, requires_grad=True)
    weight = torch.randn(3, steps, 8)
    expected, weights = oracles.attention(module, h)
    found = module(h)
    torch.testing.assert_close(found, expected, atol=4e-6, rtol=0)
    torch.testing.assert_close(module.last(h), expected[:, -1], atol=4e-6, rtol=0)
    torch.testing.assert_close(module.last_weights(h), weights[:, :, -1], atol=4e-6, rtol=0)
    inputs = [h, *module.parameters()]
    for left, right in ((found * weight, expected * weight), (module.last(h), expected[:, -1])):
        pairs = zip(
            torch.autograd.grad(left.mean(), inputs, retain_graph=True),
            torch.autograd.grad(right.mean(), inputs, retain_graph=True),
            strict=True,
        )
        for ours, theirs in pairs:
            torch.testing.assert_close(ours, theirs, atol=4e-6, rtol=0)


def test_windowed_attention_keeps_memory_linear_in_time() -> None:
    module = SelfAttention(8, 2, window=4)

    def saved(steps: int) -> int:
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            module(torch.randn(1, steps, 8))
        return max(sizes)

    assert saved(1024) <= 2.1 * saved(512)


def test_dropout_of_attention_keeps_the_mean_of_the_last_step() -> None:
    torch.manual_seed(0)
    layer = EncoderLayer(4, 1, dropout=0.5).train()
    h = torch.randn(1, 6, 4).expand(40_000, 6, 4)
    fast, full = layer.last(h), layer(h)[:, -1]
    error = math.sqrt(2) * full.std(0) / 200
    assert ((fast.mean(0) - full.mean(0)).abs() < 5 * error).all()
    torch.testing.assert_close(fast.std(0), full.std(0), rtol=0.05, atol=0)


def test_heads_that_do_not_divide_the_width_are_an_error_that_names_both() -> None:
    with pytest.raises(ModelError, match=r"hidden_size 7 .* num_heads 2"):
        SelfAttention(7, 2)
    with pytest.raises(ModelError, match="window_size 0"):
        SelfAttention(8, 2, window=0)
