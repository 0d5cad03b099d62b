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
