"""Any text and any Parquet columns give a panel or an error that is complete on its own, soon, and nothing else."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoo.data.panel import Panel
from zoo.data.sources import load_panel
from zoo.errors import ZooError

pa = pytest.importorskip("pyarrow")

NAMES = st.sampled_from(
    [
        "date",
        "Date",
        "time",
        "symbol",
        "ticker",
        "close",
        "Close",
        "adj_close",
        "open",
        "high",
        "low",
        "volume",
        "change",
        "",
        "Price",
        "Ticker",
        "field",
        "value",
        "AAPL",
        "C",
        "LOW",
        "日期",
        "收盘",
        "('Close', 'A')",
        "Close_A",
        "2020-01-02",
    ]
)
CELLS = st.one_of(
    st.sampled_from(
        [
            "2020-01-02",
            "2020-01-03",
            "20200102",
            "200102",
            "01/02/2020",
            "1577923200",
            "2020-01-02T15:00:00Z",
            "NaT",
            "AAA",
            "BBB ",
            "aaa",
            "1.5",
            "1,5",
            "1.234",
            "1,234",
            "$3",
            "5%",
            "1e400",
            "9" * 400,
            "-1",
            "inf",
            "nan",
            "",
        ]
    ),
    st.text(max_size=6),
)
LIMITS = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def answered(source: Path) -> None:
    began = time.monotonic()
    with suppress(ZooError):
        assert isinstance(load_panel(source), Panel)
    assert time.monotonic() - began < 10


@LIMITS
@given(data=st.data())
def test_any_cells_of_a_text_file_are_answered(tmp_path, data):
    header = data.draw(st.lists(NAMES, min_size=1, max_size=6))
    rows = data.draw(st.lists(st.lists(CELLS, min_size=1, max_size=7), max_size=5))
    above = data.draw(st.sampled_from(["", "sep=;\n", "# x\n\n", "Price,Close,Close\nTicker,A,B\n"]))
    separator = data.draw(st.sampled_from([",", ";", "\t", " "]))
    text = above + "\n".join(separator.join(cells) for cells in [header, *rows])
    encoding = data.draw(st.sampled_from(["utf-8", "utf-16", "gb18030", "utf-8-sig"]))
    path = tmp_path / data.draw(st.sampled_from(["prices.csv", "close.csv", "a.txt", "B.TSV"]))
    path.write_bytes(text.encode(encoding, "replace"))
    answered(path)


@LIMITS
@given(raw=st.binary(max_size=200), ending=st.sampled_from([".csv", ".parquet", ".csv.gz", ".zip", ".txt", ".csv.xz"]))
def test_any_bytes_are_answered(tmp_path, raw, ending):
    path = tmp_path / f"prices{ending}"
    path.write_bytes(raw)
    answered(path)
    path.write_bytes(b"date,symbol,close\n2020-01-02,A,1\n" + raw)
    answered(path)


TYPES = st.sampled_from(
    [
        pa.string(),
        pa.float64(),
        pa.int64(),
        pa.list_(pa.int8()),
        pa.struct([("a", pa.int8())]),
        pa.binary(),
        pa.bool_(),
        pa.timestamp("ns"),
        pa.timestamp("ms", tz="UTC"),
        pa.date32(),
        pa.duration("s"),
        pa.null(),
        pa.time64("us"),
        pa.decimal128(20, 4),
        pa.dictionary(pa.int8(), pa.string()),
        pa.map_(pa.string(), pa.int8()),
        pa.large_string(),
        pa.timestamp("s"),
        pa.uint64(),
        pa.float16(),
        pa.dictionary(pa.int8(), pa.int64()),
    ]
)
VALUES = st.sampled_from(
    [
        None,
        "2020-01-02",
        "AAA",
        "9" * 400,
        1.5,
        float("inf"),
        20200102,
        -1,
        2**62,
        [1, 2],
        {"a": 1},
        b"\xff\xfe",
        True,
        pd.Timestamp("2020-01-02 15:00"),
        pd.Timestamp("2262-01-01"),
        [("a", 1)],
        "A\x00B",
    ]
)


@LIMITS
@given(data=st.data())
def test_any_columns_of_a_parquet_file_are_answered(tmp_path, data):
    import pyarrow.parquet as pq

    names = data.draw(st.permutations(["date", "symbol", "close", "volume", "change", "open"]))
    n_rows = data.draw(st.integers(0, 3))
    usual = {
        "date": pa.array([pd.Timestamp("2020-01-02") + pd.Timedelta(days=k) for k in range(n_rows)]),
        "symbol": pa.array(["AAA"] * n_rows),
    }
    columns = []
    for name in names:
        column = usual.get(name, pa.array([1.5] * n_rows))
        if data.draw(st.booleans()):
            values, kind = data.draw(st.lists(VALUES, min_size=n_rows, max_size=n_rows)), data.draw(TYPES)
            try:
                column = pa.array(values, type=kind)
            except (pa.ArrowException, ValueError, TypeError, OverflowError, AttributeError):
                column = pa.nulls(n_rows, kind)
        columns.append(column)
    path = tmp_path / "a.parquet"
    try:
        pq.write_table(pa.table(columns, names=[data.draw(st.sampled_from([name, "date"])) for name in names]), path)
    except (pa.ArrowException, OSError):
        return
    answered(path)


@LIMITS
@given(at=st.integers(0, 10_000), value=st.integers(0, 255))
def test_one_changed_byte_of_a_parquet_file_is_answered(tmp_path, at, value):
    frame = pd.DataFrame({"date": ["2020-01-02", "2020-01-03"], "symbol": ["A", "B"], "close": [1.5, 2.5]})
    path = tmp_path / "a.parquet"
    frame.to_parquet(path)
    raw = bytearray(path.read_bytes())
    raw[at % len(raw)] = value
    path.write_bytes(raw)
    answered(path)
