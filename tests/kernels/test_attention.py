"""The attention kernel equals attention in torch's operations, in what it returns and in all gradients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.kernels.usable import computed_by, usable
from zoo import kernels
from zoo.kernels.attention import attend

pytestmark = pytest.mark.skipif(not usable(), reason="no C compiler was found, or $ZOO_RECURRENT is torch")


@pytest.fixture(autouse=True, params=["unit", "loops"])
def _by(request: pytest.FixtureRequest) -> Iterator[None]:
    with computed_by(request.param) as possible:
        if not possible:
            pytest.skip("this CPU has no matrix unit")
        yield


def results(h: Tensor, inner: nn.Linear, score: nn.Linear) -> list[Tensor]:
    """Context, weights, and gradients of the states and of all parameters."""
    h = h.clone().requires_grad_()
    context, weights = attend(h, inner, score)
    gradients = torch.autograd.grad(context.square().sum(), [h, inner.weight, inner.bias, score.weight])
    return [context.detach(), weights, *gradients]


def layers(width: int, hidden: int) -> tuple[nn.Linear, nn.Linear]:
    torch.manual_seed(0)
    return nn.Linear(width, hidden), nn.Linear(hidden, 1, bias=False)


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 40), steps=st.integers(1, 150), width=st.integers(1, 70), hidden=st.integers(1, 70))
@example(rows=1, steps=1, width=1, hidden=1)
@example(rows=9, steps=60, width=64, hidden=32)
def test_context_weights_and_gradients_equal_torchs(rows: int, steps: int, width: int, hidden: int) -> None:
    inner, score = layers(width, hidden)
    h = torch.randn(rows, steps, width)
    ours = results(h, inner, score)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(kernels.VARIABLE, "torch")
        theirs = results(h, inner, score)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert float((a - b).abs().max()) <= 1e-5 * max(1.0, float(b.abs().max()))


def test_the_same_call_gives_the_same_bits() -> None:
    inner, score = layers(64, 33)
    h = torch.randn(50, 21, 64)
    assert all(torch.equal(a, b) for a, b in zip(results(h, inner, score), results(h, inner, score), strict=True))


def test_what_is_not_a_number_stays_visible() -> None:
    inner, score = layers(5, 7)
    h = torch.randn(4, 6, 5)
    h[1, 2, 3] = torch.nan
    context, weights = attend(h, inner, score)
    assert context.isnan().any(dim=1).tolist() == weights.isnan().any(dim=1).tolist() == [False, True, False, False]


def test_double_precision_and_dropout_are_torchs() -> None:
    inner, score = (layer.double() for layer in layers(3, 9))
    h = torch.randn(4, 5, 3, dtype=torch.float64)
    weights = score(torch.tanh(inner(h))).softmax(1)
    assert torch.allclose(attend(h, inner, score)[0], (weights.transpose(1, 2) @ h)[:, 0], rtol=1e-12)
    dropped = attend(h, inner, score, nn.Dropout(0.5))[0]
    assert not torch.allclose(dropped, attend(h, inner, score, nn.Dropout(0.5).eval())[0])
