"""Long frames -> Panel."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from source_files import PRICES, long_frame

from zoo.data.sources import load_panel
from zoo.errors import DataError


def test_every_cell_of_a_shuffled_frame_lands_at_its_day_and_symbol():
    frame = long_frame()
    panel = load_panel(frame.sample(frac=1, random_state=1))
    assert panel.symbols.tolist() == ["AAA", "BBB", "CCC"]
    assert panel.fields == ("open", "high", "low", "close", "volume")
    for field in panel.fields:
        wide = frame.pivot(index="date", columns="symbol", values=field).to_numpy(np.float32)
        np.testing.assert_array_equal(panel.field(field), wide)
    assert panel.member.all()


def test_a_frame_indexed_by_datetime_and_instrument_is_the_same_panel():
    frame = long_frame()
    indexed = frame.rename(columns={"date": "datetime", "symbol": "instrument"}).set_index(["datetime", "instrument"])
    swapped = indexed.swaplevel()
    unnamed = indexed.set_axis(indexed.index.set_names([None, None]), axis=0)
    wanted = load_panel(frame).fingerprint
    assert [load_panel(each).fingerprint for each in (indexed, swapped, unnamed)] == [wanted] * 3


@pytest.mark.parametrize(
    "convert",
    [
        lambda d: d.dt.strftime("%Y-%m-%d"),
        lambda d: d.dt.strftime("%Y/%m/%d"),
        lambda d: d.dt.strftime("%Y%m%d"),
        lambda d: d.dt.strftime("%Y%m%d").astype(int),
        lambda d: d.dt.strftime("%Y%m%d").astype(float),
        lambda d: d.dt.strftime("%Y-%m-%dT16:00:00-05:00"),
        lambda d: d.dt.strftime("%Y-%m-%d 16:00:00"),
        lambda d: d.dt.date,
        lambda d: d.dt.tz_localize("Asia/Shanghai"),
        lambda d: (d + pd.Timedelta(hours=16)).dt.tz_localize("America/New_York"),
        lambda d: d.astype("datetime64[s]"),
        lambda d: d.dt.strftime("%Y-%m-%d").astype("category"),
    ],
)
def test_dates_of_any_common_kind_are_the_same_days(convert):
    frame = long_frame()
    wanted = load_panel(frame).days
    np.testing.assert_array_equal(load_panel(frame.assign(date=convert(frame["date"]))).days, wanted)


@pytest.mark.parametrize(
    "text", ["yesterday", "2020-02-30", "02/03/2020", "2020-13-01", "20201301", "٢٠٢٠-٠١-٠٢", 20200230, 7]
)
def test_what_is_no_date_is_named_with_row_column_and_value(text):
    dates = long_frame()["date"].dt.strftime("%Y%m%d")
    dates = dates.astype(int) if isinstance(text, int) else dates.astype(object)
    dates[4] = text
    with pytest.raises(DataError, match=rf"frame: row 5, column 'date': '?{text}'? is no date"):
        load_panel(long_frame().assign(date=dates))


def test_column_names_are_recognised_without_regard_to_case_and_punctuation():
    frame = long_frame().rename(
        columns={
            "date": "Trade Date",
            "symbol": "TICKER",
            "open": "Open",
            "close": "$CLOSE",
            "volume": "Vol.",
        }
    )
    panel = load_panel(frame)
    assert panel.fields == ("open", "high", "low", "close", "volume")
    assert "Trade Date as date" in panel.notes[0]
    assert "TICKER as symbol" in panel.notes[0]


def test_two_columns_for_one_role_are_ambiguous():
    with pytest.raises(DataError, match="columns 'symbol' and 'Ticker' could both be the symbol"):
        load_panel(long_frame().assign(Ticker="X"))


def test_a_missing_column_is_named_with_those_found_and_the_nearest():
    with pytest.raises(DataError, match=r"no close column \(did you mean 'clsoe'\?\).*'date', 'symbol', 'clsoe'"):
        load_panel(long_frame().rename(columns={"close": "clsoe"}))
    # "close" is near "code", a name of the symbol, but is no candidate for it.
    with pytest.raises(DataError, match=r"no symbol column; its columns are"):
        load_panel(long_frame().rename(columns={"symbol": "company"}))


def test_late_listing_and_suspension_are_missing_and_only_the_first_is_outside_the_universe():
    frame = long_frame()
    days = sorted(frame["date"].unique())
    late = (frame["symbol"] == "BBB") & frame["date"].isin(days[:10])
    pause = (frame["symbol"] == "CCC") & frame["date"].isin(days[12:15])
    panel = load_panel(frame[~late & ~pause])
    assert np.isnan(panel.field("close")[:10, 1]).all()
    assert not panel.member[:10, 1].any()
    assert panel.member[10:, 1].all()
    assert np.isnan(panel.field("close")[12:15, 2]).all()
    assert panel.member[:, 2].all()


def test_missing_cells_are_counted_by_field_and_rows_without_values_apart():
    frame = long_frame()
    frame.loc[[3, 8, 9], "open"] = np.nan
    frame.loc[[3], ["high", "low"]] = np.nan
    frame.loc[[20], [*PRICES]] = np.nan
    frame["volume"] = frame["volume"].astype(float)
    frame.loc[[20], "volume"] = np.nan
    notes = load_panel(frame).notes
    assert "3 open, 1 high and 1 low values are missing" in notes
    assert "1 row without any value: no trade on that day" in notes
    assert any(note.startswith("no vwap:") for note in notes)


def test_zero_negative_and_infinite_prices_are_missing_and_counted():
    frame = long_frame()
    frame.loc[0, "close"] = 0.0
    frame.loc[1, "close"] = -3.0
    frame.loc[2, "high"] = np.inf
    frame.loc[3, "low"] = 1e300
    frame["volume"] = frame["volume"].astype(float)
    frame.loc[4, "volume"] = -1
    panel = load_panel(frame)
    assert np.isnan(panel.field("close")[0, :2]).all()
    assert np.isnan(panel.field("high")[0, 2])
    assert np.isnan(panel.field("low")[1, 0])
    assert np.isnan(panel.field("volume")[1, 1])
    assert "2 close and 1 volume values are zero or negative and are treated as missing" in panel.notes
    assert "1 high and 1 low values are infinite or beyond float32 and are treated as missing" in panel.notes


def test_adjusted_close_becomes_the_close_and_scales_prices_but_not_volume():
    frame = long_frame().assign(vwap=lambda f: f["close"] * 1.001)
    frame["Adj Close"] = frame["close"] / np.where(frame["date"] < "2020-01-20", 3.0, 1.0)
    panel = load_panel(frame)
    ratio = frame["Adj Close"] / frame["close"]
    wanted = {field: frame[field] * ratio for field in ("open", "high", "low", "vwap")}
    wanted["close"] = frame["Adj Close"]
    for field, column in wanted.items():
        wide = column.to_numpy().reshape(30, 3).astype(np.float32)
        np.testing.assert_array_equal(panel.field(field), wide)
    np.testing.assert_array_equal(panel.field("volume"), frame["volume"].to_numpy(np.float32).reshape(30, 3))
    assert any("open, high, low, vwap scaled by adj_close / close, volume left" in note for note in panel.notes)


def test_an_adjusted_close_alone_is_the_close():
    frame = long_frame().rename(columns={"close": "adj_close"})
    np.testing.assert_array_equal(load_panel(frame).field("close"), load_panel(long_frame()).field("close"))


def test_typical_vwap_is_the_mean_of_high_low_and_close_and_replaces_the_sources():
    for frame in (long_frame(), long_frame().assign(vwap=1.0)):
        panel = load_panel(frame, vwap="typical")
        assert panel.fields == ("open", "high", "low", "close", "vwap", "volume")
        mean = (panel.field("high") + panel.field("low") + panel.field("close")) / np.float32(3)
        np.testing.assert_array_equal(panel.field("vwap"), mean)
        np.testing.assert_array_equal(panel.field("volume"), load_panel(frame).field("volume"))
        assert not any(note.startswith("no vwap") for note in panel.notes)


def test_typical_vwap_of_closes_alone_stays_empty_and_is_said():
    panel = load_panel(long_frame()[["date", "symbol", "close"]], vwap="typical")
    assert np.isnan(panel.field("vwap")).all()
    assert any("needs high and low" in note for note in panel.notes)


def test_factor_is_kept_and_a_change_that_is_no_daily_return_is_left_out():
    frame = long_frame().assign(factor=2.0)
    closes = frame.groupby("symbol")["close"]
    kept, money = (load_panel(frame.assign(change=change)) for change in (closes.pct_change(), closes.diff()))
    assert kept.fields[-2:] == ("factor", "change")
    assert money.fields[-1] == "factor"
    assert any("change" in note and "left out" in note for note in money.notes)


def test_repeated_rows_are_an_error_naming_both():
    frame = long_frame()
    with pytest.raises(DataError, match="frame: row 91 repeats BBB on 2020-01-01, already in row 2; 2 such rows"):
        load_panel(pd.concat([frame, frame.iloc[[1, 5]]]))


@pytest.mark.parametrize("symbol", ["../../etc/passwd", "<script>alert(1)</script>", "茅台 ☃", "a" * 5000, "NA", "1.0"])
def test_any_text_is_a_symbol(symbol):
    panel = load_panel(long_frame(symbols=["AAA", symbol]))
    assert symbol in panel.symbols.tolist()
    assert np.isfinite(panel.field("close")).all()


def test_a_symbol_with_nul_or_none_at_all_is_an_error():
    frame = long_frame(symbols=["AAA", "B\0B"])
    with pytest.raises(DataError, match=r"row 2, column 'symbol'.*NUL"):
        load_panel(frame)
    frame = long_frame()
    frame.loc[6, "symbol"] = None
    with pytest.raises(DataError, match="row 7, column 'symbol' is empty"):
        load_panel(frame)


def test_a_text_price_is_an_error_and_a_number_as_text_is_not():
    frame = long_frame()
    texts = frame["close"].astype(str)
    np.testing.assert_array_equal(
        load_panel(frame.assign(close=texts)).field("close"), load_panel(frame).field("close")
    )
    texts[10] = "12,5"
    with pytest.raises(DataError, match="row 11, column 'close': '12,5' is no number"):
        load_panel(frame.assign(close=texts))


def test_all_nan_columns_load_but_a_close_without_any_price_does_not():
    panel = load_panel(long_frame().assign(open=np.nan))
    assert np.isnan(panel.field("open")).all()
    with pytest.raises(DataError, match="no row has a close price"):
        load_panel(long_frame().assign(close=np.nan))


def test_an_empty_frame_is_an_error():
    with pytest.raises(DataError, match="frame: no rows"):
        load_panel(long_frame().iloc[:0])


def test_numeric_symbols_and_unused_categories_do_not_confuse():
    frame = long_frame(symbols=["600000", "600001"])
    numbers = load_panel(frame.assign(symbol=frame["symbol"].astype(int)))
    unused = frame.assign(symbol=pd.Categorical(frame["symbol"], categories=["600001", "zzz", "600000"]))
    assert numbers.symbols.tolist() == ["600000", "600001"]
    assert load_panel(unused).fingerprint == load_panel(frame).fingerprint == numbers.fingerprint


def test_a_symbol_column_that_is_no_stock_is_refused_before_memory_is():
    n = 20_000
    days = np.datetime64("1900-01-01") + np.arange(n)
    frame = pd.DataFrame({"date": days, "symbol": [f"order {k}" for k in range(n)], "close": 1.0})
    with pytest.raises(DataError, match="is the symbol column really the stock"):
        load_panel(frame)


def test_the_input_frame_is_left_as_it_was():
    frame = long_frame()
    before = frame.copy(deep=True)
    load_panel(frame, vwap="typical")
    pd.testing.assert_frame_equal(frame, before)


def test_an_empty_date_is_named_by_its_row():
    for empty in (None, "", pd.NaT):
        dates = long_frame()["date"].astype(object)
        dates[4] = empty
        with pytest.raises(DataError, match="frame: row 5, column 'date' is empty"):
            load_panel(long_frame().assign(date=dates))
