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


def planted(days: int, stocks: int = 20, lookback: int = 3, n_features: int = 2, noise: float = 1.0, seed: int = 0):
    """Rows whose label is a fixed linear function of x plus noise, every tenth label missing."""
    x = torch.randn(days * stocks, lookback, n_features, generator=torch.Generator().manual_seed(seed))
    weight = torch.linspace(-1, 1, lookback * n_features)
    label = x.flatten(1) @ weight + noise * torch.randn(len(x), generator=torch.Generator().manual_seed(seed + 1))
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
    quiet = fitted("linear", planted(4, noise=0.1, lookback=10), planted(50, noise=0.1, seed=9, lookback=10))[1]
    noisy = fitted("linear", planted(4, noise=30.0, lookback=10), planted(50, noise=30.0, seed=9, lookback=10))[1]
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
    for _ in range(100):
        optimiser.zero_grad()
        (model(x[:3000]) - label[:3000]).square().mean().backward()
        optimiser.step()
    day = torch.zeros(1000, dtype=torch.int64)
    assert daily_ic(model(x[3000:]).detach(), label[3000:], day).item() > 0.95


def interaction(days: int, seed: int) -> TensorRows:
    """Rows whose label is a product of two inputs plus as much noise."""
    rows = planted(days, lookback=4, n_features=2, seed=seed)
    x, labelled = rows.x, torch.isfinite(rows.label)
    noise = torch.randn(len(x), generator=torch.Generator().manual_seed(seed + 2))
    rows.label[labelled] = (x[:, 0, 0] * x[:, 3, 1] + noise)[labelled]
    return rows


@pytest.fixture(scope="module")
def boosted() -> tuple[WholeModel, dict]:
    torch.manual_seed(0)
    return fitted("lightgbm", interaction(200, 0), interaction(50, 7))


def test_lightgbm_finds_a_product_on_fresh_rows(boosted: tuple[WholeModel, dict]):
    test = interaction(100, 20)
    ic = daily_ic(boosted[0](test.x), test.label, torch.arange(len(test.x)) // test.stocks).nanmean()
    assert ic > 0.5, "the best attainable is 0.71"


def test_lightgbm_keeps_the_round_of_the_best_valid_ic(boosted: tuple[WholeModel, dict]):
    model, facts = boosted
    valid = interaction(50, 7)
    ic = daily_ic(model(valid.x), valid.label, torch.arange(len(valid.x)) // valid.stocks).nanmean()
    assert ic.item() == pytest.approx(facts["valid_ic"], abs=1e-6)
    assert 1 < facts["rounds"] < 1000


def test_lightgbm_equals_training_on_the_matrix_at_once(boosted: tuple[WholeModel, dict]):
    import lightgbm

    model, facts = boosted
    rows = interaction(200, 0)
    keep = torch.isfinite(rows.label)
    torch.manual_seed(0)
    params = {
        **model.params,  # type: ignore[dict-item]
        "objective": "regression",
        "seed": int(torch.randint(2**31 - 1, ())),
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(rows.x.flatten(1)[keep].numpy(), label=rows.label[keep].numpy(), params=params)
    literal = lightgbm.train(params, data, num_boost_round=facts["rounds"])
    np.testing.assert_array_equal(
        model(rows.x).numpy(), np.asarray(literal.predict(rows.x.flatten(1).numpy()), np.float32)
    )


def test_lightgbm_survives_its_state_dict(boosted: tuple[WholeModel, dict]):
    model, _ = boosted
    state = {key: value.clone() for key, value in model.state_dict().items()}
    assert all(isinstance(value, Tensor) for value in state.values())
    fresh = zoo.registry.build("lightgbm", n_features=2, lookback=4)
    x = interaction(3, 30).x
    assert fresh(x).abs().max() == 0, "not fitted yet"
    fresh.load_state_dict(state)
    torch.testing.assert_close(fresh(x), model(x), atol=0, rtol=0)


def test_lightgbm_depends_on_the_seed_of_torch_and_on_nothing_else():
    train, valid = interaction(40, 0), interaction(20, 7)
    scores = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        scores.append(fitted("lightgbm", train, valid, num_rounds=5)[0](valid.x))
    assert torch.equal(scores[0], scores[1])
    assert not torch.equal(scores[0], scores[2])


def test_lightgbm_draws_the_same_share_of_every_day_and_says_so(caplog: pytest.LogCaptureFixture):
    from zoo.models.lightgbm import _even_share

    day = np.repeat([3, 5, 8], [100, 300, 50])
    kept = _even_share(day, 90, np.random.default_rng(0))
    assert len(np.unique(kept)) == 90
    assert np.unique(day[kept], return_counts=True)[1].tolist() == [20, 60, 10]
    _, facts = fitted("lightgbm", interaction(40, 0), interaction(20, 7), max_rows=300, num_rounds=3)
    assert (facts["rows"], facts["rows_used"]) == (720, 300)
    assert "300 of 720 train rows used" in caplog.text


def test_lightgbm_reads_exactly_the_rows_that_are_kept():
    from zoo.models.lightgbm import _stream

    rows = planted(500, stocks=20)
    labelled = rows.x[torch.isfinite(rows.label)].flatten(1).numpy()
    kept = np.sort(np.random.default_rng(0).permutation(len(labelled))[:5000])
    stream = _stream(rows, kept)
    assert len(stream) == 5000
    for position in (7, 7, 4999, 12):
        np.testing.assert_array_equal(stream[position], labelled[kept[position]])
    np.testing.assert_array_equal(stream[0:4096], labelled[kept[:4096]])
    np.testing.assert_array_equal(stream[4096:5000], labelled[kept[4096:]])


def test_lightgbm_names_the_segment_without_labels():
    valid = planted(3)
    valid.label[:] = torch.nan
    with pytest.raises(ModelError, match="valid segment has no labelled row"):
        fitted("lightgbm", planted(3), valid)
