"""alpha158 and alpha158_20 as feature sets: golden values, filled windows, mapped columns; no set looks ahead."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import pytest
import torch

from zoo.config import DataConfig, FixedSplit, LabelConfig
from zoo.data.features import FEATURE_SETS, make_feature_set, mapped
from zoo.data.features.alpha158 import ALPHA158_20_NAMES, ALPHA158_NAMES, alpha158
from zoo.data.labels import raw_label
from zoo.data.normalize import RobustStats, fit_robust
from zoo.data.pages import is_mapped
from zoo.data.panel import FIELDS, Panel, presence
from zoo.data.split import DayRange, Fold
from zoo.data.windows import Dataset, Windows
from zoo.errors import ConfigError, DataError

GOLDEN = Path(__file__).parents[1] / "golden"
LOOKBACKS = {"raw": 20, "alpha360": 60, "alpha158": 1, "alpha158_20": 20}


def market(n_days: int = 150, n_stocks: int = 6, seed: int = 0) -> Panel:
    """Random walks with suspensions, a late listing and a stock that leaves and comes back."""
    rng = np.random.default_rng(seed)
    close = 20 * np.exp(np.cumsum(rng.normal(0, 0.02, (n_days, n_stocks)), axis=0))
    open_ = close * (1 + rng.normal(0, 0.01, close.shape))
    high, low = np.maximum(open_, close) * 1.01, np.minimum(open_, close) * 0.99
    volume = np.exp(rng.normal(12, 0.5, close.shape))
    values = np.stack([open_, high, low, close, (high + low + close) / 3, volume], axis=2).astype(np.float32)
    values[rng.random(close.shape) < 0.03] = np.nan
    values[: n_days // 2, 1] = np.nan
    member = presence(values[:, :, 3])
    away = slice(n_days - 40, n_days - 28)
    values[away, 2], member[away, 2] = np.nan, False
    return panel_of(values, member)


def panel_of(values: np.ndarray, member: np.ndarray) -> Panel:
    days = np.datetime64("2020-01-01") + np.arange(len(values))
    return Panel(days, np.array([f"S{i:02d}" for i in range(values.shape[1])]), FIELDS, values, member)


def fold_of(n_days: int) -> Fold:
    a, b = int(n_days * 0.7), int(n_days * 0.85)
    return Fold(0, DayRange(0, a - 2), DayRange(a, b - 2), DayRange(b, n_days), 2)


def dataset_of(panel: Panel, features: str, lookback: int | None = None) -> Dataset:
    config = DataConfig(features=features, lookback=lookback or LOOKBACKS[features], split=FixedSplit())
    return Dataset(panel, config, fold_of(panel.n_days))


def every_row(panel: Panel) -> tuple[torch.Tensor, torch.Tensor]:
    day, stock = (torch.from_numpy(at) for at in np.nonzero(panel.member))
    return day, stock


@pytest.mark.parametrize(("name", "atol"), [("alpha158", 1e-4), ("alpha360", 1e-6)])
def test_the_golden_normalised_features_are_met(name, atol):
    with np.load(GOLDEN / "features.npz") as file:
        golden = dict(file)
    fields, days = tuple(golden["fields"].tolist()), golden["days"].astype("datetime64[D]")
    values = golden["panel"]
    panel = Panel(days, golden["symbols"], fields, values, presence(values[:, :, fields.index("close")]))
    fit = DayRange(0, panel.position(str(golden["fit_end"]), side="right"))
    rest = DayRange(fit.stop, panel.n_days)
    config = DataConfig(features=name, lookback=LOOKBACKS[name])
    dataset = Dataset(panel, config, Fold(0, fit, rest, rest, 0))
    at = golden[f"{name}_days"]
    day, stock = np.nonzero(panel.member[at])
    x = dataset.windows.gather(torch.from_numpy(at[day]), torch.from_numpy(stock))
    ours = x.transpose(1, 2).reshape(len(day), -1).numpy()  # field-major
    np.testing.assert_allclose(ours, golden[f"{name}_norm"][day, stock], rtol=0, atol=atol)


def test_the_sets_have_the_columns_lookback_and_warm_up_of_their_definition():
    flat, selected = FEATURE_SETS["alpha158"](), FEATURE_SETS["alpha158_20"]()  # type: ignore[call-arg]
    assert (flat.columns, flat.lookback, flat.warmup) == (ALPHA158_NAMES, 1, 60)
    assert (selected.columns, selected.lookback, selected.warmup) == (ALPHA158_20_NAMES, 20, 79)


@pytest.mark.parametrize("name", sorted(FEATURE_SETS))
def test_a_row_reads_nothing_before_its_warm_up(name):
    panel = market()
    feature_set = make_feature_set(name, LOOKBACKS[name])
    t = 140
    values = panel.values.copy()
    values[: t - feature_set.warmup] *= 7
    values[: t - feature_set.warmup, :, 5] += 1000
    day, stock = torch.full((6,), t), torch.arange(6)
    assert torch.equal(
        _raw_windows(panel, name, day, stock), _raw_windows(panel_of(values, panel.member), name, day, stock)
    )


def _raw_windows(panel: Panel, name: str, day: torch.Tensor, stock: torch.Tensor) -> torch.Tensor:
    """Windows divided by a power of two, which is exact: nothing is rounded or clipped away."""
    feature_set = make_feature_set(name, LOOKBACKS[name])
    shape = (feature_set.lookback, feature_set.n_features) if feature_set.stats_per_lag else (feature_set.n_features,)
    stats = RobustStats(np.zeros(shape, np.float32), np.full(shape, 2.0**40, np.float32))
    return Windows(feature_set, feature_set.source(panel), stats, "cpu", feature_set.present(panel)).gather(day, stock)


@pytest.mark.parametrize("name", sorted(FEATURE_SETS))
@pytest.mark.parametrize("field", range(6))
def test_no_value_after_t_changes_a_bit_of_the_features_at_t(name, field):
    panel, t = market(), 110
    values = panel.values.copy()
    values[t + 1 :, :, field] = np.where(np.arange(6) % 2, np.nan, values[t + 1 :, :, field] * 3 + 1)
    day, stock = every_row(panel)
    day, stock = day[day <= t], stock[day <= t]
    before = _raw_windows(panel, name, day, stock)
    assert torch.equal(before, _raw_windows(panel_of(values, panel.member), name, day, stock))
    assert before.abs().sum() > 0


@pytest.mark.parametrize("name", sorted(FEATURE_SETS))
def test_who_is_a_member_after_t_does_not_change_the_features_at_t(name):
    panel, t = market(), 110
    member = panel.member.copy()
    member[t + 1 :] = ~member[t + 1 :]
    day, stock = every_row(panel)
    day, stock = day[day <= t], stock[day <= t]
    after = _raw_windows(panel_of(panel.values, member), name, day, stock)
    assert torch.equal(_raw_windows(panel, name, day, stock), after)


@pytest.mark.parametrize("label", [LabelConfig(), LabelConfig(horizon=5, lag=0), LabelConfig(horizon=3, price="open")])
def test_a_label_reads_nothing_outside_its_reach(label):
    panel, t = market(), 100
    values = panel.values.copy()
    values[t + label.reach + 1 :] *= 2
    values[: t + label.lag] *= 5
    changed = raw_label(panel_of(values, panel.member), label)
    assert np.array_equal(raw_label(panel, label)[t], changed[t], equal_nan=True)
    assert not np.array_equal(raw_label(panel, label)[t + 1], changed[t + 1], equal_nan=True)


@pytest.mark.parametrize("name", sorted(FEATURE_SETS))
def test_statistics_do_not_move_with_valid_and_test_data(name):
    panel = market()
    dataset = dataset_of(panel, name)
    values, member = panel.values.copy(), panel.member.copy()
    values[dataset.fold.train.stop :] *= 3
    member[dataset.fold.train.stop :] = False
    member[-1] = True
    other = dataset_of(panel_of(values, member), name)
    assert np.array_equal(dataset.stats.center, other.stats.center)
    assert np.array_equal(dataset.stats.scale, other.stats.scale)
    values[: dataset.fold.train.stop : 2] *= 1.5
    moved = dataset_of(panel_of(values, panel.member), name)
    assert not np.array_equal(dataset.stats.scale, moved.stats.scale)


def _filled_by_hand(rows: np.ndarray, there: np.ndarray, t: int, lookback: int) -> np.ndarray:
    """Rows `[D, F]` of one stock in the window that ends on t, read off day by day."""
    window = range(t - lookback + 1, t + 1)
    found = [day for day in window if day >= 0 and there[day]]
    return np.stack([rows[max((d for d in found if d <= day), default=found[0])] for day in window])


@pytest.mark.parametrize("lookback", [1, 2, 20])
def test_missing_rows_are_filled_forward_then_backward_inside_the_window(lookback):
    panel = market()
    dataset = dataset_of(panel, "alpha158_20", lookback)
    factors = alpha158(panel, ALPHA158_20_NAMES)
    rows = np.nan_to_num(np.clip((factors - dataset.stats.center) / dataset.stats.scale, -3, 3), nan=0.0)
    there = panel.member | np.isfinite(panel.values).any(axis=2)
    assert not there.all()
    day, stock = every_row(panel)
    x = dataset.windows.gather(day, stock).numpy()
    for i in range(len(x)):
        t, n = int(day[i]), int(stock[i])
        assert np.array_equal(x[i], _filled_by_hand(rows[n], there[:, n], t, lookback)), (t, n)


def test_a_gap_is_filled_from_before_it_and_a_late_start_from_after_it():
    panel = market()
    windows = dataset_of(panel, "alpha158_20").windows
    back = panel.n_days - 28  # the first day of stock 2 after 12 days away
    x = windows.gather(torch.tensor([back]), torch.tensor([2]))[0]
    assert all(torch.equal(x[i], x[6]) for i in range(7, 19))
    assert not torch.equal(x[6], x[5])
    assert not torch.equal(x[19], x[18])
    first = int(np.argmax(panel.member[:, 1]))
    x = windows.gather(torch.tensor([first + 3]), torch.tensor([1]))[0]
    assert all(torch.equal(x[i], x[16]) for i in range(16))
    assert not torch.equal(x[17], x[16])


def test_a_suspended_member_has_a_row_of_zeros_and_kept_factors_that_is_not_filled():
    panel = market(n_days=120, n_stocks=3)
    values = panel.values.copy()
    values[110, 0] = np.nan
    panel = panel_of(values, panel.member)
    x = dataset_of(panel, "alpha158_20").windows.gather(torch.tensor([115]), torch.tensor([0]))[0]
    row = x[19 - 5]
    kept = [name[:4] in ("RSQR", "CORR", "CORD", "WVMA") for name in ALPHA158_20_NAMES]
    assert (row[~torch.tensor(kept)] == 0).all()
    assert (row[torch.tensor(kept)] != 0).all()


def test_history_before_membership_feeds_the_window():
    panel = market()
    late = panel.member.copy()
    late[:100, 0] = False
    joined = panel_of(panel.values, late)
    day, stock = torch.tensor([100, 105]), torch.tensor([0, 0])
    same = _raw_windows(panel, "alpha158_20", day, stock)
    there = np.isfinite(panel.values[81:106, 0]).any(axis=1)
    assert not there.all()  # suspended before it joined: those rows are missing now, the others are not
    now = _raw_windows(joined, "alpha158_20", day, stock)
    for i, t in enumerate((100, 105)):
        kept = [k for k in range(20) if np.isfinite(panel.values[t - 19 + k, 0]).any() or t - 19 + k >= 100]
        assert torch.equal(now[i, kept], same[i, kept])


def test_a_window_without_any_row_is_zero():
    panel = market()
    windows = dataset_of(panel, "alpha158_20").windows
    assert (windows.gather(torch.tensor([30, 0]), torch.tensor([1, 1])) == 0).all()


@pytest.mark.parametrize("name", sorted(FEATURE_SETS))
def test_windows_cut_as_runs_are_those_gathered_row_by_row(name):
    """The second is how a GPU gathers all windows."""
    panel = market()
    windows = dataset_of(panel, name).windows
    day, stock = every_row(panel)
    by_row = windows._windows(day, stock)
    if windows._per_window is not None:
        by_row = windows._per_window.apply(windows._feature_set.window_to_features(by_row))
    assert torch.equal(windows.gather(day, stock), by_row)


@pytest.mark.parametrize("name", sorted(FEATURE_SETS))
def test_a_panel_shorter_than_a_window_has_the_windows_of_a_longer_one(name):
    panel = market()
    short = panel_of(panel.values[:9, :1], panel.member[:9, :1])
    day, stock = torch.arange(9), torch.zeros(9, dtype=torch.int64)
    assert torch.equal(_raw_windows(short, name, day, stock), _raw_windows(panel, name, day, stock))


@pytest.fixture
def tiny_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Everything is too large for memory, blocks are of one stock, and the cache is a new folder."""
    monkeypatch.setattr(mapped, "IN_MEMORY", 0)
    monkeypatch.setattr(mapped, "_BLOCK", 1)
    monkeypatch.setattr(mapped, "_mapped", WeakValueDictionary())
    monkeypatch.setattr("zoo.data.features.base._BLOCK", 1)
    monkeypatch.setattr("zoo.data.windows._RESIDENT", 1)
    monkeypatch.setenv("ALPHA_ZOO_CACHE", str(tmp_path))
    return tmp_path / "factors"


