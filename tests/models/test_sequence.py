"""LSTM, GRU, ALSTM, TCN, Transformer and LocalFormer beyond the reference's numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.models import oracles
from zoo.errors import ModelError
from zoo.network import Batch, Network
from zoo.registry import build

MODELS = ("lstm", "gru", "alstm", "tcn", "transformer", "localformer")


def batch(x: Tensor) -> Batch:
    zeros = torch.zeros(len(x))
    return Batch(x, zeros, zeros.long(), torch.arange(len(x)))


@pytest.mark.parametrize(
    ("name", "params", "parameters"),
    [
        ("lstm", {}, 51_777),
        ("gru", {}, 38_849),
        ("alstm", {}, 52_609),
        ("tcn", {}, 448_257),
        ("transformer", {}, 100_481),
        ("transformer", {"ffn_size": 2048}, 562_817),
        ("localformer", {}, 175_105),
        ("localformer", {"ffn_size": 2048}, 637_441),
    ],
)
def test_a_network_has_the_published_number_of_parameters(name: str, params: dict[str, Any], parameters: int) -> None:
    network = build(name, n_features=6, lookback=60, **params)
    assert sum(p.numel() for p in network.parameters()) == parameters


SMALL: dict[str, dict[str, Any]] = {
    "lstm": {},
    "gru": {},
    "alstm": {},
    "tcn": {},
    "transformer": {"num_heads": 1},
    "localformer": {"num_heads": 1},
}


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize(("rows", "lookback", "n_features"), [(3, 5, 1), (1, 5, 6), (2, 1, 1), (1, 60, 2)])
@pytest.mark.parametrize("name", MODELS)
def test_any_size_works_and_gradients_reach_every_parameter(
    name: str, rows: int, lookback: int, n_features: int, num_layers: int
) -> None:
    network = build(
        name,
        n_features=n_features,
        lookback=lookback,
        hidden_size=7,
        num_layers=num_layers,
        dropout=0.1,
        **SMALL[name],
    )
    score = network(torch.randn(rows, lookback, n_features))
    assert score.shape == (rows,)
    score.sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key


@pytest.mark.parametrize("name", MODELS)
def test_a_score_does_not_depend_on_other_rows(name: str) -> None:
    torch.manual_seed(0)
    network = build(name, n_features=3, lookback=12, hidden_size=8).eval()
    x = torch.randn(6, 12, 3)
    changed = x.clone()
    changed[1:] = torch.randn(5, 12, 3)
    assert torch.equal(network(x)[0], network(changed)[0])


def gradients(score: Tensor, network: Network, x: Tensor) -> dict[str, Tensor]:
    names, tensors = zip(*network.named_parameters(), ("x", x), strict=True)
    return dict(zip(names, torch.autograd.grad(score.square().mean(), tensors), strict=True))


def assert_equal_forms(network: Network, literal: Callable[[Any, Tensor], Tensor], x: Tensor) -> None:
    x.requires_grad_()
    fast, slow = network(x), literal(network, x)
    torch.testing.assert_close(fast, slow, atol=4e-6, rtol=0)
    slow_gradients = gradients(slow, network, x)
    for key, gradient in gradients(fast, network, x).items():
        torch.testing.assert_close(gradient, slow_gradients[key], atol=4e-6, rtol=0, msg=key)


@pytest.mark.parametrize("params", [{}, {"kernel_size": 2}, {"kernel_size": 1}, {"channels": [4, 4, 6, 6]}])
@pytest.mark.parametrize("lookback", [1, 2, 5, 33, 60, 64, 130])
def test_the_pruned_tcn_equals_the_literal_one(lookback: int, params: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = build("tcn", n_features=4, lookback=lookback, **{"hidden_size": 8, **params}).eval()
    assert_equal_forms(network, oracles.tcn, torch.randn(5, lookback, 4))


def test_the_tcn_computes_174_of_600_convolution_positions_at_lookback_60() -> None:
    network: Any = build("tcn", n_features=6, lookback=60)
    assert sum(inner + steps for inner, steps in network.needed) == 174


@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("lookback", [1, 5, 60])
def test_the_pruned_transformer_equals_the_literal_one(lookback: int, num_layers: int) -> None:
    torch.manual_seed(0)
    network = build("transformer", n_features=4, lookback=lookback, hidden_size=16, num_layers=num_layers)
    for key, parameter in network.named_parameters():
        if key.endswith("in_proj_bias"):
            torch.nn.init.normal_(parameter)
    assert_equal_forms(network, oracles.transformer, torch.randn(5, lookback, 4))


@pytest.mark.parametrize(("name", "literal"), [("tcn", oracles.tcn), ("transformer", oracles.transformer)])
def test_dropout_has_the_same_distribution_in_the_pruned_form(
    name: str, literal: Callable[[Any, Tensor], Tensor]
) -> None:
    torch.manual_seed(0)
    network = build(name, n_features=2, lookback=6, hidden_size=4, num_layers=2, dropout=0.5)
    x = torch.randn(1, 6, 2).expand(20_000, 6, 2)
    fast, slow = network(x), literal(network, x)
    assert abs(fast.mean() - slow.mean()) < 5 * slow.std() / 100
    torch.testing.assert_close(fast.std(), slow.std(), rtol=0.05, atol=0)


def test_layers_do_not_start_as_copies() -> None:
    for name in ("transformer", "localformer"):
        state = build(name, n_features=2, lookback=3).state_dict()
        assert not torch.equal(state["layers.0.linear1.weight"], state["layers.1.linear1.weight"])


def test_alstm_honours_its_recurrent_type() -> None:
    for rnn_type, gates in (("gru", 3), ("lstm", 4)):
        state = build("alstm", n_features=2, lookback=3, rnn_type=rnn_type).state_dict()
        assert len(state["rnn.weight_hh_l0"]) == gates * 64


def test_alstm_explains_by_time_weights() -> None:
    weights = build("alstm", n_features=3, lookback=9).explain(batch(torch.randn(5, 9, 3)))["time"]
    assert weights.shape == (5, 9)
    torch.testing.assert_close(weights.sum(1), torch.ones(5))


@pytest.mark.parametrize("name", ["transformer", "localformer"])
def test_encoders_explain_by_the_attention_of_the_last_step(name: str) -> None:
    network = build(name, n_features=3, lookback=9)
    weights = network.explain(batch(torch.randn(5, 9, 3)))["attention"]
    assert weights.shape == (5, 2, 9)
    assert (weights > 0).all()
    torch.testing.assert_close(weights.sum(2), torch.ones(5, 2))


def test_the_explained_attention_is_the_one_the_score_is_made_of() -> None:
    network: Any = build("transformer", n_features=3, lookback=9)
    x = torch.randn(5, 9, 3)
    h = network.layers[0](network.embed(x) + network.positions)
    _, weights = oracles.attention(network.layers[1].self_attn, h)
    torch.testing.assert_close(network.explain(batch(x))["attention"], weights[:, :, -1])


def test_a_window_gives_no_attention_outside_it() -> None:
    network = build("localformer", n_features=3, lookback=30, attention="window", window_size=4)
    weights = network.explain(batch(torch.randn(5, 30, 3)))["attention"]
    assert (weights[:, :, :25] == 0).all()
    assert (weights[:, :, 25:] > 0).all()


def test_a_window_over_the_whole_lookback_is_full_attention() -> None:
    full = build("localformer", n_features=3, lookback=20)
    windowed = build("localformer", n_features=3, lookback=20, attention="window", window_size=19)
    narrow = build("localformer", n_features=3, lookback=20, attention="window", window_size=2)
    x = torch.randn(5, 20, 3)
    for network in (windowed, narrow):
        network.load_state_dict(full.state_dict())
    torch.testing.assert_close(windowed(x), full(x))
    assert not torch.allclose(narrow(x), full(x), atol=1e-4)


def test_a_tcn_without_width_is_an_error() -> None:
    with pytest.raises(ModelError, match="at least 1"):
        build("tcn", n_features=3, lookback=5, channels=[])
