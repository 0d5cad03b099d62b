"""The registry of metrics: what it refuses, and what holds of every metric it knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.metrics import Metric, Scored, list_metrics, metric, register_metric, register_summary, registry
from bench.metrics.daily import check_metrics, daily_scores, summary
from bench.scores.rows import frame_columns
from zoo.errors import ConfigError
from zoo.registry import load_plugin

DAILY = list_metrics(derived=False)
RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_metrics", dict(registry._metrics))


def some_days() -> Scored:
    score, label, trained = RANDOM.normal(size=(3, 12, 30))
    score[0], label[1, 3:] = np.nan, np.nan
    return Scored(score, label, np.where(np.isfinite(label), trained, np.nan))


@pytest.mark.parametrize("metric", DAILY, ids=lambda m: m.name)
def test_a_day_does_not_depend_on_the_days_beside_it(metric: Metric):
    days = some_days()
    whole = metric.series(days)
    alone = [
        metric.series(Scored(days.score[d : d + 1], days.raw_label[d : d + 1], days.train_label[d : d + 1]))
        for d in range(12)
    ]
    np.testing.assert_array_equal(whole, np.concatenate(alone))


@pytest.mark.parametrize("metric", DAILY, ids=lambda m: m.name)
def test_neither_the_order_of_the_stocks_nor_what_has_no_label_matters(metric: Metric):
    days, order = some_days(), RANDOM.permutation(30)
    shuffled = Scored(*(side[:, order] for side in (days.score, days.raw_label, days.train_label)))
    np.testing.assert_allclose(metric.series(shuffled), metric.series(days), rtol=1e-12)
    other = np.where(np.isfinite(days.raw_label), days.score, 9.0)
    np.testing.assert_array_equal(metric.series(Scored(other, days.raw_label, days.train_label)), metric.series(days))


@pytest.mark.parametrize("metric", list_metrics(), ids=lambda m: m.name)
def test_every_metric_says_what_it_is(metric: Metric):
    assert metric.title
    assert metric.definition.endswith(".")
    assert format(0.123, metric.format)


def test_metrics_of_the_package_come_first_and_in_one_order():
    @register_metric("added", title="added", definition="one a day.")
    def added(day_scores: Scored) -> np.ndarray:
        return np.ones(len(day_scores.score))

    assert [m.name for m in list_metrics()][:4] == ["rank_ic", "ic", "rank_icir", "icir"]
    assert list_metrics()[-1].name == "added"
    assert daily_scores(*np.ones((3, 2, 4)))["added"].tolist() == [1, 1]


def test_a_summary_is_a_figure_of_the_daily_frame():
    @register_summary("worst_ic", title="worst IC", definition="the smallest daily IC.")
    def worst_ic(daily: pd.DataFrame) -> float:
        return float(daily["ic"].min())

    days = some_days()
    daily = daily_scores(days.score, days.raw_label, days.train_label)
    assert summary(daily)["worst_ic"] == daily["ic"].min()
    assert "worst_ic" in frame_columns()
    assert "worst_ic_half" not in frame_columns()


def test_a_metric_has_columns_for_its_interval_and_for_its_deviation_over_seeds():
    @register_metric("added", title="added", definition="one a day.")
    def added(day_scores: Scored) -> np.ndarray:
        return np.ones(len(day_scores.score))

    assert {"added", "added_half", "added_seed_sd"} < set(frame_columns())
    assert set(frame_columns().values()) == {"str", "bool", "int64", "float64"}


def test_an_unknown_metric_names_the_nearest():
    with pytest.raises(ConfigError, match=r"no metric 'rnk_ic' \(did you mean 'rank_ic'\?\); there are rank_ic, ic"):
        metric("rnk_ic")


@pytest.mark.parametrize("name", ["Rank", "a b", "", "1st", "x" * 65])
def test_a_name_that_is_no_column_is_refused(name: str):
    with pytest.raises(ConfigError, match="must be lower-case"):
        register_metric(name, title="t", definition="d.")(lambda day_scores: day_scores.names)


def test_a_plugin_may_not_take_the_name_of_another_metric(plugin_metric):
    with pytest.raises(ConfigError, match=r"metric 'mse' is already registered by .*errors\.py"):
        load_plugin(plugin_metric("mse", "day_scores.names"))


@pytest.mark.parametrize("name", ["model", "n_days", "rank_ic_half", "datetime"])
def test_a_name_that_another_column_has_is_refused_before_any_training(name: str, plugin_metric):
    load_plugin(plugin_metric(name, "day_scores.names"))
    with pytest.raises(ConfigError, match=rf"metric '{name}': another column of the tables has this name"):
        frame_columns()


@pytest.mark.parametrize(
    ("formula", "why"),
    [
        ("day_scores.score", r"gives shape \(20, 50\) for 20 days, needs one number a day"),
        ("day_scores.nothing", "AttributeError: .*nothing"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_faulty_metric_is_named_with_its_file_before_any_training(formula: str, why: str, plugin_metric):
    file: Path = plugin_metric("faulty", formula)
    load_plugin(file)
    with pytest.raises(ConfigError, match=rf"metric 'faulty' of {file}: {why}"):
        check_metrics()