@pytest.mark.parametrize("cache", ["on", "off"])
@pytest.mark.parametrize("name", ["alpha158", "alpha158_20"])
def test_mapped_columns_give_the_same_bits_as_columns_in_memory(name, cache, tiny_memory, monkeypatch):
    panel = market()
    day, stock = every_row(panel)
    monkeypatch.setattr(mapped, "IN_MEMORY", 1 << 30)
    held = dataset_of(panel, name)
    monkeypatch.setattr(mapped, "IN_MEMORY", 0)
    if cache == "off":
        monkeypatch.setenv("ALPHA_ZOO_CACHE", "off")
    far = dataset_of(panel, name)
    assert is_mapped(far.windows._source)
    assert not is_mapped(held.windows._source)
    assert np.array_equal(held.stats.center, far.stats.center)
    assert np.array_equal(held.stats.scale, far.stats.scale)
    for _ in range(2):  # the second reads pages that were let go of
        assert torch.equal(held.windows.gather(day, stock), far.windows.gather(day, stock))
    assert len(list(tiny_memory.glob("*.npy"))) == (cache == "on")


def _source(panel: Panel) -> np.ndarray:
    return np.array(make_feature_set("alpha158_20", 20).source(panel))


def _count_computations(monkeypatch: pytest.MonkeyPatch) -> list[slice]:
    computed: list[slice] = []

    def counted(panel, columns, stocks):
        computed.append(stocks)
        return alpha158(panel, columns, stocks=stocks)

    monkeypatch.setattr("zoo.data.features.factors.alpha158", counted)
    return computed


