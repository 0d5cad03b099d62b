"""alpha158 against the golden file, against a literal reading of its definitions, and its guarantees."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from alpha158_by_hand import factors_at

from zoo.data.features.alpha158 import ALPHA158_20_NAMES, ALPHA158_NAMES, alpha158
from zoo.data.panel import FIELDS, Panel, presence
from zoo.data.sources.qlib import qlib_panel
from zoo.errors import ConfigError, DataError

GOLDEN = Path(__file__).parents[1] / "golden"


def panel_of(values: np.ndarray, fields: tuple[str, ...] = FIELDS, member: np.ndarray | None = None) -> Panel:
    """A panel of `values [day, stock, field]`; membership from first to last close unless given."""
    n_days, n_stocks, _ = values.shape
    days = np.datetime64("2020-01-01") + np.arange(n_days)
    symbols = np.array([f"S{i:02d}" for i in range(n_stocks)])
    if member is None:
        member = presence(values[:, :, fields.index("close")])
    return Panel(days, symbols, fields, values, member)


def walks(n_days: int, n_stocks: int, seed: int) -> np.ndarray:
    """Complete random walks `[day, stock, field]`, prices around 1 to 1000."""
    rng = np.random.default_rng(seed)
    close = np.exp(np.cumsum(rng.normal(0, 0.02, (n_days, n_stocks)), axis=0)) * np.geomspace(1, 1000, n_stocks)
    open_ = close * (1 + rng.normal(0, 0.01, close.shape))
    high = np.maximum(open_, close) * (1 + np.abs(rng.normal(0, 0.01, close.shape)))
    low = np.minimum(open_, close) * (1 - np.abs(rng.normal(0, 0.01, close.shape)))
    volume = np.exp(rng.normal(12, 0.5, close.shape))
    return np.stack([open_, high, low, close, (high + low + close) / 3, volume], axis=2).astype(np.float32)


def awkward(n_days: int, seed: int) -> Panel:
    """Eight stocks with what real data do: holes, late listings, ties, frozen prices, days without volume."""
    rng = np.random.default_rng(seed)
    values = walks(n_days, 8, seed)
    values[:, 0, :5] = np.round(values[:, 0, :5], 1)  # ties
    values[20:50, 1, :5] = values[20, 1, 3]  # a frozen price
    values[30:, 2, 5] = values[30, 2, 5]  # a constant volume
    values[rng.random(n_days) < 0.2, 3, 5] = 0
    values[25:33, 3, 5] = 0
    values[rng.random(values.shape[:2]) < 0.05] = np.nan  # suspensions
    values[(rng.random(values.shape) < 0.05) & (np.arange(8) > 3)[:, None]] = np.nan  # single holes
    values[n_days // 2 :, 5] = np.nan  # delisted
    member = presence(values[:, :, 3])
    values[:17, 6] = np.nan  # listed late, and suspended on its first three days
    member[:14, 6], member[14:, 6] = False, True
    values[: n_days - 1, 7], member[: n_days - 1, 7] = np.nan, False  # listed today
    return panel_of(values, member=member)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "features.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def golden_panel(golden: dict[str, np.ndarray]) -> Panel:
    fields = tuple(golden["fields"].tolist())
    values = golden["panel"]
    days = golden["days"].astype("datetime64[D]")
    return Panel(days, golden["symbols"], fields, values, presence(values[:, :, fields.index("close")]))


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(np.isnan(a), np.isnan(b)) and np.array_equal(a[~np.isnan(a)], b[~np.isnan(b)])


def assert_close(ours: np.ndarray, theirs: np.ndarray, names: tuple[str, ...], rtol: float, atol: float) -> None:
    for i, name in enumerate(names):
        np.testing.assert_allclose(ours[..., i], theirs[..., i], rtol=rtol, atol=atol, err_msg=name)


def test_names_and_their_order_are_those_of_the_reference(golden):
    assert list(ALPHA158_NAMES) == golden["alpha158_names"].tolist()


def test_the_twenty_are_twenty_of_the_158():
    assert len(set(ALPHA158_20_NAMES)) == 20
    assert set(ALPHA158_20_NAMES) <= set(ALPHA158_NAMES)


def test_the_golden_factors_are_met_with_the_same_missing_values(golden, golden_panel):
    ours = alpha158(golden_panel).transpose(1, 0, 2)[golden["alpha158_days"]]
    assert_close(ours, golden["alpha158_raw"], ALPHA158_NAMES, rtol=0, atol=1e-5)


def test_the_golden_factors_are_met_from_the_qlib_directory(golden):
    ours = alpha158(qlib_panel(GOLDEN / "qlib_dir")).transpose(1, 0, 2)[golden["alpha158_days"]]
    assert_close(ours, golden["alpha158_raw"], ALPHA158_NAMES, rtol=0, atol=1e-5)


def test_the_golden_factors_are_met_after_normalising(golden, golden_panel):
    factors = alpha158(golden_panel).transpose(1, 0, 2)
    train = golden_panel.days <= np.datetime64(str(golden["fit_end"]))
    rows = factors[train][golden_panel.member[train]]
    median = np.nanmedian(rows, axis=0)
    scale = np.nanmedian(np.abs(rows - median), axis=0) * np.float32(1.4826) + np.float32(1e-12)
    ours = np.nan_to_num(np.clip((factors - median) / scale, -3, 3))[golden["alpha158_days"]]
    listed = golden_panel.member[golden["alpha158_days"]]
    np.testing.assert_allclose(ours[listed], golden["alpha158_norm"][listed], rtol=0, atol=1e-4)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_window_agrees_with_the_definitions_read_literally(seed):
    panel = awkward(n_days=80, seed=seed)
    ours = alpha158(panel)
    begun = panel.member | np.isfinite(panel.values).any(axis=2)
    theirs = np.full(ours.shape, np.nan)
    with np.errstate(all="ignore"):
        for n in range(panel.n_stocks):
            stock = {name: panel.field(name)[:, n] for name in FIELDS}
            first = int(np.argmax(begun[:, n]))
            for t in range(first, panel.n_days):
                factors = factors_at(stock, t, first)
                theirs[n, t] = [factors[name] for name in ALPHA158_NAMES]
    assert_close(ours, theirs.astype(np.float32), ALPHA158_NAMES, rtol=1e-5, atol=1e-6)


def test_a_constant_window_has_no_spread_whatever_came_before():
    values = walks(150, 1, seed=3)
    values[40:, 0, :5] = values[40, 0, 3]
    values[45:50:2, 0] = np.nan
    factors = alpha158(panel_of(values))[0, 101:]
    at = {name: factors[:, i] for i, name in enumerate(ALPHA158_NAMES)}
    for name in ("STD60", "BETA60", "RESI60", "WVMA60", "SUMD60", "RSV60"):
        assert (at[name] == 0).all(), name
    for name in ("RSQR60", "CORR60", "CORD60"):
        assert np.isnan(at[name]).all(), name


def test_a_high_price_that_moves_by_its_last_digit_loses_none():
    values = walks(120, 1, seed=4) * np.float32(1000)
    ticks = np.random.default_rng(5).integers(0, 3, 70).astype(np.float32)
    values[50:, 0, :5] = (3000 + ticks * np.spacing(np.float32(3000)))[:, None]
    panel = panel_of(values)
    ours = alpha158(panel, ["RSQR60", "CORR60", "STD60"])[0, -1]
    stock = {name: panel.field(name)[:, 0] for name in FIELDS}
    with np.errstate(all="ignore"):
        theirs = factors_at(stock, 119, 0)
    assert 0 < theirs["RSQR60"] < 1
    np.testing.assert_allclose(ours, [theirs[k] for k in ("RSQR60", "CORR60", "STD60")], rtol=1e-6)


@pytest.mark.parametrize("t", [0, 4, 59, 70, 100])
def test_no_factor_reads_anything_after_its_day(t):
    panel = awkward(n_days=110, seed=6)
    rng = np.random.default_rng(7)
    values, member = panel.values.copy(), panel.member.copy()
    values[t + 1 :] *= rng.uniform(0.1, 10, values[t + 1 :].shape).astype(np.float32)
    values[t + 1 :][rng.random(values[t + 1 :].shape) < 0.3] = np.nan
    member[t + 1 :] = rng.random(member[t + 1 :].shape) < 0.5
    changed = panel_of(values, member=member)
    assert same_bits(alpha158(panel)[:, : t + 1], alpha158(changed)[:, : t + 1])
    assert not same_bits(alpha158(panel), alpha158(changed))


def test_blocks_of_stocks_and_threads_do_not_change_a_bit():
    panel = awkward(n_days=110, seed=8)
    whole = alpha158(panel)
    for edges in ([0, 8], [0, 1, 8], [0, 3, 5, 8], [*range(9)]):
        parts = [alpha158(panel, stocks=slice(a, b), workers=1) for a, b in pairwise(edges)]
        assert same_bits(np.concatenate(parts), whole)


def test_results_are_streamed_into_a_file(tmp_path):
    panel = awkward(n_days=90, seed=9)
    shape = (panel.n_stocks, panel.n_days, len(ALPHA158_NAMES))
    file = np.memmap(tmp_path / "factors", dtype=np.float32, mode="w+", shape=shape)
    for at in range(0, panel.n_stocks, 3):
        block = slice(at, at + 3)
        assert alpha158(panel, out=file[block], stocks=block) is not None
    file.flush()
    stored = np.fromfile(tmp_path / "factors", dtype=np.float32).reshape(shape)
    assert same_bits(stored, alpha158(panel))


def test_chosen_columns_equal_those_of_the_whole_in_the_order_asked():
    panel = awkward(n_days=90, seed=10)
    whole = alpha158(panel)
    for columns in (ALPHA158_20_NAMES, ("VSUMD60",), ("RANK30", "RANK5", "QTLD20"), ("KLEN", "CORR10")):
        expected = whole[:, :, [ALPHA158_NAMES.index(name) for name in columns]]
        assert same_bits(alpha158(panel, columns), expected)


def test_no_columns_give_an_empty_last_axis():
    assert alpha158(awkward(n_days=35, seed=1), ()).shape == (8, 35, 0)


def test_a_panel_of_closes_and_volumes_has_every_factor_that_reads_no_other_field():
    values = walks(70, 3, seed=11)
    full, thin = panel_of(values), panel_of(values[:, :, [3, 5]], fields=("close", "volume"))
    reads_others = ("K", "OPEN", "HIGH", "LOW", "VWAP", "MAX", "MIN", "RSV", "IMAX", "IMIN", "IMXD")
    ours, expected = alpha158(thin), alpha158(full)
    for i, name in enumerate(ALPHA158_NAMES):
        if name.startswith(reads_others):
            assert np.isnan(ours[:, :, i]).all(), name
        else:
            assert same_bits(ours[:, :, i], expected[:, :, i]), name


def test_a_stock_has_no_factor_before_its_first_day_and_counts_its_window_from_there():
    values = walks(12, 1, seed=12)
    values[:6] = np.nan
    listed = panel_of(values)
    member = listed.member.copy()
    member[4:] = True
    suspended = panel_of(values, member=member)
    columns = ["CNTP10", "CNTN10"]
    assert np.isnan(alpha158(listed)[0, :6]).all()
    assert np.isnan(alpha158(suspended)[0, :4]).all()
    shares = np.array([alpha158(panel, columns)[0, -1].sum() for panel in (listed, suspended)])
    np.testing.assert_allclose(shares, [5 / 6, 5 / 8], rtol=1e-6)  # 5 moves in 6 or 8 days


def test_history_before_membership_feeds_the_window():
    values = walks(80, 1, seed=13)
    late = np.arange(80)[:, None] >= 70
    assert same_bits(alpha158(panel_of(values, member=late)), alpha158(panel_of(values)))


@pytest.mark.parametrize("n_days", [1, 2, 7, 31, 59])
def test_a_panel_shorter_than_the_windows_is_the_start_of_a_longer_one(n_days):
    values = walks(70, 2, seed=15)
    assert same_bits(alpha158(panel_of(values[:n_days])), alpha158(panel_of(values))[:, :n_days])


def test_a_panel_of_one_day_has_the_factors_of_that_day():
    values = walks(1, 2, seed=14)
    factors = alpha158(panel_of(values))
    at = {name: factors[:, 0, i] for i, name in enumerate(ALPHA158_NAMES)}
    assert np.isfinite(at["KMID"]).all()
    assert (at["MA60"] == 1).all()
    assert (at["RANK5"] == 1).all()
    assert np.isnan(at["STD60"]).all()
    assert np.isnan(at["ROC5"]).all()


def test_an_unknown_factor_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"'RESI6'.*RESI60"):
        alpha158(awkward(n_days=35, seed=1), ["RESI6"])


def test_a_destination_of_the_wrong_shape_or_type_is_refused():
    panel = awkward(n_days=35, seed=1)
    for out in (np.empty((8, 35, 157), np.float32), np.empty((8, 35, 158))):
        with pytest.raises(DataError, match=r"float32 \(8, 35, 158\)"):
            alpha158(panel, out=out)


def test_scattered_stocks_are_refused():
    with pytest.raises(DataError, match="step 2"):
        alpha158(awkward(n_days=35, seed=1), stocks=slice(0, 8, 2))
