"""CSV and Parquet files and directories -> Panel, and what a user reads when something is wrong with them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from source_files import long_frame

from zoo.data.sources import load_panel
from zoo.data.sources.planted import planted_market
from zoo.data.writers import write_panel
from zoo.errors import DataError

HEADER = "date,symbol,open,high,low,close,volume\n"
GOOD = "2020-01-02,AAA,1,2,0.5,1.5,100\n"


def csv(tmp_path: Path, text: str | bytes, name: str = "prices.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("name", ["prices.csv", "prices.csv.gz", "PRICES.CSV", "prices.parquet"])
def test_every_format_gives_the_panel_of_the_frame(tmp_path, name):
    frame = long_frame().assign(sector="Energy")
    path = tmp_path / name
    frame.to_parquet(path) if name.endswith("parquet") else frame.to_csv(path, index=False)
    panel = load_panel(path)
    assert panel.name == name
    assert panel.fingerprint == load_panel(frame).fingerprint == load_panel(str(path)).fingerprint


@pytest.mark.parametrize("separator", [";", "\t"])
def test_semicolons_and_tabs_separate_too(tmp_path, separator):
    long_frame().to_csv(tmp_path / "a.csv", index=False, sep=separator)
    assert load_panel(tmp_path / "a.csv").fingerprint == load_panel(long_frame()).fingerprint


def test_symbols_that_look_like_numbers_or_nothing_stay_text(tmp_path):
    symbols = ["000001", "NA", "NULL", "TRUE", "1e5", "nan"]
    long_frame(symbols=symbols).to_csv(tmp_path / "a.csv", index=False)
    assert load_panel(tmp_path / "a.csv").symbols.tolist() == sorted(symbols)


def test_byte_order_mark_crlf_blank_lines_spaces_and_na_marks_are_read(tmp_path):
    text = "\ufeffdate, symbol, close, open\r\n2020-01-02, AAA, 1.5, NA\r\n\r\n2020-01-03, AAA, 1.6,\r\n\r\n"
    panel = load_panel(csv(tmp_path, text))
    np.testing.assert_array_equal(panel.field("close")[:, 0], np.float32([1.5, 1.6]))
    assert np.isnan(panel.field("open")).all()
    assert panel.symbols.tolist() == ["AAA"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "prices.csv: empty file"),
        ("\n \n", "row 1 is blank"),
        (HEADER, "no rows below the header"),
        (
            HEADER + GOOD + "2020-01-03,AAA,1,2,0.5,n.v.t.,100\n",
            "row 3, column 'close': 'n.v.t.' is no number",
        ),
        (HEADER + GOOD + "\n\n2020-01-03,AAA,1,2,x,1,1\n", "row 5, column 'low': 'x' is no number"),
        (HEADER + GOOD + GOOD, "row 3 repeats AAA on 2020-01-02, already in row 2"),
        (HEADER + GOOD + "soon,AAA,1,2,0.5,1,100\n", "row 3, column 'date': 'soon' is no date"),
        (HEADER + GOOD + ",AAA,1,2,0.5,1,100\n", "row 3, column 'date' is empty"),
        (HEADER + GOOD + "2020-01-03,,1,2,0.5,1,100\n", "row 3, column 'symbol' is empty"),
        (HEADER + GOOD + "2020-01-03,A\0B,1,2,0.5,1,100\n", "row 3 holds a NUL character"),
        (HEADER + GOOD + "2020-01-03,AAA,1,2,0.5,1,234,100\n", "Expected 7 fields in line 3, saw 8"),
        (HEADER + "2020-01-03,AAA,1,2,0.5,1,234,100\n", "row 2 has more cells than the header"),
        (HEADER + '2020-01-03,"AAA,1,2,0.5,1,234\n', "no regular CSV"),
        (
            "date,symbol,price\n2020-01-02,AAA,1\n",
            "no close column.*its columns are 'date', 'symbol', 'price'",
        ),
        ("symbol,close\nAAA,1\n", "no date column"),
        ("date,close\n2020-01-02,1\n", "no symbol column.*give the directory"),
        ("date,symbol,close,Close\n2020-01-02,AAA,1,2\n", "'close' and 'Close' could both be the close"),
        ("date,symbol,close,close\n2020-01-02,AAA,1,2\n", "'close' and 'close' could both be the close"),
        (b"date,symbol,close\n2020-01-02,\xe9\xff,1\n", "not UTF-8 text"),
    ],
)
def test_a_bad_csv_is_an_error_naming_file_and_row(tmp_path, text, message):
    with pytest.raises(DataError, match=message) as caught:
        load_panel(csv(tmp_path, text))
    assert str(caught.value).startswith("prices.csv")


def test_a_missing_file_is_an_error_with_the_nearest_name(tmp_path):
    csv(tmp_path, HEADER + GOOD)
    with pytest.raises(DataError, match=r"price\.csv: no such file or directory \(did you mean 'prices\.csv'\?\)"):
        load_panel(tmp_path / "price.csv")
    with pytest.raises(DataError, match=r"the directory .*elsewhere does not exist either"):
        load_panel(tmp_path / "elsewhere" / "price.csv")
    for impossible in ("x" * 5000, "a\0b.csv"):
        with pytest.raises(DataError, match="no such file"):
            load_panel(impossible)


def test_files_that_are_not_what_their_ending_says_are_errors(tmp_path):
    for name in ("a.parquet", "a.csv.gz"):
        with pytest.raises(DataError, match=f"^{name}: "):
            load_panel(csv(tmp_path, "no such thing", name))
    with pytest.raises(DataError, match=r"a\.xlsx: its ending says no format.*\.csv, \.csv\.gz or \.parquet"):
        load_panel(csv(tmp_path, "x", "a.xlsx"))


def test_a_cut_off_gzip_is_an_error(tmp_path):
    long_frame().to_csv(tmp_path / "a.csv.gz", index=False)
    whole = (tmp_path / "a.csv.gz").read_bytes()
    (tmp_path / "a.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"a\.csv\.gz: cannot be read"):
        load_panel(tmp_path / "a.csv.gz")


def test_parquet_without_pyarrow_names_the_pip_line(tmp_path, monkeypatch):
    long_frame().to_parquet(tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match="pip install pyarrow"):
        load_panel(tmp_path / "a.parquet")


def test_parquet_reads_dictionaries_dates_and_stored_indices_over_row_groups(tmp_path):
    frame = long_frame()
    wanted = load_panel(frame).fingerprint
    frame.assign(symbol=frame["symbol"].astype("category")).to_parquet(tmp_path / "a.parquet", row_group_size=7)
    frame.assign(date=frame["date"].dt.date).to_parquet(tmp_path / "b.parquet", row_group_size=7)
    frame.set_index(["date", "symbol"]).to_parquet(tmp_path / "c.parquet")
    assert [load_panel(tmp_path / f"{name}.parquet").fingerprint for name in "abc"] == [wanted] * 3


def test_a_parquet_file_read_column_by_column_is_the_same_panel(tmp_path, monkeypatch):
    frame = long_frame().assign(sector="Energy", adj_close=lambda f: f["close"] / 2)
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=7)
    monkeypatch.setattr("zoo.data.sources.tables.parquet.EAGER_ROWS", 0)
    monkeypatch.setattr("zoo.data.sources.parts.BLOCK", 4)
    assert load_panel(tmp_path / "a.parquet").fingerprint == load_panel(frame).fingerprint


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_a_directory_of_one_file_per_symbol_takes_symbols_from_file_names(tmp_path, ending):
    frame = long_frame()
    for symbol, rows in frame.groupby("symbol"):
        rows, path = rows.drop(columns="symbol"), tmp_path / f"{symbol}.{ending}"
        rows.to_parquet(path) if ending == "parquet" else rows.to_csv(path, index=False)
    (tmp_path / ".hidden.csv").write_text("x")
    (tmp_path / "README.txt").write_text("x")
    panel = load_panel(tmp_path)
    assert panel.fingerprint == load_panel(frame).fingerprint
    assert panel.name == tmp_path.name


def test_files_of_a_directory_may_hold_years_with_a_symbol_column_and_different_fields(tmp_path):
    frame = long_frame()
    early = frame["date"] < "2020-01-20"
    frame[early].drop(columns="volume").to_csv(tmp_path / "2019.csv", index=False)
    frame[~early].to_csv(tmp_path / "2020.csv", index=False)
    panel = load_panel(tmp_path)
    np.testing.assert_array_equal(panel.field("close"), load_panel(frame).field("close"))
    assert np.isnan(panel.field("volume")[:13]).all()
    assert np.isfinite(panel.field("volume")[13:]).all()


def test_a_bad_file_of_a_directory_is_named_and_one_without_rows_is_noted(tmp_path):
    csv(tmp_path, "date,close\n2020-01-02,1\n", "AAA.csv")
    csv(tmp_path, "date,close\n", "BBB.csv")
    panel = load_panel(tmp_path)
    assert panel.symbols.tolist() == ["AAA"]
    assert "1 file without rows is left out: BBB.csv" in panel.notes
    csv(tmp_path, "date,close\n2020-01-02,one\n", "CCC.csv")
    with pytest.raises(DataError, match=r"CCC\.csv: row 2, column 'close': 'one'"):
        load_panel(tmp_path)
    csv(tmp_path, "date,close,symbol\n2020-01-02,1,AAA\n", "CCC.csv")
    with pytest.raises(DataError, match=r"CCC\.csv: row 2 repeats AAA on 2020-01-02, already in AAA\.csv row 2"):
        load_panel(tmp_path)
    csv(tmp_path, "", "CCC.csv")
    with pytest.raises(DataError, match=r"CCC\.csv: empty file"):
        load_panel(tmp_path)


def test_what_convert_puts_beside_a_file_is_no_file_of_the_directory(tmp_path):
    source = planted_market("relation", stocks=12, days=40).panel
    write_panel(source, tmp_path / "prices.parquet")
    assert (tmp_path / "prices.parquet.concepts.csv").is_file()
    panel = load_panel(tmp_path)
    assert panel.symbols.tolist() == source.symbols.tolist()
    (tmp_path / "notes.csv").write_text("date,symbol,text\n2020-01-01,A,x\n")
    with pytest.raises(DataError, match=r"notes.csv: no close column.*move away what is no daily data"):
        load_panel(tmp_path)


def test_a_directory_with_nothing_readable_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"nothing readable in this directory .it is empty"):
        load_panel(tmp_path)
    csv(tmp_path, "x", "notes.txt")
    with pytest.raises(DataError, match=r"nothing readable in this directory .it holds notes.txt"):
        load_panel(tmp_path)


def test_other_sources_are_told_apart():
    assert load_panel("planted:local?days=120&stocks=12").n_stocks == 12
    with pytest.raises(DataError, match="installed:nothing"):
        load_panel("installed:nothing-of-that-name")
    with pytest.raises(DataError, match="vwap is 'mean'"):
        load_panel(pd.DataFrame(), vwap="mean")  # type: ignore[arg-type]
