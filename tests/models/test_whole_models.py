"""Linear, MLP and LightGBM: fitted as wholes or plain, against closed forms and each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

import zoo.registry
from zoo.config import TrainConfig
from zoo.errors import ModelError
from zoo.models._select import daily_ic
from zoo.network import Batch, WholeModel


@dataclass
class TensorRows:
    """Rows held in memory, days of equal size, in (day, stock) order."""

    x: Tensor
    label: Tensor
    stocks: int

    @property
    def n_rows(self) -> int:
        return len(self.x)

    def batches(
        self,
        rows: int,
        *,
        scope: Literal["sample", "day"] = "sample",
        generator: torch.Generator | None = None,
        labelled: bool = False,
    ) -> Iterator[Batch]:
        index = torch.arange(self.n_rows)
        step = max(1, rows // self.stocks) * self.stocks if scope == "day" else rows
        for part in index.split(step):
            if labelled:
                part = part[torch.isfinite(self.label[part])]
            yield Batch(self.x[part], self.label[part], part // self.stocks, part % self.stocks)


def planted(
    days: int, stocks: int = 20, lookback: int = 3, n_features: int = 2, noise: float = 1.0, seed: int = 0
):
    """Rows whose label is a fixed linear function of x plus noise, every tenth label missing."""
    x = torch.randn(days * stocks, lookback, n_features, generator=torch.Generator().manual_seed(seed))
    weight = torch.linspace(-1, 1, lookback * n_features)
    label = x.flatten(1) @ weight + noise * torch.randn(
        len(x), generator=torch.Generator().manual_seed(seed + 1)
    )
    label[::10] = torch.nan
    return TensorRows(x, label, stocks)


def fitted(name: str, train: TensorRows, valid: TensorRows, **params) -> tuple[WholeModel, dict]:
    model = zoo.registry.build(name, n_features=train.x.shape[2], lookback=train.x.shape[1], **params)
    assert isinstance(model, WholeModel)
    return model, model.fit(train, valid, TrainConfig())


def test_daily_ic_is_the_correlation_of_each_day_over_its_labelled_rows():
    generator = np.random.default_rng(0)
    score, label, day = generator.normal(size=(3, 60))
    day = np.repeat([4, 7, 9], 20)
    label[[1, 25]] = np.nan
    found = daily_ic(*map(torch.tensor, (score, label, day)))
    for i, d in enumerate((4, 7, 9)):
        keep = (day == d) & np.isfinite(label)
        assert found[i].item() == pytest.approx(np.corrcoef(score[keep], label[keep])[0, 1], abs=1e-12)


def test_daily_ic_of_a_one_stock_day_or_a_constant_score_is_missing():
    score = torch.tensor([[0.3, 1.0], [0.1, 1.0], [0.1, 2.0]])
    ic = daily_ic(score, torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0, 0, 1]))
    assert ic[0].tolist() == [pytest.approx(-1.0), pytest.approx(float("nan"), nan_ok=True)]
    assert ic[1].isnan().all()


def test_linear_without_penalty_is_ordinary_least_squares_on_labelled_rows():
    train = planted(30)
    model, facts = fitted("linear", train, planted(5, seed=9), l2=0.0)
    keep = torch.isfinite(train.label)
    design = torch.cat([train.x.flatten(1), torch.ones(len(train.x), 1)], dim=1)[keep].double()
    expected = torch.linalg.lstsq(design, train.label[keep].double().unsqueeze(1)).solution.squeeze(1)
    torch.testing.assert_close(model.state_dict()["weight"], expected[:-1].float(), atol=1e-6, rtol=0)
    torch.testing.assert_close(model.state_dict()["bias"], expected[-1].float(), atol=1e-6, rtol=0)
    assert facts["rows"] == int(keep.sum())


def test_linear_penalty_is_ridge_with_a_free_intercept():
    train = planted(30)
    train.label += 5.0
    model, _ = fitted("linear", train, planted(5, seed=9), l2=0.7)
    keep = torch.isfinite(train.label)
    x, y = train.x.flatten(1)[keep].double(), train.label[keep].double()
    centred = x - x.mean(0)
    covariance = centred.T @ centred / len(x)
    penalty = 0.7 * covariance.diagonal().mean() * torch.eye(x.shape[1], dtype=torch.float64)
    weight = torch.linalg.solve(covariance + penalty, centred.T @ (y - y.mean()) / len(x))
    expected = train.x.flatten(1) @ weight.float() + (y.mean() - x.mean(0) @ weight).float()
    torch.testing.assert_close(model(train.x), expected, atol=1e-5, rtol=0)


def test_linear_takes_a_larger_penalty_where_there_is_more_noise():
    quiet = fitted("linear", planted(4, noise=0.1, lookback=10), planted(50, noise=0.1, seed=9, lookback=10))[
        1
    ]
    noisy = fitted(
        "linear", planted(4, noise=30.0, lookback=10), planted(50, noise=30.0, seed=9, lookback=10)
    )[1]
    assert noisy["l2"] > quiet["l2"]
    assert quiet["valid_ic"][str(quiet["l2"])] == max(quiet["valid_ic"].values()) > 0.9


@pytest.mark.parametrize("l2", [None, 0.0])
def test_linear_ignores_constant_and_duplicate_columns(l2: float | None):
    train, valid = planted(30), planted(5, seed=9)
    for rows in (train, valid):
        rows.x[:, 0, 0], rows.x[:, 1, 0], rows.x[:, 2, 1] = 0.0, 3.7, rows.x[:, 0, 1]
    model, _ = fitted("linear", train, valid, l2=l2)
    weight = model.state_dict()["weight"]
    assert weight.isfinite().all()
    assert weight.abs().max() < 5
    assert weight[[0, 2]].tolist() == pytest.approx([0, 0], abs=1e-9)


@pytest.mark.parametrize("l2", [None, 0.0])
def test_linear_without_any_varying_column_scores_the_mean_label(l2: float | None):
    train, valid = planted(30), planted(5, seed=9)
    train.x[:], valid.x[:] = 0.1, 0.1
    model, _ = fitted("linear", train, valid, l2=l2)
    mean = train.label[torch.isfinite(train.label)].mean().item()
    assert model(valid.x + 1).tolist() == pytest.approx([mean] * len(valid.x), abs=1e-6)


def test_linear_fits_where_no_valid_day_has_an_ic():
    model, facts = fitted("linear", planted(30), planted(6, stocks=1, seed=9))
    assert facts["l2"] == 100.0
    assert model(planted(2).x).isfinite().all()


def test_linear_names_what_is_missing():
    train = planted(3)
    train.label[:] = torch.nan
    with pytest.raises(ModelError, match="train segment has no labelled row"):
        fitted("linear", train, planted(3))
    with pytest.raises(ModelError, match=r"'l2'.*got -1"):
        zoo.registry.build("linear", n_features=1, lookback=5, l2=-1.0)


def test_mlp_has_two_hidden_layers_on_the_flat_window():
    model = zoo.registry.build("mlp", n_features=6, lookback=60, hidden_size=32)
    assert sum(p.numel() for p in model.parameters()) == (360 * 32 + 32) + (32 * 32 + 32) + (32 + 1)


def test_mlp_learns_a_product_that_a_linear_model_cannot():
    torch.manual_seed(0)
    x = torch.randn(4000, 2, 1)
    label = x[:, 0, 0] * x[:, 1, 0]
    model = zoo.registry.build("mlp", n_features=1, lookback=2)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(200):
        optimiser.zero_grad()
        (model(x[:3000]) - label[:3000]).square().mean().backward()
        optimiser.step()
    day = torch.zeros(1000, dtype=torch.int64)
    assert daily_ic(model(x[3000:]).detach(), label[3000:], day).item() > 0.95
