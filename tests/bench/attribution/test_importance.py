"""What forecasts rest on, where no truth is known: a panel made here, a feature planted by hand."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from cli_runs import SMALL, run_cli
from torch import Tensor, nn

import bench
from bench.advice.facts import gather
from bench.attribution.exchange import exchange, other_stocks, scored_rows
from bench.attribution.importance import Sample, measure_importance, measure_one
from bench.attribution.importance_frames import ImportanceRow, InputRow, importance_frame, input_frame
from bench.records.documents import read_json, write_json
from bench.records.store import RunStore
from bench.report.figures import draw_figures
from bench.report.figures.inputs import MOST_FIELDS
from bench.report.tables.importance import importance_table, input_table
from zoo import registry, trainer
from zoo.checkpoint import Forecaster
from zoo.config import DataConfig, TrainConfig
from zoo.data.panel import FIELDS, Concepts, Panel
from zoo.data.split import DayRange, Fold
from zoo.data.windows import Dataset
from zoo.errors import ConfigError
from zoo.network import Batch, Network

LITTLE = Sample(days=3, rows=20, rows_peers=3, control_draws=6, control_days=2)
TINY = {"hidden_size": 8, "num_heads": 2, "router_hidden": 4, "n_d": 4, "n_a": 4, "num_rounds": 20}


def market(n_days: int = 160, stocks: int = 24, seed: int = 0) -> dict[str, np.ndarray]:
    """`[day, stock]` of every field: the return from t+1 to t+2 follows the volume of day t, and nothing else."""
    rng = np.random.default_rng(seed)
    shock = rng.normal(size=(n_days, stocks))
    returns = 0.01 * rng.normal(size=(n_days, stocks))
    returns[2:] += 0.02 * shock[:-2]
    close = 50 * np.exp(np.cumsum(returns, axis=0))
    noise = {name: close * np.exp(0.01 * rng.normal(size=close.shape)) for name in FIELDS}
    return {**noise, "close": close, "volume": np.exp(10 + shock)}


def days_of(n_days: int) -> np.ndarray:
    return np.busday_offset("2020-01-01", np.arange(n_days), roll="forward")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    fields = market()
    n_days, stocks = fields["close"].shape
    odd = np.arange(stocks) % 2 == 1
    within = np.stack([~odd, odd], axis=1)[None]
    groups = (np.where(within, 0, 1).astype(np.int32), np.where(within, n_days - 1, 0).astype(np.int32))
    values = np.stack([fields[name] for name in FIELDS], axis=2).astype(np.float32)
    panel = Panel(
        name="by hand",
        days=days_of(n_days),
        symbols=np.array([f"S{i:02}" for i in range(stocks)]),
        fields=FIELDS,
        values=values,
        member=np.ones((n_days, stocks), dtype=bool),
        concepts=Concepts(("even", "odd"), *groups, snapshot=True),
    )
    config = DataConfig(source="by hand", features="raw", lookback=4)
    return Dataset(panel, config, Fold(0, DayRange(30, 100), DayRange(102, 125), DayRange(127, n_days), 2))


def forecaster_of(name: str, dataset: Dataset) -> Forecaster:
    """A tiny model of the registry, trained for a moment."""
    spec = registry.get_spec(name)
    params = {key: value for key, value in TINY.items() if key in spec.parameters}
    trainer.seed_everything(0)
    model = registry.build(name, n_features=dataset.n_features, lookback=dataset.lookback, **params)
    config = TrainConfig(batch_size=200, max_epochs=1, max_steps_per_epoch=2)
    trainer.fit(model, dataset.train, dataset.valid, config, scope=spec.scope, seed=0)
    return Forecaster(name, params, dataset.config, dataset.stats, model.eval())


@pytest.mark.parametrize("name", registry.list_models())
def test_every_model_is_taken_apart_by_field_and_lag_and_untrained_ones_favour_no_field(name, dataset):
    entry = measure_one(forecaster_of(name, dataset), dataset, LITTLE)
    assert entry["fields"] == ["open", "high", "low", "close", "volume"]
    assert len(entry["by_field"]["change"]) == 5
    assert len(entry["by_lag"]["change"]) == 4
    assert all(math.isfinite(v) and v >= 0 for axis in ("by_field", "by_lag") for v in entry[axis]["change"])
    across = registry.get_spec(name).scope == "day"
    assert math.isnan(entry["peers"]) != across
    if across:
        assert 0 <= entry["peers"] <= 1
    control = np.array(entry["control"]["fields"])
    if name == "lightgbm":
        assert control.size == 0
        return
    assert control.shape == (6, 5)
    shares = (control / control.sum(axis=1, keepdims=True)).mean(axis=0)
    assert shares.min() > 0.05
    assert shares.max() < 0.5, "no field of untrained networks outweighs all others"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """linear, lightgbm and gats on a file of prices, two seeds, measured. Read only."""
    folder = tmp_path_factory.mktemp("importance")
    fields = market()
    n_days, stocks = fields["close"].shape
    frame = pd.DataFrame(
        {
            "date": np.repeat(days_of(n_days), stocks),
            "symbol": np.tile([f"S{i:02}" for i in range(stocks)], n_days),
            **{name: fields[name].ravel() for name in ("open", "high", "low", "close", "volume")},
        }
    )
    # Prices that no day could have would be refused.
    frame["high"] = frame[["open", "high", "close"]].max(axis=1)
    frame["low"] = frame[["open", "low", "close"]].min(axis=1)
    frame.to_csv(folder / "prices.csv", index=False)
    models = "linear,lightgbm,gats"
    answer = run_cli(
        *("run", SMALL, "--models", models, "--data", folder / "prices.csv", "--name", "real", "--jobs", "1"),
        *("--results", folder / "results"),
    )
    assert answer.code == 0, answer.err
    answer = run_cli("attribute", "real", "--days", "3", "--results", folder / "results")
    assert answer.code == 0, answer.err
    assert "no truth to compare with" in answer.out
    assert "first field" in answer.out
    return RunStore.open(folder / "results", "real")


@pytest.fixture
def own(measured: RunStore, tmp_path: Path) -> RunStore:
    """A copy, to change."""
    return RunStore.open(Path(shutil.copytree(measured.results, tmp_path / "results")), "real")


@pytest.mark.parametrize("model", ["linear", "lightgbm"])
def test_the_feature_that_was_planted_by_hand_comes_first(measured, model):
    row = importance_frame(measured).set_index("model").loc[model]
    assert row["field"] == "volume"
    assert row["share"] > 0.5
    assert row["ic_lost_low"] > 0.2
    assert row["n_trials"] == 2
    lags = input_frame(measured).query("model == @model and axis == 'lag'").set_index("name")
    assert lags["share"].idxmax() == "0"


def test_what_training_added_is_above_the_untrained_network(measured):
    fields = input_frame(measured).query("model == 'linear' and axis == 'field'").set_index("name")
    assert fields.index[fields["above"]].tolist() == ["volume"]
    assert (fields["control_low"] <= fields["control"]).all()
    frame = importance_frame(measured).set_index("model")
    assert math.isnan(frame.loc["lightgbm", "control"])
    assert math.isnan(frame.loc["lightgbm", "n_above"])
    assert 0 <= frame.loc["gats", "control_peers"] <= 1
    assert math.isnan(frame.loc["linear", "peers"])


def test_frames_have_their_documented_columns_shares_of_one_and_a_spread_over_seeds(measured):
    inputs, frame = input_frame(measured), importance_frame(measured)
    assert list(inputs.columns) == list(InputRow.dtypes())
    assert list(frame.columns) == list(ImportanceRow.dtypes())
    np.testing.assert_allclose(inputs.groupby(["model", "axis"])["share"].sum(), 1)
    assert (inputs["share_low"] <= inputs["share"] + 1e-12).all()
    assert (inputs["share"] <= inputs["share_high"] + 1e-12).all()
    gats = inputs.query("model == 'gats'")
    assert (gats["share_high"] > gats["share_low"]).any()
    assert len(input_frame(measured, 2).query("model == 'gats'")) == 2
    assert bench.open("real", measured.results).importance.equals(inputs)


def test_measured_trials_are_not_measured_again_and_a_damaged_file_is_named(own):
    seen: list[tuple[str, int]] = []

    def measure(sample: Sample) -> list[tuple[str, int]]:
        seen.clear()
        measure_importance(own, models=["linear"], sample=sample, on_trial=lambda m, s, _: seen.append((m, s)))
        return list(seen)

    assert measure(Sample(days=3)) == []
    assert measure(LITTLE) == [("linear", 0), ("linear", 1)]
    path = own.folder / "importance.json"
    path.write_text(path.read_text().replace('"linear"', '"lineal"', 1))
    assert any(why.startswith(f"{path} is damaged") and "bench attribute" in why for why in own.damages())
    assert importance_frame(own).empty
    answer = run_cli("attribute", "real", "--models", "linear", "--days", "2", "--results", own.results)
    assert answer.code == 0, answer.err
    assert f"{path} is damaged" in answer.out
    assert read_json(path).state == "whole"
    assert importance_frame(own)["model"].tolist() == ["linear"]


def test_an_interrupt_keeps_what_was_measured_and_the_rest_is_measured_later(own):
    (own.folder / "importance.json").unlink()

    def stop(model: str, seed: int, seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_importance(own, models=["linear"], sample=LITTLE, on_trial=stop)
    seen = []
    measure_importance(own, models=["linear"], sample=LITTLE, on_trial=lambda m, s, _: seen.append(s))
    assert seen == [1]


def test_data_that_changed_are_refused(own):
    run = own.run()
    write_json(own.folder / "run.json", run | {"data": run["data"] | {"fingerprint": "another"}})
    with pytest.raises(ConfigError, match="no longer the data it was run on"):
        measure_importance(own, sample=LITTLE)


def test_the_report_says_it_in_a_section_a_figure_and_the_final_report(own):
    answer = run_cli("report", "real", "--results", own.results)
    assert answer.code == 0, answer.err
    text = (own.folder / "comparison.md").read_text(encoding="utf-8")
    assert "## What the forecasts rest on" in text
    assert "figures/feature_importance" in text
    final = json.loads((own.folder / "final_report.json").read_text())
    assert {row["model"] for row in final["evidence"]["importance"]} == {"linear", "lightgbm", "gats"}
    assert len(final["evidence"]["inputs"]) == 9
    assert run_cli("report", "real", "--verify", "--results", own.results).code == 0
    assert "预测依据什么" in run_chinese(own)


def run_chinese(store: RunStore) -> str:
    folder = store.results / "zh"
    answer = run_cli("report", "real", "--lang", "zh", "--no-figures", "-o", folder, "--results", store.results)
    assert answer.code == 0, answer.err
    return (folder / "comparison.md").read_text(encoding="utf-8")


def test_of_many_fields_the_figure_shows_the_largest(own, tmp_path):
    stored = read_json(own.folder / "importance.json").content
    assert stored is not None
    names = [f"F{i}" for i in range(40)]
    for entry in stored["trials"].values():
        grown = {f"ic_lost{end}": [0.0] * 40 for end in ("", "_low", "_high")} | {"change": list(range(40))}
        entry |= {"fields": names, "by_field": grown, "control": entry["control"] | {"fields": []}}
    write_json(own.folder / "importance.json", stored)
    assert draw_figures(gather(own.results, "real"), own, tmp_path, ["feature_importance"]) == ["feature_importance"]
    drawn = (tmp_path / "feature_importance.svg").read_text()
    assert f"The {MOST_FIELDS} of 40 fields" in drawn
    assert "F39" in drawn
    assert "F5<" not in drawn


def test_without_a_measurement_there_is_neither_table_nor_figure(finished, tmp_path):
    store = RunStore.open(finished, "small")
    assert importance_table(importance_frame(store)) is None
    assert input_table(input_frame(store)) is None
    assert draw_figures(gather(finished, "small"), store, tmp_path, ["feature_importance"]) == []


def test_days_are_left_out_until_the_cost_is_within_its_limit(dataset):
    model = forecaster_of("mlp", dataset)
    cost = scored_rows(20, (4, 5), 0)
    whole = measure_one(model, dataset, replace(LITTLE, days=9, control_draws=1, most=10**9))
    held = measure_one(model, dataset, replace(LITTLE, days=9, control_draws=1, most=6 * cost))
    assert (len(whole["days"]), len(held["days"])) == (9, 4)
    assert held["scored"] == 6 * cost


# The method


class Known(Network):
    """score = w * x of the last day, plus a share of the mean score of the day's other stocks."""

    def __init__(self, weight: Tensor, share: float) -> None:
        super().__init__()
        self.weight, self.share = nn.Parameter(weight), share

    def forward(self, x: Tensor, *, day: Tensor | None = None, concepts: Tensor | None = None) -> Tensor:
        own = x[:, -1] @ self.weight
        return own + self.share * (own.sum() - own) / (len(own) - 1)


