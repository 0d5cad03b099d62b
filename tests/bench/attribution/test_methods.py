from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from bench.attribution.methods import (
    METHODS,
    STEPS,
    attribute,
    gradient_x_input,
    has_gradient,
    integrated_gradients,
    occlusion,
)
from bench.attribution.native import native, native_axis
from zoo import registry
from zoo.network import Batch, Network

S, T, F, C = 7, 6, 3, 2


@pytest.fixture(autouse=True)
def one_seed():
    torch.manual_seed(0)


def day_batch(rows: int = S) -> Batch:
    concepts = torch.zeros(rows, C)
    concepts[torch.arange(rows), torch.arange(rows) % C] = 1
    return Batch(torch.randn(rows, T, F), torch.zeros(rows), torch.full((rows,), 40), torch.arange(rows), concepts)


def build(name: str, **params) -> Network:
    return registry.build(name, n_features=F, lookback=T, **params).eval()


class Weighted(Network):
    """score = sum of weight * x over a row's own cells."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(T, F))

    def forward(self, x: Tensor, *, day: Tensor | None = None, concepts: Tensor | None = None) -> Tensor:
        return (x * self.weight).sum(dim=(1, 2))


class Across(Weighted):
    """score i = sum over stocks j of mix[i, j] * (the weighted cells of j)."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.randn(rows, rows))

    def forward(self, x: Tensor, *, day: Tensor | None = None, concepts: Tensor | None = None) -> Tensor:
        return self.mix @ super().forward(x)


@pytest.mark.parametrize("method", METHODS)
def test_of_a_weighted_sum_every_method_gives_weight_times_input(method):
    model, batch, rows = Weighted(), day_batch(), torch.tensor([1, 4])
    found = attribute(model, batch, method, rows, across=False)
    assert found.peers is None
    torch.testing.assert_close(found.cells, (batch.x * model.weight).abs()[rows].detach(), atol=1e-5, rtol=1e-4)


def test_integrated_gradients_add_up_to_the_distance_from_the_median():
    model, batch = build("gru", hidden_size=8), day_batch()
    with torch.no_grad():
        distance = model.score(batch) - model.score(replace(batch, x=torch.zeros_like(batch.x)))
    total = integrated_gradients(model, batch, steps=200).sum(dim=(1, 2))
    torch.testing.assert_close(total, distance, atol=1e-4, rtol=1e-3)
    rough = gradient_x_input(model, batch).sum(dim=(1, 2))
    assert (rough - distance).abs().max() > 10 * (total - distance).abs().max()


def test_occlusion_is_the_change_of_the_score_without_the_cell():
    model, batch = build("lstm", hidden_size=8), day_batch()
    x = batch.x.clone()
    x[:, 2, 1] = 0
    with torch.no_grad():
        change = model.score(batch) - model.score(replace(batch, x=x))
    torch.testing.assert_close(occlusion(model, batch)[:, 2, 1], change)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["gru", "tcn", "localformer", "tabnet", "tra"])
def test_captum_and_this_house_agree(method, name):
    attr = pytest.importorskip("captum.attr")
    oracle, settings = {
        "gradient_x_input": (attr.InputXGradient, {}),
        "integrated_gradients": (attr.IntegratedGradients, {"n_steps": STEPS, "method": "riemann_middle"}),
        "occlusion": (attr.FeatureAblation, {}),
    }[method]
    model, batch = build(name), day_batch()

    def score(x: Tensor) -> Tensor:
        # Captum scores all steps of its integral at once: the rows, again and again.
        n = len(x) // len(batch)
        others = {"label": batch.label.repeat(n), "day": batch.day.repeat(n), "stock": batch.stock.repeat(n)}
        concepts = None if batch.concepts is None else batch.concepts.repeat(n, 1)
        return model.score(replace(batch, x=x, concepts=concepts, **others))

    theirs = oracle(score).attribute(batch.x.clone().requires_grad_(method == "gradient_x_input"), **settings)
    ours = attribute(model, batch, method, torch.arange(S), across=False).cells
    assert ours is not None
    assert ours.max() > 0
    torch.testing.assert_close(ours, theirs.detach().abs(), atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_across_the_day_a_peer_weighs_what_it_adds_to_the_score(method):
    model, batch, rows = Across(S), day_batch(), torch.tensor([0, 5])
    found = attribute(model, batch, method, rows, across=True)
    part = (batch.x * model.weight).detach()
    by_stock = part.sum(dim=(1, 2)).abs() if method == "occlusion" else part.abs().sum(dim=(1, 2))
    expected = model.mix[rows].detach().abs() * by_stock
    torch.testing.assert_close(found.peers, expected, atol=1e-5, rtol=1e-4)


def test_across_the_day_the_cells_of_all_stocks_count():
    model, batch, rows = Across(S), day_batch(), torch.tensor([3])
    found = attribute(model, batch, "gradient_x_input", rows, across=True)
    part = (batch.x * model.weight).detach().abs()
    torch.testing.assert_close(found.cells, torch.einsum("ij,jtf->itf", model.mix[rows].detach().abs(), part))


def test_a_network_of_the_day_is_explained_on_the_whole_day():
    model, batch = build("gats", hidden_size=8), day_batch()
    few = attribute(model, batch, "integrated_gradients", torch.tensor([2]), across=True)
    many = attribute(model, batch, "integrated_gradients", torch.arange(S), across=True)
    assert few.peers is not None
    assert many.peers is not None
    torch.testing.assert_close(few.peers[0], many.peers[2])
    assert (few.peers > 0).all()


def test_trees_have_no_gradient_and_networks_and_linear_have():
    batch = day_batch()
    assert not has_gradient(build("lightgbm"), batch)
    assert has_gradient(build("linear"), batch)
    assert has_gradient(build("mlp"), batch)


@pytest.mark.parametrize(
    ("name", "axis"),
    [
        ("tabnet", "cells"),
        ("linear", "cells"),
        ("alstm", "lags"),
        ("tra", "lags"),
        ("transformer", "lags"),
        ("localformer", "lags"),
        ("gats", "peers"),
        ("hist", "peers"),
        ("gru", ""),
        ("mlp", ""),
        ("tcn", ""),
    ],
)
def test_what_a_model_itself_exposes_is_brought_to_cells_lags_or_peers(name, axis):
    batch, rows = day_batch(), torch.tensor([0, 3])
    found = native(build(name), batch, rows)
    assert native_axis(found) == axis
    if found is None:
        return
    shapes = {"cells": (2, T, F), "lags": (2, T), "peers": (2, S)}
    assert getattr(found, axis).shape == shapes[axis]
    assert all(getattr(found, other) is None for other in shapes if other != axis)


def test_the_weights_of_a_concept_are_shared_by_its_members():
    batch = day_batch(6)
    model = build("hist", hidden_size=8)
    found = native(model, batch, torch.arange(6))
    assert found is not None
    assert found.peers is not None
    weight = model.explain(batch)["concepts"]
    torch.testing.assert_close(found.peers[0, 2], weight[0, 0] / 3)
    torch.testing.assert_close(found.peers[0, 1], weight[0, 1] / 3)


def test_linear_explains_itself_by_its_coefficients():
    model = build("linear")
    model.get_buffer("weight").copy_(torch.arange(T * F) - 4.0)
    found = native(model, day_batch(), torch.tensor([0]))
    assert found is not None
    assert found.cells is not None
    # The sixth coefficient: second day, third field.
    assert float(found.cells[0, 1, 2]) == 1.0
