"""Symbols, days, zones, calendars, adjustment and scale of what users have, and files that are broken."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from source_files import PRICES, long_frame
from test_cases_layouts import same, told, write_each

from zoo.config import DataConfig
from zoo.data.sources import load_panel, open_panel
from zoo.data.sources.conventions.scale import scale_breaks
from zoo.errors import DataError

ZONES = {"AAA": "America/New_York", "BBB": "Asia/Tokyo", "CCC": "Europe/London"}


def utc(frame: pd.DataFrame, zones: dict[str, str], hours: float = 0) -> pd.DataFrame:
    """The frame with its days as UTC instants of local times."""
    parts = []
    for symbol, rows in frame.groupby("symbol"):
        local = (rows["date"] + pd.Timedelta(hours=hours)).dt.tz_localize(zones[str(symbol)])
        parts.append(rows.assign(date=local.dt.tz_convert("UTC")))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("form", ["aware", "naive", "text", "csv"])
def test_utc_instants_of_local_midnights_fall_on_their_local_days(tmp_path, form):
    frame = long_frame(150)
    moments = utc(frame, ZONES)
    if form != "aware":
        moments["date"] = moments["date"].dt.tz_localize(None) if form == "naive" else moments["date"].astype(str)
    source: Path | pd.DataFrame = moments
    if form == "csv":
        moments.to_csv(tmp_path / "a.csv", index=False)
        source = tmp_path / "a.csv"
    panel = load_panel(source)
    same(panel, frame)
    assert told(panel, "UTC times of midnights east of Greenwich")
    assert told(panel, "rows at other times count as their own day")


def test_closing_times_fall_on_their_own_days_and_a_zone_can_be_named():
    frame = long_frame(60)
    same(load_panel(utc(frame, dict.fromkeys(ZONES, "America/New_York"), hours=16)), frame)
    same(load_panel(utc(frame, dict.fromkeys(ZONES, "Asia/Shanghai"), hours=15)), frame)
    tokyo = utc(frame, dict.fromkeys(ZONES, "Asia/Tokyo"))
    panel = load_panel(tokyo, timezone="Asia/Tokyo")
    same(panel, frame)
    assert told(panel, "times are taken as UTC and moved to Asia/Tokyo")
    with pytest.raises(DataError, match=r"'Asia/Tokio' is no time zone .did you mean 'Asia/Tokyo'"):
        load_panel(tokyo, timezone="Asia/Tokio")


def test_midnights_of_markets_without_weekends_are_refused_where_others_stand_beside_them():
    days = np.datetime64("2020-01-01") + np.arange(40)
    frame = pd.DataFrame({"date": np.tile(days, 2), "symbol": np.repeat(["AAA", "BBB"], 40), "close": 1.5})
    frame["date"] = frame["date"].astype("datetime64[ns]")
    moments = utc(frame, ZONES)
    with pytest.raises(DataError, match=r"frame: column 'date'.*set data.timezone"):
        load_panel(moments)
    same(load_panel(moments, timezone="Asia/Tokyo"), frame)


def test_bars_within_a_day_are_refused_as_such(tmp_path):
    frame = long_frame(10)
    hours = pd.concat([frame.assign(date=frame["date"] + pd.Timedelta(hours=h)) for h in (9, 10, 11)])
    hours.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DataError, match=r"repeats .* make daily bars of those within a day"):
        load_panel(tmp_path / "a.csv")


@pytest.mark.parametrize("other", ["BBB ", " BBB", "bbb", "Bbb "])
def test_a_stock_that_is_spelled_in_two_ways_is_one_and_told(tmp_path, other):
    frame = long_frame()
    late = frame["date"] > "2020-02-01"
    mixed = frame.assign(symbol=frame["symbol"].where((frame["symbol"] != "BBB") | ~late, other))
    mixed.to_csv(tmp_path / "a.csv", index=False)
    mixed.to_parquet(tmp_path / "a.parquet")
    for source in (mixed, tmp_path / "a.csv", tmp_path / "a.parquet"):
        panel = load_panel(source)
        same(panel, frame)
        # A CSV reader passes over blanks before a cell.
        assert other == " BBB" or told(panel, "blanks around names") or told(panel, "in case only and are one stock")


def test_a_copy_in_other_case_is_no_further_stock():
    frame = long_frame()
    copy = frame[frame["symbol"] == "AAA"].assign(symbol="aaa")
    with pytest.raises(DataError, match="AAA and aaa differ in case only and have the same prices; keep one"):
        load_panel(pd.concat([frame, copy]))
    other = load_panel(pd.concat([frame, copy.assign(close=lambda f: f["close"] * 2)]))
    assert other.n_stocks == 4
    assert told(other, "trade on the same days and are two stocks: AAA and aaa")


@pytest.mark.parametrize("one_file", [True, False])
def test_adjusted_and_other_prices_of_a_stock_are_never_joined(tmp_path, one_file):
    frame = long_frame()
    early = frame["date"] < "2020-01-20"
    adjusted = frame.assign(**{"Adj Close": frame["close"] * 0.8})
    if one_file:
        adjusted.loc[~early, "Adj Close"] = np.nan
        adjusted.to_csv(tmp_path / "a.csv", index=False)
        panel = load_panel(tmp_path / "a.csv")
        assert np.isnan(panel.field("close")[13:]).all()
        assert told(panel, "rows have a close but no adjusted close: no price")
        return
    adjusted[early].to_csv(tmp_path / "old.csv", index=False)
    frame[~early].to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(
        DataError, match=r"new.csv: has no adjusted close for AAA .* but old.csv has one.*3 such stocks"
    ):
        load_panel(tmp_path)
    frame[~early & (frame["symbol"] == "CCC")].assign(symbol="DDD").to_csv(tmp_path / "new.csv", index=False)
    assert told(load_panel(tmp_path), "1 of 2 files have no adjusted close: new.csv")


@pytest.mark.parametrize(
    ("frequency", "periods", "word"),
    [
        ("B", 252, ""),
        ("D", 365, "seven days a week"),
        ("W-FRI", 52, "weekly"),
        ("ME", 12, "monthly"),
        ("QE", 4, "quarterly"),
        ("YE", 1, "yearly"),
    ],
)
def test_periods_per_year_come_from_the_days(frequency, periods, word):
    days = pd.date_range("2001-01-01", periods=30, freq=frequency)
    frame = long_frame().assign(date=np.repeat(days, 3))
    panel = load_panel(frame)
    assert panel.periods_per_year == periods
    assert any(f"{periods} periods" in note and note.startswith(word) for note in panel.notes) == (periods != 252)


def test_five_days_from_sunday_on_are_a_usual_year():
    days = np.datetime64("2020-01-05") + np.arange(210)
    days = days[(days.astype(np.int64) + 4) % 7 < 5][:30]
    assert load_panel(long_frame().assign(date=np.repeat(days, 3))).periods_per_year == 252


def test_stocks_and_coins_in_one_panel_are_told_and_weekends_are_no_usual_days():
    stocks = long_frame(60, symbols=[f"S{k}" for k in range(6)])
    days = np.datetime64("2020-01-01") + np.arange(84)
    coins = pd.DataFrame({"date": np.tile(days, 2), "symbol": np.repeat(["BTC", "ETH"], 84), "close": 1.5})
    panel = load_panel(pd.concat([stocks, coins.astype({"date": "datetime64[ns]"})]))
    assert panel.periods_per_year == 252
    assert told(panel, "2 of 8 symbols trade on weekends (BTC, ETH), the others do not: on 24 of 84 days")


@pytest.mark.parametrize("factor", [100, 0.01, 20, 50, 0.05])
@pytest.mark.parametrize("lasting", [True, False])
def test_prices_on_another_scale_are_told_with_stock_and_day(factor, lasting):
    frame = long_frame(60)
    day = frame["date"].unique()[30]
    rows = (frame["symbol"] == "BBB") & ((frame["date"] >= day) if lasting else (frame["date"] == day))
    frame.loc[rows, PRICES] *= factor
    panel = load_panel(frame)
    breaks = scale_breaks(panel)
    assert [(panel.symbols[s], panel.days[d]) for s, d in zip(breaks.stock, breaks.day, strict=True)] == [
        ("BBB", np.datetime64(day, "D"))
    ]
    assert breaks.undone.tolist() == [not lasting]
    np.testing.assert_allclose(breaks.ratio / factor, 1, atol=0.1)
    assert told(panel, f"1 price is on another scale than the one before: BBB {str(day)[:10]}")
    assert told(panel, "pence") == (factor in (100, 0.01))


def test_one_open_on_another_scale_is_told_and_usual_prices_are_not():
    frame = long_frame(60)
    assert not told(load_panel(frame), "another scale")
    frame.loc[7, "open"] *= 100
    assert told(load_panel(frame), "BBB 2020-01-03: open")


def broken_market(folder: Path) -> pd.DataFrame:
    """Ten good files, and four that cannot be read for one reason each."""
    frame = long_frame(symbols=[f"S{k:02d}" for k in range(14)])
    write_each(frame, folder)
    (folder / "S03.csv").write_text("")
    (folder / "S05.csv").write_text((folder / "S05.csv").read_text() + "2020-03-02,x,1,1,1,1\n")
    (folder / "S07.csv").write_bytes(b"\x00\x01\x02" * 50)
    (folder / "S09.csv").write_text("date,close\nsoon,1\n")
    return frame[~frame["symbol"].isin(["S03", "S05", "S07", "S09"])]


def test_all_broken_files_are_named_at_once_and_can_be_skipped(tmp_path):
    good = broken_market(tmp_path)
    with pytest.raises(DataError, match=r"2 of 14 files.*S03.csv: empty file.*S07.csv: .*data.skip_bad_files"):
        load_panel(tmp_path)
    for config in (DataConfig(source=str(tmp_path), skip_bad_files=True),):
        panel = open_panel(config)
        same(panel, good)
        assert told(panel, "4 of 14 files that cannot be read are left out: S03.csv, S07.csv, S09.csv, S05.csv")


def test_a_folder_of_which_nothing_can_be_read_is_refused_also_if_bad_files_are_skipped(tmp_path):
    for k in range(30):
        (tmp_path / f"S{k:02d}.csv").write_text("")
    with pytest.raises(DataError, match=r"30 of 30 files cannot be read: S00.csv.*and 25 more: S05.csv"):
        load_panel(tmp_path, skip_bad_files=True)


@pytest.mark.parametrize("name", ["date", "symbol", "close", "volume"])
@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, b"\xff\xfe\x80", "9" * 400])
def test_columns_of_kinds_that_no_cell_can_have_are_refused_by_name(tmp_path, name, value):
    frame = long_frame(5)
    frame = frame.assign(**{name: pd.Series([value] * len(frame), dtype=object)})
    frame.to_parquet(tmp_path / "a.parquet")
    if name == "volume" and value == "9" * 400:
        assert told(load_panel(tmp_path / "a.parquet"), "15 volume values are infinite or beyond float32")
        return
    with pytest.raises(DataError, match=rf"a.parquet.*({name}|repeats|no row has a close)"):
        load_panel(tmp_path / "a.parquet")


def test_a_list_in_a_column_nobody_needs_is_left_out(tmp_path):
    frame = long_frame(5)
    frame.assign(change=pd.Series([[1]] * len(frame))).to_parquet(tmp_path / "a.parquet")
    panel = load_panel(tmp_path / "a.parquet")
    same(panel, frame)
    assert told(panel, "a column that nobody needs is left out")


def test_new_data_without_volume_or_with_an_unpriced_last_day_are_read_as_they_are():
    frame = long_frame()
    assert "volume" not in load_panel(frame.drop(columns="volume")).fields
    frame.loc[frame["date"] == frame["date"].max(), PRICES] = np.nan
    panel = load_panel(frame)
    assert panel.n_days == 30
    assert not panel.member[-1].any()
    assert told(panel, "3 open, 3 high, 3 low and 3 close values are missing")


def test_a_long_name_costs_no_time(tmp_path):
    (tmp_path / "a.csv").write_text("date,symbol,close," + "close_" * 20_000 + "\n2020-01-02,A,1,1\n")
    began = time.process_time()
    assert load_panel(tmp_path / "a.csv").n_stocks == 1
    assert time.process_time() - began < 5
