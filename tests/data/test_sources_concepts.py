"""Concepts from a column of the rows or from a file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from source_files import long_frame

from zoo.data.panel import Concepts, Panel
from zoo.data.sources import load_panel
from zoo.errors import DataError


def groups(panel: Panel) -> Concepts:
    assert panel.concepts is not None
    return panel.concepts


def at(panel: Panel, day: int, stock: int) -> set[str]:
    """Names of the concepts of one stock on one day."""
    found = groups(panel).at(np.array([day]), np.array([stock]))[0]
    return {name for name, inside in zip(groups(panel).names, found, strict=True) if inside}


def test_a_constant_sector_column_is_a_snapshot_for_all_of_history():
    sector = {"AAA": "Tech", "BBB": "Energy", "CCC": "Tech"}
    frame = long_frame().assign(sector=lambda f: f["symbol"].map(sector))
    panel = load_panel(frame[(frame["symbol"] != "BBB") | (frame["date"] > "2020-01-20")])
    assert groups(panel).snapshot
    assert groups(panel).names == ("Energy", "Tech")
    for day in (0, 29):
        assert [at(panel, day, stock) for stock in range(3)] == [{"Tech"}, {"Energy"}, {"Tech"}]
    assert any("2 from column sector, without dates" in note for note in panel.notes)


def test_a_sector_that_changes_is_point_in_time_and_may_return():
    frame = long_frame().assign(sector="Tech")
    days = sorted(frame["date"].unique())
    middle = frame["date"].isin(days[10:20]) & (frame["symbol"] == "BBB")
    frame.loc[middle, "sector"] = "Energy"
    panel = load_panel(frame)
    assert not groups(panel).snapshot
    assert groups(panel).start.shape == (2, 3, 2)
    assert [at(panel, day, 1) for day in (0, 9, 10, 19, 20, 29)] == [{"Tech"}] * 2 + [{"Energy"}] * 2 + [{"Tech"}] * 2
    assert [at(panel, day, 0) for day in (0, 15, 29)] == [{"Tech"}] * 3


def test_a_changing_concept_is_unknown_before_its_first_row_and_holds_over_gaps():
    frame = long_frame().assign(sector="Tech")
    days = sorted(frame["date"].unique())
    frame.loc[frame["date"].isin(days[15:]) & (frame["symbol"] == "AAA"), "sector"] = "Energy"
    late = (frame["symbol"] == "BBB") & frame["date"].isin([*days[:5], *days[8:12]])
    frame.loc[(frame["symbol"] == "CCC") & frame["date"].isin(days[3:6]), "sector"] = None
    panel = load_panel(frame[~late])
    assert [at(panel, day, 1) for day in (4, 5, 9, 29)] == [set(), {"Tech"}, {"Tech"}, {"Tech"}]
    assert at(panel, 4, 2) == {"Tech"}


def test_sector_is_preferred_and_another_column_can_be_named(tmp_path):
    frame = long_frame().assign(sector="S", industry="I", theme=lambda f: "T" + f["symbol"])
    assert groups(load_panel(frame)).names == ("S",)
    assert groups(load_panel(frame.drop(columns="sector"))).names == ("I",)
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    for source in (frame, tmp_path / "a.csv", tmp_path / "a.parquet"):
        assert groups(load_panel(source, concepts="industry")).names == ("I",)
        assert groups(load_panel(source, concepts="theme")).names == ("TAAA", "TBBB", "TCCC")
    for source in (frame, tmp_path / "a.csv", "planted:local"):
        with pytest.raises(DataError, match="concepts 'theem' is neither a file nor a column"):
            load_panel(source, concepts="theem")
    with pytest.raises(DataError, match="column 'empty' of concepts is empty"):
        load_panel(frame.assign(empty=None), concepts="empty")


def test_a_sector_column_without_any_value_gives_no_concepts():
    panel = load_panel(long_frame().assign(sector=None))
    assert panel.concepts is None
    assert "concepts: column sector is empty" in panel.notes


@pytest.mark.parametrize("header", ["symbol,concept,start,end", "symbol,concept,start", "symbol,concept,end"])
def test_columns_of_dates_that_hold_none_make_a_snapshot_all_the_same(tmp_path, header: str):
    path, empty = tmp_path / "concepts.csv", "," * (header.count(",") - 1)
    path.write_text(f"{header}\nAAA,solar{empty}\nBBB,chips{empty}\n")
    panel = load_panel(long_frame(), concepts=path)
    assert groups(panel).snapshot
    assert any("without dates" in note for note in panel.notes)
    path.write_text(f"{header}\nAAA,solar{empty}\nBBB,chips,2020-01-10{empty[1:]}\n")
    assert not groups(load_panel(long_frame(), concepts=path)).snapshot


def test_a_file_without_dates_is_a_snapshot_with_several_concepts_a_stock(tmp_path):
    path = tmp_path / "concepts.csv"
    path.write_text("Symbol,Concept\nAAA,solar\nAAA,chips\nBBB,solar\nZZZ,gold\nAAA,solar\n")
    panel = load_panel(long_frame().assign(sector="S"), concepts=path)
    assert groups(panel).snapshot
    assert [at(panel, 0, stock) for stock in range(3)] == [{"solar", "chips"}, {"solar"}, set()]
    assert groups(panel).names == ("chips", "solar")
    assert "1 symbols of concepts.csv are not in the data and are left out" in panel.notes
    assert any("2 from concepts.csv, without dates" in note and "1 stocks have none" in note for note in panel.notes)
    assert not any("column sector" in note for note in panel.notes)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_with_dates_is_point_in_time_with_both_ends_inclusive(tmp_path, ending):
    spans = pd.DataFrame(
        [
            ("AAA", "solar", "2020-01-02", "2020-01-03"),
            ("AAA", "solar", "2020-01-18", None),
            ("BBB", "solar", None, "2020-01-04"),
            ("BBB", "chips", "2030-01-01", "9999-12-31"),
            ("CCC", "chips", "1990-01-01", "9999-12-31"),
        ],
        columns=["symbol", "concept", "start", "end"],
    )
    path = tmp_path / f"concepts.{ending}"
    spans.to_parquet(path) if ending == "parquet" else spans.to_csv(path, index=False)
    panel = load_panel(long_frame(), concepts=str(path))
    days = panel.days.astype(str).tolist()
    assert not groups(panel).snapshot
    solar = [day for k, day in enumerate(days) if at(panel, k, 0)]
    assert solar == ["2020-01-02", "2020-01-03", *(day for day in days if day >= "2020-01-18")]
    assert [day for k, day in enumerate(days) if at(panel, k, 1)] == [day for day in days if day <= "2020-01-04"]
    assert all(at(panel, k, 2) == {"chips"} for k in range(30))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "symbol,concept\nZZZ,gold\n",
            "none of its symbols is in the data; the file has 'ZZZ', the data 'AAA'",
        ),
        ("symbol,concept\n", "none of its symbols is in the data"),
        ("symbol,thing\nAAA,gold\n", "no concept column"),
        ("concept\ngold\n", "no symbol column"),
        ("symbol,concept\nAAA,\n", "row 2, column 'concept' is empty"),
        ("symbol,concept,start,end\nAAA,gold,soon,\n", "row 2, column 'start': 'soon' is no date"),
        ("symbol,concept,start,end\nAAA,g,2020-02-02,2020-02-01\n", "row 2, column 'end'.*before 'start'"),
        ("symbol,concept,start\nAAA,gold,2031-01-01\n", "no span touches the days of the data"),
        ("", "empty file"),
    ],
)
def test_a_bad_file_of_concepts_is_an_error_naming_file_and_row(tmp_path, text, message):
    path = tmp_path / "concepts.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        load_panel(long_frame(), concepts=path)
    assert str(caught.value).startswith("concepts.csv")


def test_a_missing_file_of_concepts_names_the_nearest(tmp_path):
    (tmp_path / "concepts.csv").write_text("symbol,concept\nAAA,x\n")
    with pytest.raises(DataError, match=r"no such file of concepts \(did you mean 'concepts\.csv'\?\)"):
        load_panel(long_frame(), concepts=tmp_path / "concept.csv")