def known_batch(stocks: int = 400) -> Batch:
    torch.manual_seed(0)
    return Batch(torch.randn(stocks, 3, 3), torch.zeros(stocks), torch.zeros(stocks).long(), torch.arange(stocks))


def test_of_a_weighted_sum_the_change_is_in_proportion_to_the_weights_and_the_loss_to_their_squares():
    weight = torch.tensor([3.0, 4.0, 0.0])
    model, batch = Known(weight, 0.0), known_batch()
    label = model.score(batch).detach().double().numpy()
    found = exchange(model, batch, label, other_stocks(len(batch), 1), None)
    # |N(0, 2 w^2)| has the mean 2 w / sqrt(pi); the score has the standard deviation 5.
    np.testing.assert_allclose(found.fields, 2 / math.sqrt(math.pi) * weight / 5, atol=0.06)
    np.testing.assert_allclose(found.lags[:2], 0, atol=1e-7)
    assert found.ic == pytest.approx(1)
    # Without w of unit variance, the correlation keeps the share of the rest in the variance.
    np.testing.assert_allclose(found.fields_ic, [9 / 25, 16 / 25, 0], atol=0.08)
    assert math.isnan(found.own)
    assert found.scored == scored_rows(400, (3, 3), 0)


@pytest.mark.parametrize("share", [0.0, 5.0])
def test_what_comes_from_other_rows_is_told_from_a_row_of_its_own(share):
    model, batch = Known(torch.ones(3), share), known_batch(12)
    found = exchange(model, batch, np.arange(12.0), other_stocks(12, 3), torch.arange(12))
    assert found.own > 0
    assert (found.others > 0) == (share > 0)


@pytest.mark.parametrize("n", [2, 3, 50])
def test_no_stock_keeps_its_own_values(n):
    order = other_stocks(n, 7)
    assert sorted(order.tolist()) == list(range(n))
    assert not (order == torch.arange(n)).any()


def test_scores_that_never_differ_have_no_importance(dataset):
    forecaster = forecaster_of("linear", dataset)
    forecaster.model.get_buffer("weight").zero_()
    entry = measure_one(forecaster, dataset, LITTLE)
    assert set(entry["by_field"]["change"]) == {0.0}
