"""The kernel of TCN's residual block equals dilated convolutions of every step, and torch's path draw by draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.kernels.usable import computed_by, usable
from tests.models import oracles
from zoo.kernels import VARIABLE
from zoo.kernels.residual import Steps, serves
from zoo.models.tcn import TCN

pytestmark = pytest.mark.skipif(not usable(), reason="no C compiler was found, or $ZOO_RECURRENT is torch")


@pytest.fixture(autouse=True, params=["unit", "loops"])
def _by(request: pytest.FixtureRequest) -> Iterator[None]:
    with computed_by(request.param) as possible:
        if not possible:
            pytest.skip("this CPU has no matrix unit")
        yield


def found(score: Callable[[Tensor], Tensor], network: nn.Module, x: Tensor) -> list[Tensor]:
    """Scores, and the gradients of the windows and of every parameter."""
    x = x.clone().requires_grad_()
    scores = score(x)
    return [scores.detach(), *torch.autograd.grad(scores.square().sum(), [x, *network.parameters()])]


def equal(ours: list[Tensor], others: list[Tensor]) -> bool:
    close = [
        float((a - b).abs().max()) <= 1e-5 * max(1.0, float(b.abs().max())) for a, b in zip(ours, others, strict=True)
    ]
    return all(close)


def on_torch(monkeypatch: pytest.MonkeyPatch, score: Callable[[], list[Tensor]]) -> list[Tensor]:
    with monkeypatch.context() as patch:
        patch.setenv(VARIABLE, "torch")
        return score()


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 70),
    n_features=st.integers(1, 40),
    lookback=st.integers(1, 64),
    widths=st.lists(st.sampled_from([1, 5, 16, 31, 32, 40, 67]), min_size=1, max_size=5),
    kernel_size=st.integers(1, 6),
)
@example(rows=32, n_features=6, lookback=60, widths=[128] * 5, kernel_size=3)
@example(rows=33, n_features=128, lookback=60, widths=[128, 128], kernel_size=3)
@example(rows=1, n_features=1, lookback=1, widths=[1], kernel_size=1)
@example(rows=17, n_features=48, lookback=3, widths=[48] * 8, kernel_size=6)
def test_scores_and_gradients_equal_those_of_all_dilated_steps(
    rows: int, n_features: int, lookback: int, widths: list[int], kernel_size: int
) -> None:
    torch.manual_seed(0)
    network = TCN(n_features=n_features, lookback=lookback, kernel_size=kernel_size, channels=widths, dropout=0.0)
    x = torch.randn(rows, lookback, n_features)
    ours = found(network, network, x)
    # In double precision: a sum next to 0 has a sign of its own in float32, and with it a gradient.
    double = TCN(
        n_features=n_features, lookback=lookback, kernel_size=kernel_size, channels=widths, dropout=0.0
    ).double()
    double.load_state_dict(network.state_dict())
    literal = found(lambda x: oracles.tcn(double, x), double, x.double())
    plain = found(lambda x: oracles.tcn(network, x), network, x)
    assert equal(ours[:1], literal[:1])
    assert equal(ours, plain) or equal(ours, literal)
    with torch.no_grad():
        assert torch.equal(network(x), ours[0])


@pytest.mark.parametrize("rows", [1, 16, 50])
@pytest.mark.parametrize(("hidden_size", "kernel_size", "num_layers"), [(8, 3, 2), (40, 2, 4), (32, 5, 3)])
def test_dropout_takes_the_same_draws_as_torchs_path(
    rows: int, hidden_size: int, kernel_size: int, num_layers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: dict[str, Any] = {"hidden_size": hidden_size, "kernel_size": kernel_size, "num_layers": num_layers}
    torch.manual_seed(0)
    network, x = TCN(n_features=6, lookback=20, dropout=0.3, **sizes).train(), torch.randn(rows, 20, 6)

    def step() -> list[Tensor]:
        torch.manual_seed(1)
        return [*found(network, network, x), torch.rand(3)]

    ours = step()
    assert equal(ours, on_torch(monkeypatch, step))
    assert all(torch.equal(a, b) for a, b in zip(ours, step(), strict=True))
    torch.manual_seed(2)
    assert not torch.equal(found(network, network, x)[0], ours[0])


@pytest.mark.parametrize("dropout", [1e-7, 1.0])
def test_a_share_that_16_bits_cannot_say_is_dropped_by_torch(dropout: float, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network, x = (
        TCN(n_features=3, lookback=8, hidden_size=8, num_layers=2, dropout=dropout).train(),
        torch.randn(4, 8, 3),
    )

    def step() -> list[Tensor]:
        torch.manual_seed(1)
        return found(network, network, x)

    assert all(torch.equal(a, b) for a, b in zip(step(), on_torch(monkeypatch, step), strict=True))


def test_frozen_parameters_and_windows_without_a_gradient_are_served() -> None:
    torch.manual_seed(0)
    network, x = TCN(n_features=3, lookback=9, hidden_size=33, num_layers=2, dropout=0.0), torch.randn(5, 9, 3)
    whole = found(network, network, x)[2:]
    network.blocks[0].requires_grad_(False)
    network(x).square().sum().backward()
    for parameter, gradient in zip(network.parameters(), whole, strict=True):
        if parameter.requires_grad:
            assert parameter.grad is not None
            assert torch.equal(parameter.grad, gradient)
        else:
            assert parameter.grad is None


def test_windows_that_do_not_lie_in_order_are_read_as_they_are() -> None:
    torch.manual_seed(0)
    network = TCN(n_features=5, lookback=12, hidden_size=32, num_layers=3, dropout=0.0)
    x = torch.randn(12, 7, 5).transpose(0, 1)
    assert torch.equal(network(x), network(x.contiguous()))


@pytest.mark.parametrize("where", ["features", "weight"])
def test_what_is_not_a_number_stays_visible(where: str) -> None:
    torch.manual_seed(0)
    network, x = TCN(n_features=3, lookback=8, hidden_size=40, num_layers=2, dropout=0.0), torch.randn(4, 8, 3)
    weight = network.get_parameter("blocks.1.conv2.weight_v").data
    (x if where == "features" else weight)[1, 2, 0] = torch.nan
    scores, *gradients = found(network, network, x)
    assert scores.isnan().tolist() == ([False, True, False, False] if where == "features" else [True] * 4)
    assert any(bool(gradient.isnan().any()) for gradient in gradients)


@pytest.mark.parametrize("kind", ["forward", "forward_pre", "full_backward"])
@pytest.mark.parametrize("layer", ["conv1", "conv2", "dropout"])
def test_a_layer_with_hooks_is_called(layer: str, kind: str) -> None:
    network, seen = TCN(n_features=3, lookback=8, hidden_size=8, num_layers=1).eval(), []
    watched = getattr(network.blocks[0], layer)
    getattr(watched, f"register_{kind}_hook")(lambda *_: seen.append(layer))
    network(torch.randn(2, 8, 3, requires_grad=True)).sum().backward()
    assert seen


def test_other_types_widths_and_ranks_are_torchs() -> None:
    block: Any = TCN(n_features=3, lookback=8, hidden_size=8, num_layers=2).blocks[0]
    steps, x = Steps(5, 3), torch.randn(2, 6, 3)
    assert block._on_kernel(x, steps)
    for other in (x.double(), x[..., :2], x[0], x[:0], x[:, :4], x.to("meta")):
        assert not serves(other, block._in_order(), steps)
    assert not block.double()._on_kernel(x, steps)


def test_double_precision_is_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = TCN(n_features=3, lookback=8, hidden_size=8, num_layers=2, dropout=0.0).double()
    x = torch.randn(4, 8, 3, dtype=torch.float64)
    assert torch.equal(network(x), on_torch(monkeypatch, lambda: [network(x)])[0])
    assert torch.autograd.gradcheck(network, x.requires_grad_(), atol=1e-6)
