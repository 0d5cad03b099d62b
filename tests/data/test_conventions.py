"""What sources do differently is decided from the data, made alike, told, and can be set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from source_files import write_qlib

from zoo.config import DataConfig, LabelConfig, UniverseConfig
from zoo.data.labels import raw_label
from zoo.data.panel import Panel
from zoo.data.sources import load_panel, open_panel, read_index
from zoo.data.sources.conventions.indices import is_index
from zoo.data.sources.qlib import markets
from zoo.errors import DataError

N_DAYS, N_STOCKS = 300, 10
DAYS = [str(day) for day in np.busday_offset("2018-01-01", np.arange(N_DAYS), roll="forward")]
NAMES = [f"SH60000{n}" for n in range(N_STOCKS)]


class Market:
    """The truth: adjusted prices and volumes, splits, and the days on which a stock is suspended; `[N, D]` each."""

    def __init__(self, seed: int = 0, splits: int = 2) -> None:
        rng = np.random.default_rng(seed)
        shape = (N_STOCKS, N_DAYS)
        self.suspended = np.zeros(shape, dtype=bool)
        for n in range(0, N_STOCKS, 2):
            start = int(rng.integers(20, N_DAYS - 20))
            self.suspended[n, start : start + 5] = True
        moves = np.where(self.suspended, 0.0, rng.normal(0, 0.02, shape))
        self.close = 10 * np.exp(np.cumsum(moves, axis=1))
        self.factor = np.ones(shape)
        for n in range(N_STOCKS):
            for day in rng.integers(30, N_DAYS - 10, splits):
                if not self.suspended[n, day - 1 : day + 1].any():
                    self.factor[n, day:] *= 2
        self.volume = np.exp(rng.normal(13 + rng.normal(0, 1, (N_STOCKS, 1)), 0.3, shape))
        self.change = np.diff(self.close, axis=1, prepend=np.nan) / np.roll(self.close, 1, axis=1)

    def stored(self, *, raw: bool = True, percent: bool = True, quoted: bool = True) -> dict[str, np.ndarray]:
        volume = np.where(self.suspended, 0.0, self.volume * (self.factor if raw else 1.0))
        fields = {"open": self.close, "high": self.close * 1.01, "low": self.close * 0.99, "close": self.close}
        fields |= {"volume": volume, "factor": self.factor, "change": self.change * (100 if percent else 1)}
        for name in ("open", "high", "low"):
            fields[name] = np.where(self.suspended, self.close, fields[name])
        return {k: v if quoted else np.where(self.suspended, np.nan, v) for k, v in fields.items()}

    def folder(self, path: Path, **how: bool) -> Path:
        stored = self.stored(**how)
        features = {
            name.lower(): {field: (0, values[n].tolist()) for field, values in stored.items()}
            for n, name in enumerate(NAMES)
        }
        level = self.close.mean(axis=0)
        features["sh000300"] = {"close": (0, level.tolist()), "volume": (0, [1e9] * N_DAYS)}
        features["sz399001"] = {"close": (5, level[5:].tolist())}
        listed = [f"{name}\t{DAYS[0]}\t{DAYS[-1]}" for name in (*NAMES, "SH000300")]
        return write_qlib(path, DAYS, features, {"all": listed, "csi300": listed[:4]})

    def frame(self, **how: bool) -> pd.DataFrame:
        stored = {name: values.ravel() for name, values in self.stored(**how).items()}
        return pd.DataFrame({"date": np.tile(DAYS, N_STOCKS), "symbol": np.repeat(NAMES, N_DAYS), **stored})


@pytest.fixture(scope="module")
def truth() -> Market:
    return Market()


@pytest.fixture(scope="module")
def folder(truth: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return truth.folder(tmp_path_factory.mktemp("found") / "cn")


def told(panel: Panel, *parts: str) -> bool:
    return any(all(part in note for part in parts) for note in panel.notes)


def test_a_folder_as_it_is_found_is_read_right_and_each_thing_is_told(truth, folder):
    panel = load_panel(folder)
    assert panel.symbols.tolist() == NAMES
    traded = ~truth.suspended.T
    np.testing.assert_allclose(panel.field("volume")[traded], truth.volume.T[traded], rtol=1e-5)
    np.testing.assert_allclose(panel.field("change")[1:][traded[1:]], truth.change.T[1:][traded[1:]], atol=1e-6)
    assert np.isnan(panel.values[~traded]).all()
    assert np.isfinite(panel.field("close")[traded]).all()
    label = raw_label(panel, LabelConfig())
    assert np.isfinite(label).any()
    assert not (label == 0).any()
    assert told(panel, "change is stored in per cent", "divided by 100")
    assert told(panel, "volume is raw beside adjusted prices", "of the jumps of log factor on")
    assert told(panel, f"close repeated on {truth.suspended.sum()} days of 5 stocks: suspended")
    assert told(panel, "1 index is set aside from the stocks: SH000300")
    assert "markets: all, csi300; none was named: all" in panel.notes


def test_a_folder_as_the_format_has_it_is_left_as_it_is(truth, tmp_path):
    panel = load_panel(truth.folder(tmp_path / "cn", raw=False, percent=False, quoted=False))
    traded = ~truth.suspended.T
    np.testing.assert_array_equal(panel.field("volume")[traded], truth.volume.T[traded].astype(np.float32))
    assert told(panel, "volume is adjusted as prices are")
    assert not told(panel, "per cent")
    assert not told(panel, "close repeated")


@pytest.mark.parametrize("form", ["folder", "frame"])
def test_settings_overrule_what_the_data_say(truth, folder, form):
    source = folder if form == "folder" else truth.frame()
    stored = {name: values.astype(np.float32).T for name, values in truth.stored().items()}
    as_stored = load_panel(source, volume="adjusted", suspended="keep")
    np.testing.assert_array_equal(as_stored.field("volume"), stored["volume"])
    np.testing.assert_array_equal(as_stored.field("close"), stored["close"])
    assert (raw_label(as_stored, LabelConfig()) == 0).sum() > 10
    settled = load_panel(source)
    assert told(settled, "volume is raw beside")
    assert told(settled, "suspended, not traded")
    np.testing.assert_array_equal(np.isnan(settled.field("close")), truth.suspended.T)


def test_volume_that_is_called_raw_is_divided_by_factor_whatever_the_data_say(truth):
    frame = truth.frame(raw=False)
    traded = ~truth.suspended.T
    auto, forced = load_panel(frame), load_panel(frame, volume="raw")
    np.testing.assert_allclose(auto.field("volume")[traded], truth.volume.T[traded], rtol=1e-5)
    np.testing.assert_allclose(forced.field("volume")[traded], (truth.volume / truth.factor).T[traded], rtol=1e-5)
    without = load_panel(frame.drop(columns="factor"), volume="raw")
    np.testing.assert_array_equal(without.field("volume"), auto.field("volume"))
    assert told(without, "there is no factor")


def test_a_raw_close_beside_an_adjusted_one_says_the_same_as_a_factor(truth):
    frame = truth.frame().drop(columns=["factor", "change"])
    frame["adj_close"] = frame["close"]
    for name in ("open", "high", "low", "close"):
        frame[name] = frame[name] / truth.factor.ravel()
    traded = ~truth.suspended.T
    np.testing.assert_allclose(load_panel(frame).field("volume")[traded], truth.volume.T[traded], rtol=1e-4)


def test_few_jumps_leave_volume_as_it_is_and_say_so():
    market = Market(splits=0)
    market.factor[0, 100:] = 1.06
    panel = load_panel(market.frame())
    assert told(panel, "whether volume is adjusted cannot be told", "on 1 days")
    traded = ~market.suspended.T
    stored = market.stored()["volume"].astype(np.float32).T
    np.testing.assert_array_equal(panel.field("volume")[traded], stored[traded])


def test_the_most_liquid_are_chosen_by_money_whether_volume_is_raw_or_adjusted(truth, folder, tmp_path):
    other = truth.folder(tmp_path / "adjusted", raw=False)
    universe = UniverseConfig(top_liquidity=3, window=20)
    raw, adjusted = (open_panel(DataConfig(source=str(path), universe=universe)) for path in (folder, other))
    assert raw.symbols.tolist() == adjusted.symbols.tolist()
    np.testing.assert_array_equal(raw.member, adjusted.member)
    wrong = open_panel(DataConfig(source=str(folder), universe=universe, volume="adjusted"))
    assert wrong.symbols.tolist() != raw.symbols.tolist() or (wrong.member != raw.member).any()


def test_a_volume_of_0_where_prices_move_means_unknown_and_can_be_dropped(truth):
    frame = truth.frame(quoted=False).dropna(subset=["close"])
    frame.loc[frame.index[::20], "volume"] = 0.0
    kept, dropped = load_panel(frame), load_panel(frame, suspended="drop")
    zero = frame.index[::20]
    assert told(kept, f"volume is 0 on {len(zero)} quoted days", "kept as traded")
    assert np.isfinite(kept.field("close")).sum() == len(frame)
    assert np.isfinite(dropped.field("close")).sum() == len(frame) - len(zero)


def test_a_missing_volume_with_a_repeated_close_is_a_suspension_too(truth):
    frame = truth.frame()
    frame["volume"] = frame["volume"].where(frame["volume"] > 0)
    panel = load_panel(frame)
    assert told(panel, "volume is missing and the close repeated")
    np.testing.assert_array_equal(np.isnan(panel.field("close")), truth.suspended.T)


def test_a_stock_that_never_has_a_volume_is_not_judged(truth):
    frame = truth.frame(quoted=False)
    frame.loc[frame["symbol"] == NAMES[1], "volume"] = 0.0
    frame.loc[frame["symbol"] == NAMES[1], "close"] = 5.0
    assert np.isfinite(load_panel(frame).field("close")[:, 1]).all()


@pytest.mark.parametrize(("scale", "word"), [(100, "per cent"), (10_000, "basis points")])
def test_the_unit_of_change_is_found_in_every_source(truth, scale, word):
    frame = truth.frame(percent=False).assign(change=lambda f: f["change"] * scale)
    panel = load_panel(frame)
    assert told(panel, f"change is stored in {word}")
    known = ~truth.suspended.T
    known[0] = False
    np.testing.assert_allclose(panel.field("change")[known], truth.change.T[known], atol=1e-6)


@pytest.mark.parametrize("symbol", ["SH000300", "sz399006", "000300.SH", "399001.XSHE", "^GSPC", "bj899050"])
def test_indices_are_known_by_their_symbols(symbol):
    assert is_index(symbol)


@pytest.mark.parametrize("symbol", ["SH600000", "SZ000001", "000001.SZ", "SZ300750", "AAPL", "BRK.B", "000300"])
def test_stocks_are_no_indices(symbol):
    assert not is_index(symbol)


def test_indices_can_be_kept_as_stocks(folder):
    assert "SH000300" in load_panel(folder, indices="keep").symbols
    assert not told(load_panel(folder, indices="keep"), "set aside")


def test_a_market_of_indices_alone_keeps_them(tmp_path):
    features = {name: {"close": (0, [1, 2, 3])} for name in ("sh000300", "sh000905")}
    lines = [f"{name}\t{DAYS[0]}\t{DAYS[2]}" for name in features]
    assert load_panel(write_qlib(tmp_path / "q", DAYS[:3], features, {"all": lines})).n_stocks == 2


@pytest.mark.parametrize("written", ["{}", "{}#csi300"])
@pytest.mark.parametrize("symbol", ["SH000300", "sh000300"])
def test_an_index_of_a_folder_is_read_whatever_the_market(truth, folder, written, symbol):
    closes = read_index(written.format(folder), symbol)
    np.testing.assert_allclose(closes.to_numpy(), truth.close.mean(axis=0), rtol=1e-6)
    assert [str(day.date()) for day in closes.index] == DAYS
    assert len(read_index(folder, "SZ399001")) == N_DAYS - 5


def test_a_symbol_of_any_source_can_be_read_as_an_index(truth, tmp_path):
    file = tmp_path / "prices.csv"
    truth.frame().assign(symbol=lambda f: f["symbol"].replace(NAMES[0], "^GSPC")).to_csv(file, index=False)
    assert "^GSPC" not in load_panel(file).symbols
    np.testing.assert_allclose(read_index(file, "^GSPC").to_numpy(), truth.close[0], rtol=1e-6)


def test_an_unknown_index_names_the_nearest(folder):
    with pytest.raises(DataError, match=r"no symbol 'SH000301' \(did you mean 'sh000300'\?\)"):
        read_index(folder, "SH000301")


def test_the_markets_of_a_folder_are_listed_and_told_only_where_none_was_named(folder):
    assert markets(folder) == ["all", "csi300"]
    assert not told(load_panel(f"{folder}#csi300"), "none was named")
    assert not told(load_panel(f"{folder}?market=all"), "none was named")


@pytest.mark.parametrize("setting", ["volume", "suspended", "indices", "vwap"])
def test_an_unknown_choice_is_refused(truth, setting):
    with pytest.raises(DataError, match=f"{setting} is 'x'; it must be "):
        load_panel(truth.frame(), **{setting: "x"})  # type: ignore[arg-type]


def test_a_configuration_carries_the_settings(folder):
    config = DataConfig(source=str(folder), volume="adjusted", suspended="keep", indices="keep")
    panel = open_panel(config)
    assert "SH000300" in panel.symbols
    assert np.isfinite(panel.field("close")).all()
    assert open_panel(DataConfig(source=str(folder))).fingerprint != panel.fingerprint
