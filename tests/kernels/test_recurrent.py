"""The kernel computes what torch's recurrent nets compute, at any size."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tests.kernels.usable import computed_by, usable
from zoo import kernels
from zoo.kernels.recurrent import GRU, LSTM

pytestmark = pytest.mark.skipif(not usable(), reason="no C compiler was found, or $ZOO_RECURRENT is torch")
KINDS: dict[str, tuple[Any, Any]] = {"gru": (GRU, nn.GRU), "lstm": (LSTM, nn.LSTM)}
CLOSE = 1e-5

kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True, params=["unit", "loops"])
def _on_the_kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(kernels.VARIABLE, "kernel")
    with computed_by(request.param) as possible:
        if not possible:
            pytest.skip("this CPU has no matrix unit")
        yield


def pair(kind: str, features: int, hidden: int, layers: int = 1, dropout: float = 0.0) -> tuple[Any, Any]:
    """Ours and torch's with the same weights."""
    torch.manual_seed(0)
    ours, theirs = (cls(features, hidden, layers, batch_first=True, dropout=dropout) for cls in KINDS[kind])
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def results(rnn: nn.Module, x: Tensor, seed: int = 1) -> list[Tensor]:
    """Outputs, last states, and gradients of the input and of all weights, for random gradients of all outputs."""
    x = x.clone().requires_grad_()
    rnn.zero_grad(set_to_none=True)
    torch.manual_seed(seed)
    outputs, state = rnn(x)
    given = [outputs, *(state if isinstance(state, tuple) else (state,))]
    generator = torch.Generator().manual_seed(seed)
    loss = sum(((part * torch.randn(part.shape, generator=generator)).sum() for part in given), torch.zeros(()))
    loss.backward()
    assert x.grad is not None
    return [*(part.detach() for part in given), x.grad, *(p.grad for p in rnn.parameters() if p.grad is not None)]


def assert_close(ours: list[Tensor], theirs: list[Tensor]) -> None:
    """Equal to 1e-5 of each tensor's largest number, or absolutely where that is below 1."""
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert float((a - b).abs().max()) <= CLOSE * max(1.0, float(b.abs().max()))


@kinds
@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 230),
    steps=st.integers(1, 25),
    features=st.integers(1, 40),
    hidden=st.integers(1, 70),
    layers=st.integers(1, 3),
    dropout=st.sampled_from([0.0, 0.0, 0.3, 1.0]),
)
@example(rows=1, steps=1, features=1, hidden=1, layers=1, dropout=0.0)
@example(rows=1, steps=120, features=6, hidden=7, layers=2, dropout=0.0)
@example(rows=1000, steps=3, features=6, hidden=32, layers=2, dropout=0.0)
@example(rows=97, steps=9, features=64, hidden=64, layers=3, dropout=0.5)
@example(rows=193, steps=5, features=6, hidden=128, layers=2, dropout=0.0)
def test_outputs_and_gradients_equal_torchs(
    kind: str, rows: int, steps: int, features: int, hidden: int, layers: int, dropout: float
) -> None:
    ours, theirs = pair(kind, features, hidden, layers, dropout if layers > 1 else 0.0)
    x = torch.randn(rows, steps, features)
    assert_close(results(ours, x), results(theirs, x))


@kinds
def test_the_same_call_gives_the_same_bits(kind: str) -> None:
    rnn, _ = pair(kind, 6, 33, 2, 0.4)
    x = torch.randn(150, 11, 6)
    first, second = results(rnn, x), results(rnn, x)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@kinds
def test_dropout_draws_torchs_own_masks_and_none_in_eval_mode(kind: str) -> None:
    ours, theirs = pair(kind, 5, 12, 3, 0.5)
    x = torch.randn(70, 6, 5)
    for rnn in (ours, theirs):
        torch.manual_seed(3)
        rnn(x)
    torch.manual_seed(3)
    ours(x)
    drawn = torch.get_rng_state()
    torch.manual_seed(3)
    theirs(x)
    assert torch.equal(drawn, torch.get_rng_state())
    assert not torch.allclose(ours(x)[0], ours(x)[0])
    assert_close(results(ours.eval(), x), results(theirs.eval(), x))


@kinds
def test_without_gradient_the_scores_have_the_same_bits(kind: str) -> None:
    rnn, _ = pair(kind, 6, 20, 2)
    x = torch.randn(101, 8, 6)
    outputs = rnn(x)[0].detach()
    with torch.no_grad():
        assert torch.equal(rnn(x)[0], outputs)
        assert torch.equal(rnn(x, last=True), outputs[:, -1])
    with torch.inference_mode():
        assert torch.equal(rnn(x, last=True), outputs[:, -1])


