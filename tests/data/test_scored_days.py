"""Which days of a source are used, and on which of them names can be compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from source_files import long_frame

from bench.experiment.config import load_config
from zoo.config import DataConfig, LabelConfig
from zoo.data.labels import raw_label, thin_days
from zoo.data.panel import Panel
from zoo.data.sources import load_panel, open_panel
from zoo.errors import ConfigError, DataError


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    frame = long_frame(120)
    late = frame[(frame["symbol"] != "CCC") | (frame["date"] >= "2020-05-01")]
    late.assign(sector=late["symbol"]).to_csv(tmp_path / "prices.csv", index=False)
    return tmp_path / "prices.csv"


def test_start_and_end_cut_a_source_before_its_fingerprint(prices):
    whole = open_panel(DataConfig(source=str(prices)))
    cut = open_panel(DataConfig(source=str(prices), start="2020-02-01", end="2020-03-31"))
    first, stop = whole.position("2020-02-01"), whole.position("2020-03-31", "right")
    np.testing.assert_array_equal(cut.days, whole.days[first:stop])
    np.testing.assert_array_equal(cut.values, whole.values[first:stop, :2])
    assert cut.symbols.tolist() == ["AAA", "BBB"]
    assert cut.fingerprint != whole.fingerprint
    assert any(
        note == f"cut to {cut.days[0]} .. {cut.days[-1]}, {cut.n_days} of 120 days; 1 of 3 stocks have no close on "
        f"them and are left out"
        for note in cut.notes
    )
    assert cut.concepts is not None
    assert whole.concepts is not None
    days, stocks = np.arange(cut.n_days).repeat(2), np.tile([0, 1], cut.n_days)
    np.testing.assert_array_equal(cut.concepts.at(days, stocks), whole.concepts.at(days + first, stocks))


def test_either_end_may_be_open(prices):
    whole = open_panel(DataConfig(source=str(prices)))
    assert open_panel(DataConfig(source=str(prices), start="2020-03-01")).days[-1] == whole.days[-1]
    assert open_panel(DataConfig(source=str(prices), end="2020-03-01")).days[0] == whole.days[0]


def test_new_data_are_not_cut_to_the_days_of_training(prices):
    config = DataConfig(source=str(prices), end="2020-02-01")
    assert open_panel(config, prices).n_days == 120


def test_a_cut_that_leaves_no_day_is_refused(prices):
    with pytest.raises(DataError, match=r"data\.start 2021-01-01, data\.end not set.* no day .* it has 2020-01-01"):
        open_panel(DataConfig(source=str(prices), start="2021-01-01"))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"data.start": "soon"}, r"data\.start.*date"),
        ({"data.start": "2020-02-01", "data.end": "2020-01-01"}, "end 2020-01-01 lies before start 2020-02-01"),
    ],
)
def test_days_that_are_no_days_are_refused(given, reason):
    with pytest.raises(ConfigError, match=reason):
        load_config(None, given)


@pytest.fixture
def mixed() -> pd.DataFrame:
    """Four names that trade every day, ten that trade on weekdays."""
    days = pd.date_range("2020-01-01", periods=140)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"date": np.repeat(days, 14), "symbol": [f"S{n:02d}" for n in range(14)] * 140})
    frame["close"] = rng.lognormal(3, 0.1, len(frame))
    return frame.loc[(frame["symbol"] < "S04") | (frame["date"].dt.day_of_week < 5)]


def test_days_on_which_few_names_trade_are_not_scored_and_told(mixed):
    panel = open_panel(DataConfig(label=LabelConfig()), mixed)
    weekend = (panel.days.astype("datetime64[D]").view("int64") - 4) % 7 >= 5
    np.testing.assert_array_equal(thin_days(panel, 0.5), weekend)
    label = np.isfinite(raw_label(panel, LabelConfig())).sum(axis=1)
    assert set(label) == {0, 14}
    assert not label[weekend].any()
    assert any(f"usual number of names trade on {weekend.sum()} days" in note for note in panel.notes)


def test_thin_days_can_be_scored(mixed):
    label = LabelConfig(min_breadth=0)
    panel = open_panel(DataConfig(label=label), mixed)
    assert (np.isfinite(raw_label(panel, label)).sum(axis=1) > 0).sum() == panel.n_days - 2
    assert not any("names trade on" in note for note in panel.notes)


def test_what_is_usual_may_change_and_reads_no_later_day():
    rng = np.random.default_rng(0)
    traded = rng.random((200, 40)) < 0.3  # a market in which few trade every day is not thin
    traded[::50] = rng.random((4, 40)) < 0.05
    traded[[0, -1]] = True
    close = np.where(traded, 1.0, np.nan)
    days, names = np.datetime64("2020-01-01") + np.arange(200), np.array([f"S{n:02d}" for n in range(40)])

    def panel(values: np.ndarray) -> Panel:
        return Panel(days, names, ("close",), values[:, :, None].astype(np.float32), np.ones((200, 40), bool))

    thin = thin_days(panel(close), 0.5)
    assert thin[[50, 100, 150]].all()
    assert thin.sum() < 20
    changed = close.copy()
    changed[121:] = 1.0
    np.testing.assert_array_equal(thin_days(panel(changed), 0.5)[:121], thin[:121])


@pytest.mark.parametrize("source", ["planted:mixed?stocks=20&days=150", "planted:null?stocks=5&days=60"])
def test_labels_of_a_market_that_always_trades_do_not_depend_on_it(source):
    panel = load_panel(source)
    labels = [raw_label(panel, LabelConfig(min_breadth=share)) for share in (0, 0.5, 1)]
    np.testing.assert_array_equal(labels[0], labels[1])
    np.testing.assert_array_equal(labels[0], labels[2])