def test_columns_are_computed_once_for_a_panel_and_again_for_another(tiny_memory, monkeypatch):
    computed = _count_computations(monkeypatch)
    panel = market()
    first = _source(panel)
    assert len(computed) == panel.n_stocks
    again = _source(replace(panel))
    assert len(computed) == panel.n_stocks
    assert np.array_equal(first, again, equal_nan=True)
    assert np.array_equal(first, alpha158(panel, ALPHA158_20_NAMES), equal_nan=True)
    _source(market(seed=1))
    assert len(computed) == 2 * panel.n_stocks


def test_a_file_that_was_touched_but_not_changed_still_serves(tiny_memory, monkeypatch):
    panel = market()
    first = _source(panel)
    (file,) = tiny_memory.glob("*.npy")
    os.utime(file)
    computed = _count_computations(monkeypatch)
    assert np.array_equal(_source(panel), first, equal_nan=True)
    assert computed == []


@pytest.mark.parametrize("damage", ["cut", "flip", "header", "empty"])
def test_a_damaged_file_is_computed_anew(damage, tiny_memory, monkeypatch):
    panel = market()
    first = _source(panel)
    (file,) = tiny_memory.glob("*.npy")
    content = bytearray(file.read_bytes())
    if damage == "cut":
        del content[-100:]
    elif damage == "flip":
        content[len(content) // 2] ^= 1
    elif damage == "header":
        content[:20] = b"x" * 20
    else:
        content.clear()
    file.write_bytes(content)
    computed = _count_computations(monkeypatch)
    assert np.array_equal(_source(panel), first, equal_nan=True)
    assert len(computed) == panel.n_stocks
    assert np.array_equal(_source(panel), first, equal_nan=True)
    assert len(computed) == panel.n_stocks


def test_a_failure_while_computing_leaves_no_file_behind(tiny_memory, monkeypatch):
    def fails(panel, columns, stocks):
        if stocks.start == 3:
            raise DataError("no")
        return alpha158(panel, columns, stocks=stocks)

    monkeypatch.setattr("zoo.data.features.factors.alpha158", fails)
    with pytest.raises(DataError, match="no"):
        _source(market())
    assert [file.suffix for file in tiny_memory.iterdir()] == [".lock"]


def test_a_full_disk_is_an_error_that_says_what_to_do(tiny_memory, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mapped, "_write", full)
    with pytest.raises(DataError, match=r"alpha158_20: .* MiB .*No space left.*ALPHA_ZOO_CACHE"):
        _source(market())


def test_files_that_nobody_opened_for_long_are_removed(tiny_memory):
    _source(market())
    (old,) = tiny_memory.glob("*.npy")
    os.utime(old, (0, 0))
    _source(market(seed=1))
    assert not old.exists()
    assert len(list(tiny_memory.glob("*.npy"))) == 1


def test_statistics_are_the_medians_of_numpy_to_the_last_bit():
    rng = np.random.default_rng(0)
    columns = [rng.standard_normal(n).astype(np.float32) for n in (1, 2, 3, 4, 5, 100, 1001, 5000)]
    for i, column in enumerate(columns):
        column[1:][rng.random(len(column) - 1) < 0.2 * (i % 3)] = np.nan
    columns.append(np.full(7, np.nan, np.float32))
    for workers in (1, 3):
        stats = fit_robust((column.copy() for column in columns), (3, 3), workers)
        for column, center, scale in zip(columns[:-1], stats.center.ravel(), stats.scale.ravel(), strict=False):
            values = column[~np.isnan(column)]
            assert center == np.median(values)
            assert scale == np.median(np.abs(values - center)) * np.float32(1.4826) + np.float32(1e-12)
        assert (stats.center[2, 2], stats.scale[2, 2]) == (0, np.inf)


def test_statistics_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match="3 columns"):
        fit_robust([np.ones(4, np.float32) for _ in range(3)], (4,))


