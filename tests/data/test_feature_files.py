"""Files of columns, joined so that no day sees a later row, and labels that are given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from tests.data.own_frames import priced
from zoo.config import DataConfig, LabelConfig
from zoo.data.labels import raw_label
from zoo.data.sources import open_panel
from zoo.errors import ConfigError, DataError


@pytest.fixture
def roe(tmp_path):
    """A writer of `roe.csv` from rows (date, symbol, roe)."""

    def write(*rows, name="roe.csv", columns=("Date", "Ticker", "roe")):
        pd.DataFrame(rows, columns=list(columns)).to_csv(tmp_path / name, index=False)
        return str(tmp_path / name)

    return write


def seen(file, **how) -> tuple[pd.Series, tuple[str, ...]]:
    panel = open_panel(DataConfig(features=["roe"], feature_files=[{"file": file, **how}]), priced())
    return pd.DataFrame(panel.field("roe"), index=panel.days, columns=panel.symbols)["A"], panel.notes


def test_a_value_is_seen_from_its_date_and_as_of_on_until_the_next_row(roe):
    values, notes = seen(roe(["2020-02-01", "A", 1.0], ["2020-03-02", "A", 2.0], ["2019-01-05", "B", 9.0]), as_of=10)
    assert values[:"2020-02-10"].isna().all()
    assert (values["2020-02-11":"2020-03-11"] == 1).all()
    assert (values["2020-03-12":] == 2).all()
    assert any("a row is known 10 calendar days after its date" in note for note in notes)


def test_no_day_sees_a_later_row_whatever_the_order_of_rows():
    rng = np.random.default_rng(0)
    days = pd.bdate_range("2020-01-01", periods=120)
    table = [(day, s, float(k)) for k, (day, s) in enumerate((d, s) for d in days[::9] for s in "ABCD")]
    for as_of in (0, 4):
        order = rng.permutation(len(table))
        frame = pd.DataFrame([table[k] for k in order], columns=["date", "symbol", "roe"])
        path = f"{rng.integers(1 << 40)}"
        from tempfile import TemporaryDirectory

        with TemporaryDirectory() as folder:
            frame.to_parquet(f"{folder}/{path}.parquet")
            data = DataConfig(features="roe", feature_files=[{"file": f"{folder}/{path}.parquet", "as_of": as_of}])
            panel = open_panel(data, priced())
        for n, symbol in enumerate(panel.symbols):
            rows = sorted((day, value) for day, s, value in table if s == symbol)
            for d, day in enumerate(panel.days):
                known = [v for at, v in rows if at + pd.Timedelta(days=as_of) <= pd.Timestamp(day)]
                expected = known[-1] if known else np.nan
                np.testing.assert_equal(float(panel.field("roe")[d, n]), expected)


def test_a_row_is_forgotten_after_max_age_and_an_empty_cell_is_missing(roe):
    values, _ = seen(roe(["2020-02-03", "A", 1.0], ["2020-03-02", "A", np.nan], ["2020-03-04", "A", 3.0]), max_age=7)
    assert (values["2020-02-03":"2020-02-10"] == 1).all()
    assert values["2020-02-11":"2020-03-03"].isna().all()
    assert values["2020-03-04"] == 3


def test_rows_outside_the_data_are_told_and_case_of_symbols_does_not_count(roe):
    file = roe(["2020-02-03", "a", 1.0], ["2020-02-03", "ZZ", 1.0], ["2020-02-04", "ZZ", 1.0], ["2030-02-03", "A", 1.0])
    values, notes = seen(file)
    assert (values["2020-02-03":] == 1).all()
    assert any("2 rows of 1 symbols that the data have not: ZZ" in note for note in notes)
    assert any("1 rows are known after the last day of the data" in note for note in notes)


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([["2020-02-03", "A", 1], ["2020-02-03", "a", 2]], ("date", "symbol", "roe"), "row 3 repeats a on 2020-02-03"),
        ([["2020-02-03", "A", 1]], ("quarter", "symbol", "roe"), "no date column"),
        ([["2020-02-03", "A", 1]], ("date", "firm", "roe"), "no symbol column"),
        ([["2020-02-03", "Z", 1]], ("date", "symbol", "roe"), "none of its symbols is in the data"),
        ([["2020-02-03", "A", "x"]], ("date", "symbol", "roe"), "'roe' of .* holds no numbers"),
        ([["2020-02-03", "A", 1]], ("date", "symbol", "roa"), r"'roe' is no feature set.*did you mean 'roa'"),
        ([["2020-02-03", "A", 1]], ("date", "symbol", "PE Ratio"), "'pe ratio' is a column of frame and of"),
    ],
)
def test_files_that_cannot_be_joined_are_refused(roe, rows, columns, message):
    features = "pe ratio" if "PE Ratio" in columns else "roe"
    data = DataConfig(features=features, feature_files=[roe(*rows, columns=columns)])
    with pytest.raises((ConfigError, DataError), match=message):
        open_panel(data, priced())


def test_a_column_of_two_files_and_a_missing_file_are_refused(roe, tmp_path):
    files = [roe(["2020-02-03", "A", 1.0], name=name) for name in ("one.csv", "two.csv")]
    with pytest.raises(ConfigError, match=r"'roe' is a column of .*one.csv and of .*two.csv"):
        open_panel(DataConfig(features="roe", feature_files=files), priced())
    with pytest.raises(DataError, match=r"no such file.*did you mean 'one.csv'"):
        open_panel(DataConfig(features="roe", feature_files=[str(tmp_path / "ones.csv")]), priced())


def test_a_file_that_nothing_is_asked_of_is_told(roe):
    file = roe(["2020-02-03", "A", 1.0])
    assert any("are not read" in n for n in open_panel(DataConfig(feature_files=[file]), priced()).notes)
    notes = open_panel(DataConfig(features="pe ratio", feature_files=[file]), priced()).notes
    assert any("asks for none of its columns (roe)" in note for note in notes)


def test_the_fingerprint_changes_with_a_value_of_a_file(roe):
    prints = []
    for value in (1.0, 1.0, 1.5):
        data = DataConfig(features="roe", feature_files=[roe(["2020-02-03", "A", value])])
        prints.append(open_panel(data, priced()).fingerprint)
    assert prints[0] == prints[1] != prints[2]


def test_a_given_label_is_used_as_it_is_and_no_glob_takes_it_for_a_feature(roe):
    frame = priced()
    frame.loc[5, "y"] = np.inf
    data = DataConfig(features="*", label={"column": "Y", "reach": 5})
    panel = open_panel(data, frame)
    label = raw_label(panel, data.label)
    expected = frame.replace(np.inf, np.nan).pivot(index="date", columns="symbol", values="y").to_numpy()
    np.testing.assert_array_equal(label, expected)
    assert "y" not in panel.fields
    assert data.label.definition == "column Y (reach 5 days)"
    assert any("label Y: 99.8 % of member rows have one" in note for note in panel.notes)
    assert any("1 label:Y values are infinite" in note for note in panel.notes)
    with pytest.raises(ConfigError, match="'Y' is the label"):
        open_panel(DataConfig(features=["raw", "y"], label={"column": "Y", "reach": 5}), frame)


def test_a_label_of_a_file_is_of_its_own_days_only(roe):
    file = roe(["2020-02-03", "A", 0.5], ["2020-02-08", "A", 9.0], columns=("date", "symbol", "target"))
    data = DataConfig(label={"file": file, "column": "target", "reach": 1})
    panel = open_panel(data, priced())
    label = raw_label(panel, data.label)
    day, stock = np.nonzero(np.isfinite(label))
    assert (panel.days[day].astype(str).tolist(), panel.symbols[stock].tolist()) == (["2020-02-03"], ["A"])
    assert any("1 rows are of days that the data have not" in note for note in panel.notes)
    with pytest.raises(ConfigError, match="'aim' is no column of"):
        open_panel(DataConfig(label={"file": file, "column": "aim", "reach": 1}), priced())


@pytest.mark.parametrize("key", ["horizon", "lag", "price"])
def test_keys_that_mean_nothing_with_a_given_label_are_refused(key):
    with pytest.raises(ValidationError, match=key):
        DataConfig(label={"column": "y", "reach": 2, key: 1})
    with pytest.raises(ValidationError, match="reach"):
        DataConfig(label={"column": "y"})


def test_a_constant_label_is_told():
    notes = open_panel(DataConfig(label={"column": "y", "reach": 1}), priced().assign(y=1.0)).notes
    assert any("CONSTANT" in note for note in notes)


def test_new_keys_at_their_default_are_not_written():
    written = DataConfig().model_dump(mode="json")
    assert "feature_files" not in written
    assert written["features"] == "raw"
    assert set(written["label"]) == set(LabelConfig.model_fields)
    assert DataConfig(features=["alpha158"]) == DataConfig(features="alpha158")
