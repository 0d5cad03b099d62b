"""Feature sets: golden values, definitions read literally, and no look-ahead."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.zoo.small import FEATURES, changed_after, small_dataset, small_panel
from zoo.config import DataConfig
from zoo.data.features import FEATURE_SETS, make_feature_set
from zoo.data.features.raw import Raw, previous_present, trailing_mean
from zoo.data.panel import Panel
from zoo.data.sources.planted import planted_panel
from zoo.data.sources.qlib import qlib_panel
from zoo.data.split import DayRange, Fold
from zoo.data.windows import Dataset, Segment
from zoo.errors import ConfigError

GOLDEN = Path(__file__).parents[1] / "golden"
NAN = np.nan


def all_windows(dataset: Dataset, first: int, stop: int) -> torch.Tensor:
    """`[days, N, T, F]` of every cell, member or not."""
    day, stock = np.meshgrid(np.arange(first, stop), np.arange(dataset.panel.n_stocks), indexing="ij")
    x = dataset.windows.gather(torch.from_numpy(day.ravel()), torch.from_numpy(stock.ravel()))
    return x.unflatten(0, day.shape)


def test_the_golden_normalised_alpha360_is_met_from_the_qlib_directory():
    with np.load(GOLDEN / "features.npz") as golden:
        expected, days = golden["alpha360_norm"], golden["alpha360_days"]
        fit_end, names = np.datetime64(str(golden["fit_end"])), golden["alpha360_names"].tolist()
    panel = qlib_panel(GOLDEN / "qlib_dir")
    fitted = DayRange(0, panel.position(fit_end, side="right"))
    rest = DayRange(fitted.stop, panel.n_days)
    dataset = Dataset(panel, DataConfig(features="alpha360", lookback=60), Fold(0, fitted, rest, rest, 0))
    x = torch.cat([all_windows(dataset, d, d + 1) for d in days.tolist()])
    flat = x.transpose(2, 3).flatten(2).numpy()  # field-major, as in the reference
    member = panel.member[days]
    assert member.sum() > 100
    np.testing.assert_allclose(flat[member], expected[member], rtol=0, atol=1e-5)
    ours = [f"{name.upper()}{lag}" for name in dataset.feature_set.columns for lag in range(59, -1, -1)]
    assert ours == names


def test_raw_is_what_its_definition_says_day_by_day():
    panel = small_panel()
    source = Raw(lookback=3).source(panel)
    fields = {name: panel.field(name).astype(np.float64) for name in ("open", "high", "low", "close", "volume")}
    for day in range(panel.n_days):
        for stock in range(panel.n_stocks):
            closes = fields["close"][:day, stock]
            present = closes[np.isfinite(closes)]
            for f, name in enumerate(("open", "high", "low", "close")):
                expected = fields[name][day, stock] / present[-1] - 1 if len(present) else NAN
                np.testing.assert_allclose(source[stock, day, f], expected, rtol=0, atol=1e-6)
            volumes = fields["volume"][max(day - 19, 0) : day + 1, stock]
            volumes = volumes[np.isfinite(volumes)]
            mean = volumes.mean() if len(volumes) else NAN
            expected = np.log((fields["volume"][day, stock] + 1) / (mean + 1))
            np.testing.assert_allclose(source[stock, day, 4], expected, rtol=0, atol=2e-6)


def test_raw_on_a_suspended_day_is_missing_and_the_day_after_reads_the_close_before_it():
    close = np.array([10, 11, NAN, NAN, 13], np.float32)[:, None]
    values = np.repeat(close[:, :, None], 5, axis=2)
    days = np.datetime64("2020-01-01") + np.arange(5)
    panel = Panel(days, np.array(["A"]), ("open", "high", "low", "close", "volume"), values, np.ones((5, 1), bool))
    returns = Raw(lookback=2).source(panel)[0, :, 3]
    np.testing.assert_allclose(returns, [NAN, 0.1, NAN, NAN, 13 / 11 - 1], rtol=1e-5)


def test_the_last_present_value_is_strictly_before_the_day():
    values = np.array([[NAN, 1, NAN, 3, 4], [NAN] * 5])
    np.testing.assert_array_equal(previous_present(values), [[NAN, NAN, 1, 1, 3], [NAN] * 5])


def test_a_trailing_mean_counts_present_days_only_and_forgets_old_ones_exactly():
    values = np.array([[2**40, 2, NAN, 4, 6, NAN, NAN]], np.float32)
    np.testing.assert_array_equal(trailing_mean(values, 2), [[2**40, 2**39 + 1, 2, 4, 5, 6, NAN]])


def test_raw_without_volume_or_vwap_still_has_prices():
    panel = small_panel()
    thin = replace(panel, fields=("close",), values=panel.values[:, :, [panel.fields.index("close")]])
    full, source = Raw(lookback=3).source(panel), Raw(lookback=3).source(thin)
    np.testing.assert_array_equal(source[:, :, 3], full[:, :, 3])
    assert np.isnan(source[:, :, [0, 1, 2, 4]]).all()
    x = next(small_dataset(panel=thin, lookback=3).test.batches(500)).x
    assert x.isfinite().all()
    assert (x[:, :, [0, 1, 2, 4]] == 0).all()


@pytest.mark.parametrize("features", FEATURES)
def test_no_window_reads_anything_after_its_day(features: str):
    dataset = small_dataset(features)
    t = dataset.fold.test.start + 2
    other = Dataset(changed_after(dataset.panel, t), dataset.config, dataset.fold, stats=dataset.stats)
    ours, theirs = (all_windows(d, t - 3, t + 2) for d in (dataset, other))
    assert torch.equal(ours[:4], theirs[:4])
    assert not torch.equal(ours[4], theirs[4])


@pytest.mark.parametrize("features", FEATURES)
def test_no_window_reads_anything_before_its_warm_up(features: str):
    """On a market without holes, where the close before a day is that of the day before."""
    panel = planted_panel("planted:mixed?stocks=10&days=110")
    dataset = small_dataset(features, panel=panel)
    last = panel.n_days - 1
    cut = last - dataset.feature_set.warmup

    def changed(stop: int) -> torch.Tensor:
        values = panel.values.copy()
        values[:stop] *= np.random.default_rng(0).uniform(2, 3, values[:stop].shape).astype(np.float32)
        other = Dataset(replace(panel, values=values), dataset.config, dataset.fold, stats=dataset.stats)
        return all_windows(other, last, last + 1)

    torch.testing.assert_close(changed(cut), all_windows(dataset, last, last + 1), atol=2e-6, rtol=0)
    assert not torch.equal(changed(cut + 2), all_windows(dataset, last, last + 1)), "nor is the warm-up much too long"


@pytest.mark.parametrize("features", FEATURES)
def test_a_price_level_or_a_share_count_changes_nothing(features: str):
    """Adjusted prices are defined up to a factor per stock: it must not be visible."""
    dataset = small_dataset(features)
    panel = dataset.panel
    scale = np.ones((1, panel.n_stocks, len(panel.fields)), np.float32)
    scale[0, :, [panel.fields.index(f) for f in ("open", "high", "low", "close", "vwap")]] = 4.0
    other = Dataset(replace(panel, values=panel.values * scale), dataset.config, dataset.fold, stats=dataset.stats)
    start = dataset.fold.test.start
    torch.testing.assert_close(
        all_windows(other, start, start + 3), all_windows(dataset, start, start + 3), atol=2e-4, rtol=0
    )


@pytest.mark.parametrize("features", FEATURES)
def test_a_member_that_never_traded_has_finite_rows_and_disturbs_nobody(features: str):
    panel = small_panel()
    values, member = panel.values.copy(), panel.member.copy()
    values[:, 9], member[:, 9] = NAN, True
    dataset = small_dataset(features)
    other = Dataset(replace(panel, values=values, member=member), dataset.config, dataset.fold, stats=dataset.stats)
    start = dataset.fold.test.start
    ours, theirs = (all_windows(d, start, start + 2) for d in (dataset, other))
    assert torch.equal(ours[:, :9], theirs[:, :9])
    assert theirs.isfinite().all()
    if features == "raw":
        assert (theirs[:, 9] == 0).all()
    batches = Segment(other, DayRange(start, start + 1)).batches(100)
    assert sum(len(b) for b in batches) == member[start].sum()


def test_alpha360_of_a_day_without_close_is_all_missing():
    dataset = small_dataset("alpha360")
    panel = dataset.panel
    values = panel.values.copy()
    day = dataset.fold.test.start
    values[day, 4, panel.fields.index("close")] = NAN
    other = Dataset(replace(panel, values=values), dataset.config, dataset.fold, stats=dataset.stats)
    x = all_windows(other, day, day + 1)[0, 4]
    assert (x[:, :5] == 0).all()
    assert (x[:, 5] != 0).any(), "volume stands on its own"


@pytest.mark.parametrize("features", FEATURES)
def test_a_feature_set_names_its_columns_and_its_window(features: str):
    feature_set = FEATURE_SETS[features]()  # type: ignore[call-arg]
    assert feature_set.name == features
    assert len(set(feature_set.columns)) == feature_set.n_features
    dataset = small_dataset(features)
    assert next(dataset.test.batches(3)).x.shape == (3, dataset.lookback, dataset.n_features)
    assert feature_set.warmup >= feature_set.lookback - 1


def test_unknown_features_and_impossible_lookbacks_are_refused():
    with pytest.raises(ConfigError, match=r"no feature set 'alpha36' \(did you mean 'alpha360'\?\)"):
        make_feature_set("alpha36", 60)
    with pytest.raises(ConfigError, match="alpha360 is defined on 60 days, got 20; features 'raw' takes any"):
        make_feature_set("alpha360", 20)
