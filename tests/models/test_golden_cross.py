"""GATs and HIST against the reference implementation's numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import zoo.models.gats
from tests.models.golden import (
    Golden,
    assert_same,
    assert_scores_and_gradients,
    assert_training_steps,
    default_forward,
    feature_major,
    reference_network,
)
from zoo.models.gats import GATs
from zoo.network import Batch, Network
from zoo.registry import build

CASES = {
    "GATModel_LSTM": ("gats", "lstm"),
    "GATModel_GRU": ("gats", "gru"),
    "HISTModel_LSTM": ("hist", "lstm"),
    "HISTModel_GRU": ("hist", "gru"),
}


def load(stem: str) -> tuple[Golden, str, Network]:
    golden, (name, rnn_type) = Golden.load(stem), CASES[stem]
    return golden, name, reference_network(golden, name, hidden_size=12, rnn_type=rnn_type)


def among_other_days(network: Network, inputs: dict[str, Tensor]) -> Tensor:
    """The golden day's scores where its rows are spread over a batch with a fuller and a one-stock day."""
    golden = feature_major(inputs["x"], 5)
    torch.manual_seed(0)
    x = torch.cat([torch.randn(11, *golden.shape[1:]), golden, torch.randn(1, *golden.shape[1:])])
    day = torch.tensor([8] * 11 + [5] * 7 + [2])
    concepts = inputs.get("concept")
    if concepts is not None:
        others = (torch.rand(12, concepts.shape[1]) < 0.5).float()
        concepts = torch.cat([others[:11], concepts, others[11:]])
    order = torch.randperm(19)
    score = network(x[order], day=day[order], concepts=None if concepts is None else concepts[order])
    return score[order.argsort()][11:18]


@pytest.mark.parametrize("sort_from", [0, 1000])
@pytest.mark.parametrize("stem", CASES)
def test_scores_and_gradients_equal_the_reference(stem: str, sort_from: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo.models.gats, "_SORT_FROM", sort_from)
    golden, name, network = load(stem)
    assert_scores_and_gradients(golden, name, network, atol=1e-6)


@pytest.mark.parametrize("sort_from", [0, 1000])
@pytest.mark.parametrize("stem", CASES)
def test_scores_and_gradients_equal_the_reference_in_a_batch_of_days(
    stem: str, sort_from: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo.models.gats, "_SORT_FROM", sort_from)
    golden, name, network = load(stem)
    assert_scores_and_gradients(golden, name, network, among_other_days, atol=1e-6)


@pytest.mark.parametrize("forward", [default_forward, among_other_days])
@pytest.mark.parametrize("stem", CASES)
def test_five_training_steps_equal_the_reference(stem: str, forward) -> None:
    golden, _, network = load(stem)
    assert_training_steps(golden, network, forward, atol=1e-6)


@pytest.mark.parametrize("stem", ["GATModel_LSTM", "GATModel_GRU"])
def test_states_and_attention_of_gats_equal_the_reference(stem: str) -> None:
    golden, _, network = load(stem)
    assert isinstance(network, GATs)
    x = feature_major(golden.inputs()["x"], 5)
    assert_same(network.rnn(x)[0][:, -1], golden.arrays["out:hidden"], "hidden", 4e-7)
    rows = torch.arange(len(x))
    attention = network.explain(Batch(x, rows.float(), torch.zeros_like(rows), rows))["attention"]
    assert_same(attention, golden.arrays["out:att_weight"], "attention", 4e-7)


@pytest.mark.parametrize(("name", "count"), [("gats", 60_225), ("hist", 80_897)])
def test_default_parameter_counts(name: str, count: int) -> None:
    assert sum(p.numel() for p in build(name, n_features=6, lookback=60).parameters()) == count
