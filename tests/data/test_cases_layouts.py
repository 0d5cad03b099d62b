"""Layouts that users' files have: long, wide, header lines of their own, pairs, one file per stock or per field."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from source_files import PRICES, long_frame

from zoo.data.panel import Panel
from zoo.data.sources import load_panel
from zoo.errors import DataError

FIELDS = [*PRICES, "volume"]
TICKERS = ("AAPL", "C", "F", "H", "JPM", "L", "LOW", "MSFT", "O", "T", "V", "XOM")


def wide(frame: pd.DataFrame, field: str) -> pd.DataFrame:
    return frame.pivot(index="date", columns="symbol", values=field)


def same(panel: Panel, frame: pd.DataFrame) -> None:
    """The panel holds the values of the long frame, field by field."""
    wanted = load_panel(frame)
    np.testing.assert_array_equal(panel.days, wanted.days)
    assert panel.symbols.tolist() == wanted.symbols.tolist()
    for field in wanted.fields:
        np.testing.assert_array_equal(panel.field(field), wanted.field(field), err_msg=field)


def told(panel: Panel, text: str) -> bool:
    return any(text in note for note in panel.notes)


def levels(frame: pd.DataFrame, fields_first: bool = True) -> pd.DataFrame:
    """A column per field and stock, under two levels as downloaders write them."""
    table = frame.pivot(index="date", columns="symbol", values=FIELDS)
    table.columns = table.columns.set_names(["Price", "Ticker"]).set_levels([f.title() for f in FIELDS], level=0)
    table.index.name = "Date"
    return table if fields_first else table.swaplevel(axis=1)


@pytest.mark.parametrize("fields_first", [True, False])
@pytest.mark.parametrize("third_line", [True, False])
def test_header_lines_of_fields_and_tickers_are_read_in_either_order(tmp_path, fields_first, third_line):
    frame = long_frame(symbols=TICKERS)
    levels(frame, fields_first).to_csv(tmp_path / "prices.csv")
    text = (tmp_path / "prices.csv").read_text()
    if not third_line:
        text = "\n".join(line for line in text.splitlines() if not line.startswith("Date,,")) + "\n"
    (tmp_path / "prices.csv").write_text(text)
    same(load_panel(tmp_path / "prices.csv"), frame)


def test_one_file_per_stock_with_three_header_lines_is_read(tmp_path):
    frame = long_frame()
    for symbol, rows in frame.groupby("symbol"):
        levels(rows).to_csv(tmp_path / f"{symbol}.csv")
    same(load_panel(tmp_path), frame)


def test_fields_that_nobody_needs_under_two_levels_are_left_alone(tmp_path):
    table = levels(long_frame())
    for ticker in ("AAA", "BBB", "CCC"):
        table[("Dividends", ticker)] = 0.0
    table.to_csv(tmp_path / "prices.csv")
    same(load_panel(tmp_path / "prices.csv"), long_frame())


@pytest.mark.parametrize("fields_first", [True, False])
def test_two_levels_of_columns_survive_parquet_and_frames(tmp_path, fields_first):
    frame = long_frame()
    table = levels(frame, fields_first)
    same(load_panel(table), frame)
    table.to_parquet(tmp_path / "prices.parquet")
    same(load_panel(tmp_path / "prices.parquet"), frame)


@pytest.mark.parametrize("name", ["{field}_{ticker}", "{ticker} {field}", "{ticker}.{field}"])
def test_fields_and_tickers_in_one_name_are_read(tmp_path, name):
    frame = long_frame(symbols=("AAPL", "BRK-B"))
    table = levels(frame)
    table.columns = [name.format(field=field, ticker=ticker) for field, ticker in table.columns]
    table.to_csv(tmp_path / "prices.csv")
    same(load_panel(tmp_path / "prices.csv"), frame)


def test_names_such_as_close_ma5_beside_a_close_are_no_tickers(tmp_path):
    frame = long_frame(symbols=("AAA",)).assign(close_ma5=1.0, close_ma10=2.0).drop(columns="symbol")
    frame.to_csv(tmp_path / "AAA.csv", index=False)
    assert load_panel(tmp_path).symbols.tolist() == ["AAA"]


@pytest.mark.parametrize("symbols", [TICKERS, ("sh600000", "sz000001", "BRK.B"), ("600000", "000001", "300750")])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_column_per_stock_is_read_as_closes_and_told(tmp_path, symbols, ending):
    table = wide(long_frame(symbols=symbols), "close")
    path = tmp_path / f"prices.{ending}"
    table.to_csv(path) if ending == "csv" else table.to_parquet(path)
    for panel in (load_panel(path), load_panel(table)):
        same(panel, long_frame(symbols=symbols)[["date", "symbol", "close"]])
        assert told(panel, "one column per stock, read as: close")
        assert told(panel, "no volume:")


def test_a_wide_file_may_have_gaps_row_numbers_and_an_unnamed_index(tmp_path):
    table = wide(long_frame(symbols=TICKERS), "close")
    table.iloc[:5, 0] = np.nan
    table.reset_index().to_csv(tmp_path / "numbered.csv")
    table.rename_axis(None).to_csv(tmp_path / "unnamed.csv")
    for name in ("numbered.csv", "unnamed.csv"):
        panel = load_panel(tmp_path / name)
        assert panel.symbols.tolist() == list(TICKERS)
        assert not panel.member[:5, 0].any()
        assert not told(panel, "missing")


def test_one_file_per_field_is_one_panel_and_no_ticker_is_a_field(tmp_path):
    frame = long_frame(symbols=TICKERS)
    for field in FIELDS:
        wide(frame, field).to_csv(tmp_path / f"{field}.csv")
    panel = load_panel(tmp_path)
    same(panel, frame)
    assert told(panel, "one column per stock, read as: close, high, low, open, volume")


def test_an_adjusted_close_in_a_file_of_its_own_adjusts_the_others(tmp_path):
    frame = long_frame().assign(adj_close=lambda f: f["close"] / 2)
    for field, name in (("adj_close", "adj_close"), ("close", "Close"), ("open", "sp500_open")):
        wide(frame, field).to_csv(tmp_path / f"{name}.csv")
    same(load_panel(tmp_path), frame[["date", "symbol", "close", "adj_close", "open"]])


def test_a_bar_of_one_letter_columns_is_no_list_of_tickers(tmp_path):
    frame = long_frame(symbols=("AAA",))
    short = frame.rename(columns={"date": "time", "open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"})
    short.drop(columns="symbol").assign(n=5, vw=short["c"]).to_csv(tmp_path / "AAA.csv", index=False)
    same(load_panel(tmp_path), frame)


def test_tickers_named_as_the_fields_of_a_bar_are_tickers(tmp_path):
    symbols = ("C", "H", "L", "O", "V", "AAPL", "MSFT", "T")
    table = wide(long_frame(symbols=symbols), "close")
    table.to_csv(tmp_path / "prices.csv")
    assert load_panel(tmp_path / "prices.csv").symbols.tolist() == sorted(symbols)


def test_tickers_named_as_dates_or_symbols_are_tickers(tmp_path):
    symbols = ("CODE", "DAY", "DT", "SYM", "AAPL", "MSFT", "NVDA", "XOM")
    wide(long_frame(symbols=symbols), "close").to_csv(tmp_path / "prices.csv")
    assert load_panel(tmp_path / "prices.csv").symbols.tolist() == sorted(symbols)


@pytest.mark.parametrize("name", ["returns.csv", "close.csv"])
def test_a_column_of_returns_per_stock_is_refused(tmp_path, name):
    wide(long_frame(symbols=TICKERS), "close").pct_change().iloc[1:].to_csv(tmp_path / name)
    with pytest.raises(DataError, match=rf"{name}.*negative.*give closes, not returns"):
        load_panel(tmp_path / name)


def test_columns_that_are_no_stocks_are_not_taken_for_stocks(tmp_path):
    table = long_frame(symbols=("AAA",)).assign(Amount=1.0, Turnover=2.0, Settle=3.0)
    table[["date", "Amount", "Turnover", "Settle"]].to_csv(tmp_path / "AAA.csv", index=False)
    with pytest.raises(DataError, match=r"no .* column"):
        load_panel(tmp_path)


def test_a_row_per_stock_and_a_column_per_day_is_read(tmp_path):
    frame = long_frame()
    table = wide(frame, "close").T
    table.columns = table.columns.strftime("%Y-%m-%d")
    table.to_csv(tmp_path / "prices.csv")
    same(load_panel(tmp_path / "prices.csv"), frame[["date", "symbol", "close"]])


@pytest.mark.parametrize("names", [("field", "value"), ("variable", "value"), ("Price", "0")])
def test_pairs_of_field_and_value_are_read(tmp_path, names):
    frame = long_frame()
    pairs = frame.melt(["date", "symbol"], var_name=names[0], value_name=names[1])
    pairs.sample(frac=1, random_state=0).to_csv(tmp_path / "pairs.csv", index=False)
    same(load_panel(tmp_path / "pairs.csv"), frame)
    pd.concat([pairs, pairs.iloc[[4]]]).to_csv(tmp_path / "twice.csv", index=False)
    with pytest.raises(DataError, match=r"twice.csv: row 452 repeats close of BBB"):
        load_panel(tmp_path / "twice.csv")


def test_a_day_or_stock_that_is_twice_in_a_wide_file_is_refused(tmp_path):
    table = wide(long_frame(), "close")
    pd.concat([table, table.iloc[[2]]]).to_csv(tmp_path / "day.csv")
    with pytest.raises(DataError, match=r"day.csv: row 32 repeats 2020-01-03"):
        load_panel(tmp_path / "day.csv")
    (tmp_path / "stock.csv").write_text("date,AAA,BBB,AAA\n2020-01-02,1,2,3\n")
    with pytest.raises(DataError, match=r"stock.csv: no"):
        load_panel(tmp_path / "stock.csv")


def test_a_bad_cell_of_a_wide_file_is_named_with_row_and_column(tmp_path):
    (tmp_path / "close.csv").write_text("date,AAA,BBB\n2020-01-02,1,2\n2020-01-03,1,oops\n")
    with pytest.raises(DataError, match=r"close.csv: (row 3, column 'BBB': 'oops' is no number|no)"):
        load_panel(tmp_path / "close.csv")


def write_each(frame: pd.DataFrame, folder: Path, name: str = "{symbol}.csv", **options: object) -> None:
    for symbol, rows in frame.groupby("symbol"):
        path = folder / name.format(symbol=symbol)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = rows.drop(columns="symbol")
        rows.to_parquet(path) if "parquet" in name else rows.to_csv(path, index=False, **options)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "name",
    [
        "symbol={symbol}/part-0.parquet",
        "market=US/ticker={symbol}/0.csv",
        "{symbol}/daily.csv",
        "{symbol}.CSV",
        "{symbol}.txt",
        "{symbol}.TSV",
        "{symbol}.csv.zip",
        "{symbol}.csv.gz",
        "{symbol}.csv.xz",
        "{symbol} (1).csv",
    ],
)
def test_symbols_come_from_folders_and_names_of_any_ending(tmp_path, name):
    frame = long_frame()
    write_each(frame, tmp_path, name, **({"sep": "\t"} if name.endswith("TSV") else {}))
    same(load_panel(tmp_path), frame)


def test_files_in_folders_count_as_those_beside_them_and_so_do_links(tmp_path):
    frame, elsewhere = long_frame(symbols=("AAA", "BBB", "CCC", "DDD")), tmp_path / "elsewhere"
    write_each(frame[frame["symbol"] != "DDD"], tmp_path / "data", "{symbol}.csv")
    (tmp_path / "data" / "more" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "CCC.csv").rename(tmp_path / "data" / "more" / "deep" / "CCC.csv")
    write_each(frame[frame["symbol"] == "DDD"], elsewhere)
    (tmp_path / "data" / "DDD.csv").symlink_to(elsewhere / "DDD.csv")
    (tmp_path / "data" / "more" / "again").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "more" / "prices.xlsx").write_bytes(b"PK")
    panel = load_panel(tmp_path / "data")
    same(panel, frame)
    assert told(panel, "1 file of other kinds beside the tables, not read: more/prices.xlsx")


def test_years_in_folders_are_joined_and_a_stock_in_two_folders_is_refused(tmp_path):
    frame = long_frame()
    early = frame["date"] < "2020-01-20"
    write_each(frame[early], tmp_path, "2019/{symbol}.csv")
    write_each(frame[~early], tmp_path, "2020/{symbol}.csv")
    same(load_panel(tmp_path), frame)
    write_each(frame[early & (frame["symbol"] == "AAA")], tmp_path, "other/{symbol}.csv")
    with pytest.raises(DataError, match=r"other/AAA.csv: row 2 repeats AAA on 2020-01-01, already in 2019/AAA.csv"):
        load_panel(tmp_path)


def test_a_second_download_is_left_out_if_equal_and_refused_if_not(tmp_path):
    frame = long_frame()
    write_each(frame, tmp_path)
    (tmp_path / "AAA (1).csv").write_bytes((tmp_path / "AAA.csv").read_bytes())
    panel = load_panel(tmp_path)
    same(panel, frame)
    assert told(panel, "copies of other files are left out: AAA (1).csv")
    (tmp_path / "AAA (1).csv").write_text((tmp_path / "AAA.csv").read_text().rpartition("2020-")[0])
    with pytest.raises(DataError, match=r"AAA \(1\).csv: is named as a copy of AAA.csv but differs"):
        load_panel(tmp_path)


def zipped(path: Path, files: dict[str, str]) -> Path:
    import zipfile

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def each_in_text(frame: pd.DataFrame, name: str) -> dict[str, str]:
    parts = frame.groupby("symbol")
    return {name.format(symbol=s): rows.drop(columns="symbol").to_csv(index=False) for s, rows in parts}


@pytest.mark.parametrize("name", ["{symbol}.csv", "data/{symbol}.TXT", "{symbol}/daily.csv"])
def test_a_zip_of_several_tables_is_read_as_a_folder_of_them_is(tmp_path, name):
    frame = long_frame()
    files = each_in_text(frame, name)
    panel = load_panel(zipped(tmp_path / "a.zip", files | {"readme.md": "# prices", "__MACOSX/._a": ""}))
    same(panel, frame)
    assert told(panel, f"the {len(files)} tables in this zip are read as those of a directory")
    assert told(panel, "not read in it: readme.md")
    for file, text in files.items():
        (tmp_path / "folder" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / file).write_text(text)
    assert panel.fingerprint == load_panel(tmp_path / "folder").fingerprint


def test_a_broken_table_in_a_zip_is_named_and_can_be_left_out(tmp_path):
    frame = long_frame()
    files = each_in_text(frame, "{symbol}.csv")
    path = zipped(tmp_path / "a.zip", files | {"BAD.csv": "", "WORSE.csv": "date,close\nsoon,1\n"})
    with pytest.raises(DataError, match=r"BAD.csv: empty file.*skip_bad_files"):
        load_panel(path)
    panel = load_panel(path, skip_bad_files=True)
    same(panel, frame)
    assert told(panel, f"2 of {len(files) + 2} files that cannot be read are left out: BAD.csv, WORSE.csv")


@pytest.mark.parametrize(
    "names", [["AAA.csv", "AAA (1).csv"], ["AAA.csv", "BBB.parquet"], ["a.csv.gz", "b.csv"]], ids=" ".join
)
def test_a_zip_of_several_files_is_refused(tmp_path, names):
    with pytest.raises(DataError, match=r"a.zip: holds 2 files; unpack it"):
        load_panel(zipped(tmp_path / "a.zip", dict.fromkeys(names, "date,close\n2020-01-02,1\n")))


def test_a_file_without_a_header_is_refused_as_such(tmp_path):
    long_frame().to_csv(tmp_path / "a.csv", index=False, header=False)
    with pytest.raises(DataError, match=r"a.csv: its header line holds values .2020-01-01, AAA, .*put one above them"):
        load_panel(tmp_path / "a.csv")
