"""What networks expose of themselves: the documented names and shapes, rows that sum to 1, no side effects."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from zoo.network import Batch, Network
from zoo.registry import build, get_spec, list_models

T, F, C, DAYS = 9, 3, 5, [4, 4, 4, 6, 6, 6, 6, 6]
EXPLAINED = {
    "alstm": {"time"},
    "gats": {"attention"},
    "hist": {"concepts"},
    "localformer": {"attention"},
    "tabnet": {"mask"},
    "tra": {"routing", "time"},
    "transformer": {"attention"},
}
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in EXPLAINED),
    ("alstm", {"rnn_type": "lstm", "dropout": 0.5}),
    ("gats", {"graph": "concept", "aggregate": "transformed", "negative_slope": 0.2}),
    ("hist", {"concept_weight": "share", "correct_concepts": True, "hidden_neighbours": 3}),
    ("localformer", {"attention": "window", "window_size": 2, "num_layers": 1}),
    ("tabnet", {"update_prior": False, "n_steps": 2}),
    ("tra", {"num_states": 5}),
    ("transformer", {"num_heads": 4, "num_layers": 1, "dropout": 0.5}),
]


def rows() -> Batch:
    """Two days; the last row is in no concept."""
    generator = torch.Generator().manual_seed(3)
    s = len(DAYS)
    member = (torch.rand(s, C, generator=generator) < 0.5).float()
    member[:, 0], member[-1] = 1, 0
    x = torch.randn(s, T, F, generator=generator)
    return Batch(x, torch.zeros(s), torch.tensor(DAYS), torch.arange(s), member)


def network(name: str, params: dict[str, Any]) -> Network:
    torch.manual_seed(0)
    sizes = {"hidden_size": 8} if "hidden_size" in get_spec(name).parameters else {}
    return build(name, n_features=F, lookback=T, **sizes, **params).eval()


def documented(model: Network) -> dict[str, list[str]]:
    """Name -> axes, as in the docstring of `explain`: `name [S, T]`."""
    found = re.findall(r"`(\w+) \[([^\]]+)\]`", type(model).explain.__doc__ or "")
    return {name: axes.split(", ") for name, axes in found}


@pytest.mark.parametrize(("name", "params"), VARIANTS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(VARIANTS)])
def test_explanations_have_the_documented_names_and_shapes_and_rows_sum_to_1(name: str, params: dict[str, Any]) -> None:
    model, batch = network(name, params), rows()
    values = {**{k: p.default for k, p in get_spec(name).parameters.items()}, **params}
    heads = values.get("num_heads") or 2  # None is 2, the width being even.
    sizes = {"S": len(DAYS), "T": T, "F": F, "C": C, "K": values.get("num_states"), "heads": heads}
    found = model.explain(batch)
    axes = documented(model)
    assert found.keys() == axes.keys() == EXPLAINED[name]
    for key, weights in found.items():
        assert list(weights.shape) == [sizes[axis] for axis in axes[key]]
        over = [i for i, axis in enumerate(axes[key]) if i and axis != "heads"]
        assert (weights >= 0).all()
        torch.testing.assert_close(weights.sum(over), torch.ones_like(weights.sum(over)))


@pytest.mark.parametrize("name", EXPLAINED)
def test_explaining_keeps_no_gradient_changes_no_number_and_the_score_does_not_notice(name: str) -> None:
    model, batch = network(name, {}), rows()
    state = {key: value.clone() for key, value in model.state_dict().items()}
    before: Tensor = model.score(batch)
    found = model.explain(batch)
    assert not any(weights.requires_grad for weights in found.values())
    assert torch.equal(before, model.score(batch))
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in state.items())
    again = model.explain(batch)
    assert all(torch.equal(found[key], again[key]) for key in found)


@pytest.mark.parametrize("name", ["linear", "lightgbm"])
def test_a_model_fitted_as_a_whole_exposes_one_weight_for_each_input(name: str) -> None:
    assert documented(network(name, {})) == {"cells": ["T", "F"]}
    assert network(name, {}).explain(rows())["cells"].shape == (T, F)


@pytest.mark.parametrize("name", sorted(set(list_models()) - {*EXPLAINED, "linear", "lightgbm"}))
def test_a_network_without_anything_to_expose_explains_nothing(name: str) -> None:
    assert network(name, {}).explain(rows()) == {}


@pytest.mark.parametrize("name", EXPLAINED)
def test_another_input_is_explained_otherwise(name: str) -> None:
    model, batch = network(name, {}), rows()
    other = Batch(batch.x * -2 + 1, batch.label, batch.day, batch.stock, batch.concepts)
    one, two = model.explain(batch), model.explain(other)
    assert any(not torch.allclose(one[key], two[key]) for key in one)
