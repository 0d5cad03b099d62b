"""Directories in qlib's binary format -> Panel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from source_files import write_qlib

from zoo.data.sources import load_panel
from zoo.errors import DataError

GOLDEN = Path(__file__).parents[1] / "golden"
DAYS = ["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07", "2020-01-08"]
NAN = float("nan")


@pytest.fixture
def market(tmp_path: Path) -> Path:
    """Three stocks and an index; one lists late, one leaves csi2 and returns."""
    whole = [10.0, 11, 12, 13, 14, 15]
    features = {
        "sh600000": {"close": (0, whole), "open": (0, [9, NAN, 9, 9, NAN, 9]), "factor": (0, [2.0] * 6)},
        "sz000001": {"close": (3, [7, 8, 9])},
        "sh600002": {"close": (0, [1, 2, NAN, -1, 0, 3]), "open": (0, [1, 1, NAN, 1, 1, 1])},
        "sh000300": {"close": (0, whole)},
    }
    markets = {
        "all": [
            "SH600000\t2020-01-01\t2020-01-08",
            "SZ000001\t2020-01-06\t2020-01-08",
            "SH600002\t2019-01-01\t2099-12-31",
        ],
        "csi2": [
            "SH600000\t2020-01-01\t2020-01-02",
            "SH600000\t2020-01-07\t2020-01-07",
            "sz000001\t2020-01-04\t2020-01-08",
        ],
        "gone": ["SH600000\t1999-01-01\t1999-12-31"],
    }
    return write_qlib(tmp_path / "cn", DAYS, features, markets)


def test_the_golden_directory_is_bit_equal_to_its_panel():
    golden = np.load(GOLDEN / "features.npz", allow_pickle=False)
    panel = load_panel(GOLDEN / "qlib_dir")
    assert panel.symbols.tolist() == golden["symbols"].tolist()
    np.testing.assert_array_equal(panel.days, golden["days"].astype("datetime64[D]"))
    assert panel.fields == (*golden["fields"].tolist(), "change")
    for k, field in enumerate(golden["fields"].tolist()):
        np.testing.assert_array_equal(panel.field(field), golden["panel"][:, :, k])
    listed = int(np.searchsorted(panel.days, np.datetime64("2015-04-24")))
    assert not panel.member[:listed, 1].any()
    assert panel.member[listed:, 1].all()
    assert np.delete(panel.member, 1, axis=1).all()


def test_values_start_at_their_calendar_position_and_indices_are_no_stocks(market):
    panel = load_panel(market)
    assert panel.symbols.tolist() == ["SH600000", "SH600002", "SZ000001"]
    assert panel.fields == ("open", "close", "factor")
    np.testing.assert_array_equal(panel.field("close")[:, 2], np.float32([NAN, NAN, NAN, 7, 8, 9]))
    assert np.isnan(panel.field("factor")[:, 1:]).all()
    assert panel.member.sum(axis=0).tolist() == [6, 6, 3]


@pytest.mark.parametrize("write", ["{}?market=csi2", "{}#csi2"])
def test_a_market_is_point_in_time_and_keeps_the_history_before_membership(market, write):
    panel = load_panel(write.format(market))
    assert panel.name == "cn#csi2"
    assert panel.symbols.tolist() == ["SH600000", "sz000001"]
    assert panel.member.T.tolist() == [[True, True, False, False, True, False], [False] * 3 + [True] * 3]
    assert np.isfinite(panel.field("close")[:, 0]).all()


def test_suspended_days_missing_cells_and_refused_prices_are_noted(market):
    notes = load_panel(market).notes
    assert "1 member days without any value: suspended" in notes
    assert "5 open and 8 factor values are missing" in notes
    assert "2 close values are zero or negative and are treated as missing" in notes


def test_symbols_without_features_are_left_out_and_noted(market):
    with (market / "instruments" / "all.txt").open("a") as file:
        file.write("SH999999\t2020-01-01\t2020-01-08\n")
    panel = load_panel(market)
    assert "SH999999" not in panel.symbols.tolist()
    assert any("1 of its symbols have no features" in note and "SH999999" in note for note in panel.notes)


def _append(file: str, data: bytes):
    def change(root: Path) -> None:
        path = root / file
        path.write_bytes(path.read_bytes() + data)

    return change


def _write(file: str, data: bytes):
    return lambda root: (root / file).write_bytes(data)


CLOSE = "features/sh600000/close.day.bin"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_append(CLOSE, b"\0"), r"features/sh600000/close\.day\.bin: 29 bytes is no whole number of float32"),
        (_write(CLOSE, b""), r"close\.day\.bin: 0 bytes"),
        (
            _append(CLOSE, b"\0" * 4),
            r"close\.day\.bin: 7 values from position 0 on do not fit 6 calendar days",
        ),
        (_write(CLOSE, np.float32([NAN, 1]).tobytes()), r"close\.day\.bin: 1 values from position nan"),
        (_write(CLOSE, np.float32([-2, 1]).tobytes()), r"close\.day\.bin: 1 values from position -2"),
        (_append("calendars/day.txt", b"soon\n"), r"calendars/day\.txt: line 7: 'soon' is no date"),
        (_append("calendars/day.txt", b"2020-01-08\n"), r"line 7: 2020-01-08 does not follow 2020-01-08"),
        (_write("calendars/day.txt", b""), r"calendars/day\.txt: empty file"),
        (lambda root: (root / "calendars/day.txt").unlink(), r"calendars/day\.txt: no such file"),
        (
            _append("instruments/all.txt", b"SH600009\n"),
            r"all\.txt: line 4: 1 cells; symbol, first and last day",
        ),
        (_append("instruments/all.txt", b"X\t2020-01-01\tx\n"), r"all\.txt: line 4: 'x' is no date"),
        (
            _append("instruments/all.txt", b"X\t2020-01-02\t2020-01-01\n"),
            "line 4: the span ends on 2020-01-01",
        ),
        (_write("instruments/all.txt", b"X\t2020-01-01\t2020-01-08\n"), "has none of the 1 symbols"),
    ],
)
def test_a_damaged_directory_is_an_error_naming_the_file(market, damage, message):
    damage(market)
    with pytest.raises(DataError, match=message):
        load_panel(market)


def test_an_unknown_market_or_option_names_the_nearest(market):
    with pytest.raises(DataError, match=r"no market 'csi' \(did you mean 'csi2'\?\); there are all, csi2, gone"):
        load_panel(f"{market}?market=csi")
    with pytest.raises(DataError, match=r"unknown option 'markt' \(did you mean 'market'\?\)"):
        load_panel(f"{market}?markt=csi2")
    with pytest.raises(DataError, match=r"no span touches the calendar, 2020-01-01 \.\. 2020-01-08"):
        load_panel(f"{market}#gone")


def test_a_directory_that_lacks_one_part_is_still_seen_as_qlibs(market):
    (market / "calendars" / "day.txt").unlink()
    (market / "calendars").rmdir()
    with pytest.raises(DataError, match="needs calendars/ too"):
        load_panel(market)


def test_a_market_of_a_file_is_an_error(tmp_path):
    (tmp_path / "a.csv").write_text("date,symbol,close\n2020-01-01,A,1\n")
    with pytest.raises(DataError, match=r"a market \('csi300'\) can only be chosen"):
        load_panel(f"{tmp_path / 'a.csv'}?market=csi300")