def test_an_error_in_a_column_is_not_lost():
    def columns():
        yield np.ones(4, np.float32)
        raise DataError("the second")

    with pytest.raises(DataError, match="the second"):
        fit_robust(columns(), (2,), workers=2)


def test_alpha360_statistics_are_those_of_its_columns_written_out():
    panel = market()
    feature_set = make_feature_set("alpha360", 60)
    train = DayRange(30, 100)
    source = feature_set.source(panel)
    stats = feature_set.fit_stats(source, panel.member, train)
    day, stock = np.nonzero(panel.member[train.start : train.stop])
    padded = np.pad(source, ((0, 0), (59, 0), (0, 0)), constant_values=np.nan)
    windows = np.stack([padded[n, d : d + 60] for d, n in zip(day + train.start, stock, strict=True)])
    x = feature_set.window_to_features(torch.from_numpy(windows)).numpy()
    center = np.nanmedian(x, axis=0)
    assert np.array_equal(stats.center, center)
    scale = np.nanmedian(np.abs(x - center), axis=0) * np.float32(1.4826) + np.float32(1e-12)
    assert np.array_equal(stats.scale, scale)


def test_columns_are_fitted_alike_however_many_there_are():
    rng = np.random.default_rng(0)
    source = rng.standard_normal((5, 30, 37)).astype(np.float32)
    member = rng.random((30, 5)) < 0.8
    feature_set = make_feature_set("alpha158", 1)
    assert not feature_set.stats_per_lag
    stats = feature_set.fit_stats(source, member, DayRange(3, 25))
    rows = source[:, 3:25][member[3:25].T]
    assert np.array_equal(stats.center, np.median(rows, axis=0))


def test_an_unknown_feature_set_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"alpha158_20.*alpha158_20"):
        make_feature_set("alpha158-20", 20)
