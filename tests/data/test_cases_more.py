"""Files of other downloaders: each is read right, or refused with the reason that is true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from source_files import PRICES, long_frame
from test_cases_layouts import same, told

from zoo.data.sources import load_panel
from zoo.errors import DataError

BAR = ["date", "open", "high", "low", "close", "volume"]


def rounded(**options: object) -> pd.DataFrame:
    return long_frame(**options).round(dict.fromkeys(PRICES, 2))  # type: ignore[arg-type]


def per_stock(path: Path, frame: pd.DataFrame, **options: object) -> Path:
    path.mkdir()
    for symbol, rows in frame.groupby("symbol"):
        rows[BAR].to_csv(path / f"{symbol}.csv", **{"index": False, **options})  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize(
    "names",
    [
        "Datum Eröffnung Hoch Tief Schlusskurs Volumen",
        "Date Ouverture Haut Bas Clôture Volume",
        "Data Abertura Máxima Mínima Último Vol.",
        "日付 始値 高値 安値 終値 出来高",
    ],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_prices_of_one_stock_under_names_of_any_language_are_no_columns_of_stocks(tmp_path, names, ending):
    frame = rounded(symbols=("AAA",))[BAR].set_axis(names.split(), axis=1)
    if ending == "csv":
        frame.to_csv(tmp_path / "AAA.csv", index=False)
    else:
        frame.set_index(names.split()[0]).rename_axis("date").to_parquet(tmp_path / "AAA.parquet")
    with pytest.raises(DataError, match=r"never below .* never above .*prices of one; name the columns open, high"):
        load_panel(tmp_path)


@pytest.mark.parametrize("seed", range(5))
def test_stocks_of_like_prices_stay_stocks(tmp_path, seed):
    frame = long_frame(symbols=tuple("ABCDEFGHIJ"), seed=seed)
    frame.pivot(index="date", columns="symbol", values="close").to_csv(tmp_path / "a.csv")
    same(load_panel(tmp_path / "a.csv"), frame[["date", "symbol", "close"]])


def test_numbered_names_of_fields_are_read(tmp_path):
    frame = rounded()
    names = dict(zip(BAR, ["timestamp", "1. open", "2. high", "3. low", "4. close", "6. volume"], strict=True))
    folder = per_stock(tmp_path / "a", frame.assign(date=frame["date"].dt.date))
    for path in folder.iterdir():
        pd.read_csv(path).rename(columns=names).to_csv(path, index=False)
    same(load_panel(folder), frame)
    numbered = frame.assign(**{"5. adjusted close": frame["close"] * 0.9})
    numbered.to_csv(tmp_path / "a.csv", index=False)
    same(load_panel(tmp_path / "a.csv"), frame.assign(adj_close=frame["close"] * 0.9))


def test_row_numbers_beside_t_are_no_dates(tmp_path):
    frame = rounded()
    folder = per_stock(tmp_path / "a", frame)
    for path in folder.iterdir():
        bars = pd.read_csv(path, parse_dates=["date"])
        bars["date"] = [int(day.timestamp()) * 1000 for day in bars["date"]]
        bars.set_axis(list("tohlcv"), axis=1).to_csv(path)
    same(load_panel(folder), frame)


def test_values_in_the_header_of_one_stock_are_refused_as_such(tmp_path):
    folder = per_stock(tmp_path / "a", rounded(symbols=("AAA",)), header=False)
    with pytest.raises(DataError, match=r"AAA.csv: its header line holds values \(2020-01-01"):
        load_panel(folder)


def test_a_column_per_day_may_spell_its_dates_in_any_way(tmp_path):
    frame = rounded()
    wide = frame.pivot(index="symbol", columns="date", values="close")
    wide.columns = wide.columns.strftime("%m/%d/%Y")
    wide.to_csv(tmp_path / "a.csv")
    same(load_panel(tmp_path / "a.csv"), frame[["date", "symbol", "close"]])


@pytest.mark.parametrize("mark", ["#N/A N/A", "#N/A", "n.a."])
@pytest.mark.parametrize("above", ["", "Start Date,01/02/2020,,\nEnd Date,02/26/2020,,\n,,,\n"])
def test_sheets_of_terminals_are_read_with_their_marks_of_nothing(tmp_path, mark, above):
    frame = rounded()
    wide = frame.pivot(index="date", columns="symbol", values="close")
    wide.index = wide.index.strftime("%m/%d/%Y")
    rows = wide.astype(object)
    rows.iloc[3, 1] = mark
    body = rows.to_csv(header=False)
    header = ",AAA,BBB,CCC\nDates,PX_LAST,PX_LAST,PX_LAST\n" if above else "Dates,AAA,BBB,CCC\n"
    (tmp_path / "a.csv").write_text(above + header + body)
    panel = load_panel(tmp_path / "a.csv")
    wanted = wide.to_numpy(np.float32).copy()
    wanted[3, 1] = np.nan
    np.testing.assert_array_equal(panel.field("close"), wanted)


def test_indian_thousands_are_read(tmp_path):
    frame = rounded().assign(volume=1_234_567)
    frame.assign(volume="12,34,567").to_csv(tmp_path / "a.csv", index=False)
    same(load_panel(tmp_path / "a.csv"), frame)


def test_currencies_of_one_column_are_named(tmp_path):
    frame = rounded()
    signs = frame["symbol"].map({"AAA": "$", "BBB": "€", "CCC": "$"})
    frame.assign(close=signs + frame["close"].astype(str)).to_csv(tmp_path / "a.csv", index=False)
    assert told(load_panel(tmp_path / "a.csv"), "of several currencies: $, €): close")


def test_months_without_days_are_no_two_digit_years(tmp_path):
    months = ["200501", "200502", "200503"]
    pd.DataFrame({"date": months, "symbol": "AAA", "close": 1.5}).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DataError, match=r"row 2, column 'date': '200501' is no date .*YYYYMM"):
        load_panel(tmp_path / "a.csv")


@pytest.mark.parametrize(("how", "first"), [("%m/%d/%Y", "01/01/2020"), ("%d-%b-%Y", "01-Jan-2020"), ("%y%m%d", "")])
def test_the_cell_that_is_no_date_is_named_among_dates_of_any_spelling(tmp_path, how, first):
    frame = rounded().assign(date=lambda f: f["date"].dt.strftime(how))
    (tmp_path / "a.csv").write_text(frame.to_csv(index=False) + "Total rows,,,,,,\n")
    with pytest.raises(DataError, match="row 92, column 'date': 'Total rows' is no date"):
        load_panel(tmp_path / "a.csv")


def test_a_separator_that_is_named_but_not_there_is_passed_over(tmp_path):
    frame = rounded()
    (tmp_path / "a.csv").write_text("sep=;\n" + frame.to_csv(index=False))
    same(load_panel(tmp_path / "a.csv"), frame)


@pytest.mark.parametrize("how", ["ＡＡＡ", "AAA\u200b", "\ufeffAAA", '="AAA"', "'AAA"])
def test_marks_around_a_symbol_are_no_part_of_it(tmp_path, how):
    frame = rounded()
    late = (frame["symbol"] == "AAA") & (frame["date"] > "2020-01-20")
    frame.assign(symbol=frame["symbol"].mask(late, how)).to_csv(tmp_path / "a.csv", index=False)
    panel = load_panel(tmp_path / "a.csv")
    same(panel, frame)
    assert told(panel, f"marks of spreadsheets in names are taken off: {how!r} = AAA")


@pytest.mark.parametrize(("early", "late"), [("000001", "1"), ("600519.0", "600519.0")])
def test_numbers_as_symbols_lose_neither_zeros_nor_history(tmp_path, early, late):
    frame = rounded(symbols=(early.removesuffix(".0"),))
    symbols = np.where(frame["date"] > "2020-02-05", late, early)
    frame.assign(symbol=symbols).to_csv(tmp_path / "a.csv", index=False)
    panel = load_panel(tmp_path / "a.csv")
    same(panel, frame)
    assert told(panel, f"{late} = " if late == "1" else f"{late!r} = ")


@pytest.mark.parametrize("name", ["Copy of AAA", "AAA - Kopie", "AAA_1", "AAA 2", "~$AAA", "AAA.bak", "aaa-old"])
def test_a_copy_of_a_file_under_any_name_is_no_further_stock(tmp_path, name):
    frame = rounded()
    folder = per_stock(tmp_path / "a", frame)
    (folder / f"{name}.csv").write_bytes((folder / "AAA.csv").read_bytes())
    panel = load_panel(folder)
    same(panel, frame)
    assert told(panel, f"copies of other files are left out: {name}.csv")


@pytest.mark.parametrize("name", ["{symbol}/{year}.csv", "{symbol}_{year}.csv", "{year}/{symbol}.csv"])
def test_years_in_names_of_files_are_no_stocks(tmp_path, name):
    frame = rounded(n_days=300)
    for (symbol, year), rows in frame.groupby(["symbol", frame["date"].dt.year]):
        path = tmp_path / name.format(symbol=symbol, year=year)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows[BAR].to_csv(path, index=False)
    panel = load_panel(tmp_path)
    same(panel, frame)
    assert name.startswith("{year}") or told(panel, "where no column names the stock")


@pytest.mark.parametrize("wrong", ["1900-01-01", "2091-03-05"])
def test_a_date_far_from_all_others_is_told(tmp_path, wrong):
    frame = rounded().assign(date=lambda f: f["date"].dt.strftime("%Y-%m-%d"))
    frame.loc[30, "date"] = wrong
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert told(load_panel(tmp_path / "a.csv"), "is followed by")


def test_weekly_bars_among_daily_ones_are_told_and_fortnights_are_known():
    weekly = long_frame(symbols=("WWW",)).assign(date=pd.date_range("2019-06-07", periods=30, freq="W-FRI"))
    daily = long_frame(n_days=150).assign(date=lambda f: f["date"] - pd.Timedelta(days=208))
    assert told(load_panel(pd.concat([daily, weekly])), "1 of 4 symbols (WWW) have a close on less than 30%")
    weekly["date"] = pd.date_range("2010-01-01", periods=30, freq="2W-FRI")
    assert load_panel(weekly).periods_per_year == 26
