"""Batches in parts give the gradient and the scores of whole ones."""

from __future__ import annotations

import copy

import pytest
import torch

from zoo.network import Batch, Network
from zoo.registry import build, get_spec, list_models
from zoo.training import parts
from zoo.training.losses import mse

ROWS = 70
ALONE = [name for name in list_models() if get_spec(name).cls.rows_alone]


def batch() -> Batch:
    torch.manual_seed(0)
    rows = torch.arange(ROWS)
    return Batch(torch.randn(ROWS, 12, 4), torch.randn(ROWS), torch.zeros_like(rows), rows)


def network(name: str) -> Network:
    torch.manual_seed(0)
    known = get_spec(name).parameters
    params = {key: value for key, value in {"hidden_size": 8, "dropout": 0.0}.items() if key in known}
    return build(name, n_features=4, lookback=12, **params)


def test_encoders_and_recurrent_nets_can_be_cut() -> None:
    assert {"gru", "lstm", "alstm", "tcn", "transformer", "localformer"} <= set(ALONE)
    assert all(get_spec(name).scope == "sample" for name in ALONE)
    assert not {"tra", "tabnet"} & set(ALONE)


@pytest.mark.parametrize("rows", [7, 32, 69, 70, 1000])
@pytest.mark.parametrize("name", ALONE)
def test_loss_and_gradient_of_parts_are_those_of_the_whole(name: str, rows: int) -> None:
    whole, data = network(name).train(), batch()
    cut = copy.deepcopy(whole)
    expected = mse(whole.score(data), data.label)
    expected.backward()
    loss = parts.backward(cut, data, mse, rows)
    assert float(loss) == pytest.approx(float(expected.detach()), rel=1e-6)
    found, wanted = (torch.cat([p.grad.flatten() for p in net.parameters()]) for net in (cut, whole))
    assert float((found - wanted).norm()) <= 1e-6 * float(wanted.norm())


@pytest.mark.parametrize("name", ALONE)
def test_scores_of_parts_are_those_of_the_whole(name: str) -> None:
    model, data = network(name).eval(), batch()
    with torch.no_grad():
        assert torch.allclose(parts.score_parts(model, data, 32), model.score(data), atol=1e-6)


def test_parts_cover_all_rows_in_order() -> None:
    data = batch()
    pieces = list(parts.parts(data, 32))
    assert [len(piece) for piece in pieces] == [32, 32, 6]
    assert torch.equal(torch.cat([piece.stock for piece in pieces]), data.stock)
    assert all(piece.concepts is None for piece in pieces)


def test_the_bound_decides_how_many_rows_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = network("transformer"), batch()
    assert parts.rows_per_part(model, data) == ROWS
    found = []
    for size in (1, 2**16, 2**17, 2**18):
        monkeypatch.setattr(parts, "ACTIVATION_BYTES", size)
        found.append(parts.rows_per_part(model, data))
    assert found[0] == 1
    assert found == sorted(found)
    assert found[-1] < ROWS


def test_measuring_leaves_torchs_generator_alone() -> None:
    model, data = build("gru", n_features=4, lookback=12, dropout=0.5).train(), batch()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    parts.rows_per_part(model, data)
    assert torch.equal(before, torch.get_rng_state())
    assert all(p.grad is None for p in model.parameters())
