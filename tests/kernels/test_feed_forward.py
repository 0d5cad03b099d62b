"""The feed-forward kernel equals two linear layers with a ReLU between them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.kernels.usable import computed_by, usable
from zoo.kernels.feed_forward import feed_forward

pytestmark = pytest.mark.skipif(not usable(), reason="no C compiler was found, or $ZOO_RECURRENT is torch")


@pytest.fixture(autouse=True, params=["unit", "loops"])
def _by(request: pytest.FixtureRequest) -> Iterator[None]:
    with computed_by(request.param) as possible:
        if not possible:
            pytest.skip("this CPU has no matrix unit")
        yield


def both(h: Tensor, inner: nn.Linear, outer: nn.Linear) -> list[list[Tensor]]:
    """Output and gradients of the kernel, and of torch."""
    found = []
    for function in (feed_forward, lambda h, inner, outer: outer(torch.relu(inner(h)))):
        x = h.clone().requires_grad_()
        out = function(x, inner, outer)
        gradients = torch.autograd.grad(out.square().sum(), [x, *inner.parameters(), *outer.parameters()])
        found.append([out.detach(), *gradients])
    return found


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 210), inputs=st.integers(1, 70), width=st.integers(1, 200), outputs=st.integers(1, 70))
@example(rows=1, inputs=1, width=1, outputs=1)
@example(rows=97, inputs=64, width=2048, outputs=64)
def test_outputs_and_gradients_equal_torchs(rows: int, inputs: int, width: int, outputs: int) -> None:
    torch.manual_seed(0)
    inner, outer = nn.Linear(inputs, width), nn.Linear(width, outputs)
    for a, b in zip(*both(torch.randn(rows, inputs), inner, outer), strict=True):
        assert a.shape == b.shape
        assert float((a - b).abs().max()) <= 1e-5 * max(1.0, float(b.abs().max()))


def test_leading_axes_and_views_are_kept() -> None:
    torch.manual_seed(0)
    inner, outer = nn.Linear(8, 24), nn.Linear(24, 8)
    h = torch.randn(5, 8, 7).transpose(1, 2)
    for a, b in zip(*both(h, inner, outer), strict=True):
        assert a.shape == b.shape
        assert torch.allclose(a, b, atol=1e-5)


def test_what_is_not_a_number_stays_visible() -> None:
    inner, outer = nn.Linear(3, 9), nn.Linear(9, 2)
    h = torch.randn(4, 3)
    h[1, 0] = torch.nan
    assert feed_forward(h, inner, outer).isnan().any(dim=1).tolist() == [False, True, False, False]


def test_double_precision_is_torchs() -> None:
    inner, outer = nn.Linear(3, 9).double(), nn.Linear(9, 2).double()
    h = torch.randn(4, 3, dtype=torch.float64)
    assert torch.equal(feed_forward(h, inner, outer), outer(torch.relu(inner(h))))
