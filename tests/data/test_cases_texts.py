"""Encodings, separators and spellings of numbers and dates that users' text files have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from source_files import PRICES, long_frame
from test_cases_layouts import same, told

from zoo.data.sources import load_panel
from zoo.errors import DataError

CHINESE = dict(
    zip(
        ["date", "symbol", "open", "high", "low", "close", "volume"],
        ["日期", "股票代码", "开盘", "最高", "最低", "收盘", "成交量"],
        strict=True,
    )
)


def rounded(digits: int = 3, **options: object) -> pd.DataFrame:
    return long_frame(**options).round(dict.fromkeys(PRICES, digits))  # type: ignore[arg-type]


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16", "utf-16-le", "utf-16-be"])
def test_chinese_headers_and_names_are_read_in_every_encoding(tmp_path, encoding):
    frame = rounded(symbols=("000001", "600519")).assign(name="贵州茅台")
    text = frame.rename(columns=CHINESE).assign(振幅=1.0).to_csv(index=False)
    panel = load_panel(written(tmp_path / "a.csv", text, encoding))
    same(panel, frame)
    assert panel.symbols.tolist() == ["000001", "600519"]


def test_gbk_text_under_ascii_headers_is_read_and_latin_text_nobody_needs_is_passed_over(tmp_path):
    frame = rounded()
    text = frame.assign(company="中国石油").to_csv(index=False)
    same(load_panel(written(tmp_path / "gbk.csv", text, "gbk")), frame)
    text = frame.assign(company="Société Générale").to_csv(index=False)
    same(load_panel(written(tmp_path / "latin.csv", text, "latin-1")), frame)
    text = frame.assign(sector="Énergie").to_csv(index=False)
    with pytest.raises(DataError, match=r"latin.csv: not UTF-8 text.*column 'sector'"):
        load_panel(written(tmp_path / "latin.csv", text, "latin-1"))


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "above", ["sep=;\n", '"sep=;"\n', "Downloaded 2024-01-02\n\n", "# a, b\n# date of export: today\n"]
)
def test_lines_above_the_header_and_separators_at_line_ends_are_passed_over(tmp_path, above, ending):
    frame = rounded()
    body = frame.to_csv(index=False, sep=";").replace("\n", ";;\n")
    path = written(tmp_path / "a.csv", (above + body).replace("\n", ending))
    same(load_panel(path), frame)
    path.write_text(above + body.replace("2020-01-02", "soon", 1))
    with pytest.raises(DataError, match=f"row {above.count(chr(10)) + 5}, column 'date': 'soon' is no date"):
        load_panel(path)


def test_separators_at_the_ends_of_rows_alone_are_passed_over_and_further_cells_are_refused(tmp_path):
    frame = rounded()
    header, _, rows = frame.to_csv(index=False).partition("\n")
    path = written(
        tmp_path / "a.csv", f"{header}\n{rows}".replace("\n2", "\n2").replace("\n", ",\n").replace(",\n", "\n", 1)
    )
    same(load_panel(path), frame)
    path.write_text(path.read_text() + "2020-03-02,AAA,1,2,1,2,1,234\n")
    with pytest.raises(DataError, match="row 92 has more cells than the header"):
        load_panel(path)


@pytest.mark.parametrize("separator", ["|", "\t", "   "])
def test_bars_tabs_and_blanks_separate_too(tmp_path, separator):
    frame = rounded()
    same(load_panel(written(tmp_path / "a.txt", frame.to_csv(index=False).replace(",", separator))), frame)


def spelled(frame: pd.DataFrame, price: str, volume: str) -> pd.DataFrame:
    """Prices and volumes as texts: `{:,.2f}` with `_` for the points and commas of a country."""

    def text(value: float, how: str) -> str:
        return how.format(value).replace(",", "\0").replace(".", "\1")

    out = frame.copy()
    for name in ("open", "high", "low", "close"):
        out[name] = [text(value, price) for value in frame[name]]
    out["volume"] = [text(value, volume) for value in frame["volume"]]
    return out


@pytest.mark.parametrize(
    ("separator", "thousands", "point", "price", "volume"),
    [
        (",", ",", ".", "{:,.2f}", "{:,.0f}"),
        (";", ".", ",", "{:,.2f}", "{:,.0f}"),
        (";", ".", ",", "{:.3f}", "{:.0f}"),
        (";", "'", ".", "{:,.2f}", "{:,.0f}"),
        (";", "\u00a0", ",", "{:,.4f}", "{:,.0f}"),
        (",", ",", ".", "${:,.2f}", "{:,.0f}"),
        (";", ".", ",", "{:,.2f} €", "{:,.0f}"),
        ("\t", ",", ".", "{:,.2f}", "{:.0f}"),
    ],
)
def test_numbers_of_every_country_are_read_right(tmp_path, separator, thousands, point, price, volume):
    frame = rounded(2).assign(volume=lambda f: f["volume"] * 10)
    frame[["open", "high", "low", "close"]] *= 40
    frame = frame.round(dict.fromkeys(PRICES, 2))
    texts = spelled(frame, price, volume).to_csv(index=False, sep=separator)
    texts = texts.replace("\0", thousands).replace("\1", point)
    if separator == thousands:
        texts = spelled(frame, price, volume).replace({"\0": thousands, "\1": point}, regex=True).to_csv(index=False)
    same(load_panel(written(tmp_path / "a.csv", texts)), frame)


def test_german_volumes_beside_decimal_points_are_thousands_after_semicolons(tmp_path):
    frame = rounded(2).assign(volume=lambda f: f["volume"] % 900_000 + 100_000)
    text = spelled(frame, "{:.2f}", "{:,.0f}").replace({"\0": ".", "\1": "."}, regex=True)
    panel = load_panel(written(tmp_path / "a.csv", text.to_csv(index=False, sep=";")))
    same(panel, frame)
    assert told(panel, "thousands are separated by '.': volume")
    with pytest.raises(DataError, match=r"column 'volume': '.*' may have a decimal or a thousands point"):
        load_panel(written(tmp_path / "a.csv", text.to_csv(index=False)))


def test_volumes_with_decimals_stay_as_they_are(tmp_path):
    frame = rounded().assign(volume=lambda f: (f["volume"] / 1e6).round(3))
    same(load_panel(written(tmp_path / "a.csv", frame.to_csv(index=False))), frame)


def test_a_comma_that_may_be_either_is_refused(tmp_path):
    text = "date;symbol;close\n2020-01-02;AAA;1,234\n2020-01-03;AAA;1,236\n"
    with pytest.raises(DataError, match="row 2, column 'close': '1,234' may have a decimal or a thousands comma"):
        load_panel(written(tmp_path / "a.csv", text))


def test_units_per_cent_brackets_and_marks_of_nothing_are_read(tmp_path):
    text = 'date,symbol,close,volume\n2020-01-02,AAA,10.5,1.2M\n2020-01-03,AAA,USD 11.5,"3,400"\n2020-01-06,AAA,--,5K\n'
    panel = load_panel(written(tmp_path / "a.csv", text))
    np.testing.assert_array_equal(panel.field("volume")[:, 0], np.float32([1.2e6, 3400, 5000]))
    np.testing.assert_array_equal(panel.field("close")[:, 0], np.float32([10.5, 11.5, np.nan]))
    assert told(panel, "K, M, B are multiplied out: volume")


@pytest.mark.parametrize("cell", ["0.52%", "n.v.t.", "up"])
def test_a_change_nobody_needs_never_stops_a_file(tmp_path, cell):
    frame = rounded()
    text = frame.assign(**{"Change %": cell, "change": "?", "vwap": "?"}).to_csv(index=False)
    panel = load_panel(written(tmp_path / "a.csv", text))
    same(panel, frame)
    assert told(panel, "a column that nobody needs is left out")
    one = load_panel(written(tmp_path / "a.csv", frame.assign(**{"Change %": cell}).to_csv(index=False)))
    assert "change" not in one.fields


def test_downloads_of_other_places_are_read(tmp_path):
    frame = rounded()
    finrl = frame.rename(columns={"symbol": "tic"}).assign(adjcp=lambda f: f["close"] * 0.9, day=3)
    finrl.to_csv(tmp_path / "finrl.csv")
    same(load_panel(tmp_path / "finrl.csv"), frame.assign(adj_close=frame["close"] * 0.9))
    investing = frame[frame["symbol"] == "AAA"].rename(columns={"close": "Price", "volume": "Vol."})
    investing["date"] = investing["date"].dt.strftime("%b %d, %Y")
    investing["Vol."] = (investing["Vol."] / 1e3).map("{:.3f}K".format)
    investing.assign(**{"Change %": "0.52%"}).to_csv(tmp_path / "investing.csv", index=False, quoting=1)
    panel = load_panel(tmp_path / "investing.csv")
    for field in ("open", "high", "low", "close", "volume"):
        wanted = frame.loc[frame["symbol"] == "AAA", field].to_numpy(np.float32)
        np.testing.assert_array_equal(panel.field(field)[:, 0], wanted)
    polygon = frame[frame["symbol"] == "AAA"].rename(columns=lambda name: name[0])
    polygon["t"] = [int(day.timestamp()) * 1000 for day in polygon.pop("d")]
    (tmp_path / "polygon").mkdir()
    polygon.drop(columns="s").to_json(tmp_path / "polygon" / "AAA.json")
    polygon.drop(columns="s").to_csv(tmp_path / "polygon" / "AAA.csv", index=False)
    same(load_panel(tmp_path / "polygon"), frame[frame["symbol"] == "AAA"])
    numbered = frame.rename(columns={"date": "time"})
    numbered.to_csv(tmp_path / "numbered.csv")
    same(load_panel(tmp_path / "numbered.csv"), frame)
    for symbol, rows in frame.groupby("symbol"):
        stooq = rows.assign(date=rows["date"].dt.strftime("%Y%m%d"), PER="D", TIME="000000", OPENINT=0)
        stooq = stooq.rename(columns={"symbol": "TICKER", "volume": "VOL"})
        stooq.columns = [f"<{name.upper()}>" for name in stooq.columns]
        (tmp_path / "stooq").mkdir(exist_ok=True)
        stooq.to_csv(tmp_path / "stooq" / f"{str(symbol).lower()}.us.txt", index=False)
    same(load_panel(tmp_path / "stooq"), frame)
    for symbol, rows in frame.round(dict.fromkeys(PRICES, 2)).groupby("symbol"):
        nasdaq = rows.drop(columns="symbol").rename(columns={"close": "Close/Last"})
        nasdaq["date"] = nasdaq["date"].dt.strftime("%m/%d/%Y")
        for name in ("Close/Last", "open", "high", "low"):
            nasdaq[name] = "$" + nasdaq[name].astype(str)
        (tmp_path / "nasdaq").mkdir(exist_ok=True)
        nasdaq.to_csv(tmp_path / "nasdaq" / f"{symbol}.csv", index=False)
    panel = load_panel(tmp_path / "nasdaq")
    same(panel, frame.round(dict.fromkeys(PRICES, 2)))
    assert told(panel, "currency signs are taken off: open, high, low, Close/Last")


@pytest.mark.parametrize(
    "how",
    [
        "%m/%d/%Y",
        "%d/%m/%Y",
        "%d.%m.%Y",
        "%d-%m-%Y",
        "%b %d, %Y",
        "%d-%b-%Y",
        "%y%m%d",
        "%Y年%m月%d日",
        "%Y%m%d%H%M%S",
        "%s",
        "%s000",
        "%Y-%m-%d 00:00:00+00:00",
        "%Y-%m-%dT16:00:00Z",
    ],
)
def test_dates_of_every_spelling_are_the_same_days(tmp_path, how):
    frame = rounded()
    dates = [str(int(d.timestamp())) + how[2:] if "%s" in how else d.strftime(how) for d in frame["date"]]
    text = frame.assign(date=dates).to_csv(index=False)
    same(load_panel(written(tmp_path / "a.csv", text)), frame)


def test_two_digit_years_are_of_this_century_also_as_numbers(tmp_path):
    frame = rounded(symbols=("AAA",)).assign(date=np.busday_offset("2003-01-01", np.arange(30), roll="forward"))
    short = frame.assign(date=pd.to_datetime(frame["date"]).dt.strftime("%y%m%d"))
    panel = load_panel(written(tmp_path / "a.csv", short.to_csv(index=False)))
    assert panel.days[0] == np.datetime64("2003-01-01")
    assert told(panel, "dates such as 030101 are YYMMDD: 2003-01-01")
    assert load_panel(short.assign(date=short["date"].astype(int))).days[0] == np.datetime64("2003-01-01")


@pytest.mark.parametrize(
    ("dates", "reason"),
    [
        (["01/02/2020", "02/03/2020"], "could be day or month first"),
        (["13/01/2020", "01/13/2020"], "is no date"),
        (["010203", "020304"], "could be YYMMDD, DDMMYY or MMDDYY"),
        (["0019-01-02", "0019-01-03"], "is 0019-01-02, a year that no market has"),
        (["2109-01-02", "2109-01-03"], "is 2109-01-02, a year that no market has"),
        (["43467", "43468"], "is no date"),
    ],
)
def test_a_date_that_may_be_another_or_none_is_refused(tmp_path, dates, reason):
    rows = "".join(f"{date},AAA,1.5\n" for date in dates)
    with pytest.raises(DataError, match=f"a.csv: row 2, column 'date'.*{reason}"):
        load_panel(written(tmp_path / "a.csv", f"date,symbol,close\n{rows}"))


def test_without_pyarrow_the_panel_is_the_same(tmp_path, monkeypatch):
    frame = rounded().assign(sector="A")
    frame.to_csv(tmp_path / "a.csv", index=False)
    wanted = load_panel(tmp_path / "a.csv")
    monkeypatch.setattr("zoo.data.sources.tables.csv._by_pyarrow", lambda *_: None)
    assert load_panel(tmp_path / "a.csv").fingerprint == wanted.fingerprint


def test_a_file_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    import gzip

    monkeypatch.setattr("zoo.data.sources.tables.text._MOST", 1 << 20)
    with gzip.open(tmp_path / "a.csv.gz", "wb") as file:
        file.write(b"0" * (1 << 23))
    with pytest.raises(DataError, match=r"a.csv.gz: unpacks to more than 200 times its size"):
        load_panel(tmp_path / "a.csv.gz")


def dated(path: Path, days: pd.DatetimeIndex, form: str) -> Path:
    rows = "".join(f"{day.strftime(form)},{name},{10 + k}\n" for name in "AB" for k, day in enumerate(days))
    return written(path, f"date,symbol,close\n{rows}")


EARLY = pd.bdate_range("2019-01-02", "2019-06-28")
EARLY = EARLY[EARLY.day <= 12]
"""Days whose number could be a month, all of them."""


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("days", [EARLY, pd.bdate_range("2019-01-02", "2019-06-28")], ids=["ambiguous", "clear"])
@pytest.mark.parametrize("form", ["%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%y/%m/%d"])
def test_the_only_order_of_day_and_month_in_which_dates_are_sorted_is_theirs(tmp_path, form, days, backwards):
    path = dated(tmp_path / "a.csv", days[::-1] if backwards else days, form)
    panel = load_panel(path)
    assert panel.days.tolist() == days.to_numpy().astype("datetime64[D]").tolist()
    assert told(panel, "dates such as")
    pd.read_csv(path).astype("category").to_parquet(tmp_path / "a.parquet")
    # Categories are sorted as texts; their rows are not.
    assert load_panel(tmp_path / "a.parquet").days.tolist() == panel.days.tolist()


@pytest.mark.parametrize("form", ["%d/%m/%y", "%m/%d/%Y"])
@pytest.mark.parametrize("case", ["shuffled", "sorted as text", "first of each month", "three days"])
def test_dates_whose_order_of_day_and_month_nothing_tells_are_refused(tmp_path, form, case):
    days = {
        "shuffled": EARLY[np.random.default_rng(0).permutation(len(EARLY))],
        # As text 01/02, 01/03 stand together, whichever is the month.
        "sorted as text": EARLY[np.argsort([day.strftime("%d/%m/%y") for day in EARLY])],
        "first of each month": pd.date_range("2019-01-01", periods=12, freq="MS"),
        "three days": EARLY[:3],
    }[case]
    if case == "sorted as text":
        form = "%d/%m/%y"
    with pytest.raises(DataError, match=r"column 'date': '.*' is no date \(could be day or month first"):
        load_panel(dated(tmp_path / "a.csv", days, form))


@pytest.mark.parametrize(
    ("price", "volume", "close"),
    [
        ("12,{}", "1.1{:02}", 12.345),
        ("12.{}", "1,1{:02}", 12.345),
        ("12,{}", "2{:02}", None),
        ("12,{}", "1,1{:02}", None),
    ],
)
def test_points_in_volumes_tell_that_commas_in_prices_are_decimal(tmp_path, price, volume, close):
    days = pd.bdate_range("2020-01-01", periods=9)
    rows = [f"{day.date()};A;{price.format(345 + k)};{volume.format(k)}\n" for k, day in enumerate(days)]
    path = written(tmp_path / "a.csv", "date;symbol;close;volume\n" + "".join(rows))
    if close is None:
        with pytest.raises(DataError, match="'12,345' may have a decimal or a thousands comma"):
            load_panel(path)
        return
    panel = load_panel(path)
    assert panel.field("close")[0, 0] == np.float32(close)
    assert panel.field("volume")[:, 0].tolist() == [1100.0 + k for k in range(9)]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Shanghai", "Europe/London"])
@pytest.mark.parametrize("levels", [1, 2])
def test_a_parquet_index_with_a_zone_gives_the_days_that_it_shows(tmp_path, zone, levels):
    days = pd.bdate_range("2020-03-02", periods=40)
    rows = pd.DataFrame({"date": days.tz_localize(zone), "symbol": "A", "close": np.arange(40) + 10.0})
    rows.set_index(["date", "symbol"][:levels]).to_parquet(tmp_path / "a.parquet")
    assert load_panel(tmp_path / "a.parquet").days.tolist() == days.to_numpy().astype("datetime64[D]").tolist()