@kinds
def test_the_last_state_alone_has_the_gradient_of_the_last_output(kind: str) -> None:
    ours, theirs = pair(kind, 4, 18, 2)
    x = torch.randn(50, 7, 4)
    ours(x, last=True).square().sum().backward()
    theirs(x)[0][:, -1].square().sum().backward()
    assert_close([p.grad for p in ours.parameters()], [p.grad for p in theirs.parameters()])


@kinds
def test_a_net_used_twice_adds_up_its_gradients(kind: str) -> None:
    ours, theirs = pair(kind, 4, 10, 2)
    x, other = torch.randn(40, 5, 4), torch.randn(12, 9, 4)
    for rnn in (ours, theirs):
        (rnn(x)[0].square().sum() + rnn(other)[0][:, -1].sum()).backward()
    assert_close([p.grad for p in ours.parameters()], [p.grad for p in theirs.parameters()])


@kinds
def test_a_graph_that_is_kept_may_be_differentiated_again(kind: str) -> None:
    rnn, _ = pair(kind, 4, 10)
    outputs, _ = rnn(torch.randn(9, 5, 4))
    outputs.sum().backward(retain_graph=True)
    first = [p.grad.clone() for p in rnn.parameters()]
    rnn(torch.randn(30, 20, 4))  # must not write over what the graph holds
    outputs.sum().backward()
    assert all(torch.equal(p.grad, 2 * g) for p, g in zip(rnn.parameters(), first, strict=True))


@kinds
@pytest.mark.parametrize("turn", [lambda x: x.transpose(0, 1), lambda x: x[::2], lambda x: x[..., ::2]])
def test_inputs_may_be_views(kind: str, turn: Any) -> None:
    x = turn(torch.randn(12, 14, 8))
    ours, theirs = pair(kind, x.shape[2], 9, 2)
    assert_close(results(ours, x), results(theirs, x.contiguous()))


@kinds
def test_what_is_not_a_number_stays_visible(kind: str) -> None:
    rnn, _ = pair(kind, 3, 5, 2)
    x = torch.randn(4, 6, 3)
    x[2, 3, 1] = torch.nan
    last = rnn(x, last=True)
    assert last[2].isnan().all()
    assert not last[[0, 1, 3]].isnan().any()


@kinds
def test_large_inputs_saturate_as_torchs_do(kind: str) -> None:
    ours, theirs = pair(kind, 3, 17)
    x = 1e4 * torch.randn(20, 4, 3)
    with torch.no_grad():
        assert_close([ours(x)[0]], [theirs(x)[0]])


@kinds
def test_the_error_does_not_grow_over_many_steps(kind: str) -> None:
    ours, theirs = pair(kind, 2, 8)
    x = torch.randn(3, 400, 2)
    error = (ours(x)[0] - theirs(x)[0]).abs().amax((0, 2)).detach()
    assert all(float(part.max()) < 2e-6 for part in error.chunk(4))
    assert all(float(b.mean()) < 3 * float(a.mean()) + 1e-7 for a, b in pairwise(error.chunk(4)))


@kinds
@pytest.mark.parametrize(
    "case", ["double", "initial state", "unbatched", "time first", "no bias", "both ways", "counted", "per sample"]
)
def test_what_the_kernel_does_not_serve_is_torchs(kind: str, case: str) -> None:
    options = {"time first": {"batch_first": False}, "no bias": {"bias": False}, "both ways": {"bidirectional": True}}
    options = {"batch_first": True, **options.get(case, {})}
    torch.manual_seed(0)
    ours, theirs = (cls(4, 6, 2, **options) for cls in KINDS[kind])
    theirs.load_state_dict(ours.state_dict())
    x: Tensor = torch.randn(5, 7, 4)
    if case == "double":
        ours, theirs, x = ours.double(), theirs.double(), x.double()
    elif case == "unbatched":
        x = x[0]
    if case == "initial state":
        h = torch.randn(2, 5, 6)
        state: Any = h if kind == "gru" else (h, h)
        assert torch.equal(ours(x, state)[0], theirs(x, state)[0])
    elif case == "counted":
        with FlopCounterMode(display=False):
            found = ours(x)[0]
        assert torch.equal(found, theirs(x)[0])
    elif case == "per sample":
        with pytest.raises(Exception, match=r"vmap|[Bb]atching"):  # torch's own has no rule for it either
            torch.func.vmap(lambda row: ours(row[None])[0])(x)
    else:
        assert torch.equal(ours(x)[0], theirs(x)[0])


def test_state_keys_are_torchs() -> None:
    for kind in KINDS:
        ours, theirs = pair(kind, 3, 4, 2)
        assert list(ours.state_dict()) == list(theirs.state_dict())
