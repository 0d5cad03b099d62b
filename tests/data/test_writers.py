"""Panels written as Parquet, CSV and qlib directories read back as they were, to the bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from source_files import long_frame

from zoo.data.panel import Concepts, Panel
from zoo.data.sources import load_panel
from zoo.data.writers import read_exact, write_panel
from zoo.data.writers.compare import difference
from zoo.errors import DataError

GOLDEN = Path(__file__).parents[1] / "golden"
TARGETS = ["out.parquet", "out.csv", "out.csv.gz", "out"]


def awkward() -> Panel:
    """Float32 of all magnitudes, holes, a day without any row, factor and change, members that do not trade."""
    rng = np.random.default_rng(3)
    fields = ("open", "high", "low", "close", "vwap", "volume", "factor", "change")
    values = rng.lognormal(0, 8, (20, 5, 8)).astype(np.float32)
    values[..., 5] = np.floor(values[..., 5])
    values[1:, :, 7] = values[1:, :, 3] / values[:-1, :, 3] - 1
    values[rng.random(values.shape) < 0.2] = np.nan
    values[7] = np.nan
    values[:, 4] = np.nan
    member = np.ones((20, 5), dtype=bool)
    member[3:9, 0] = member[:, 1] = member[7] = False
    member[15:, 2] = False
    days = np.busday_offset("2021-03-01", np.arange(20))
    symbols = np.array(["AUX", "BRK.B", "NA", 'z"q', "Über, Inc"])
    return Panel(days, symbols, fields, values, member, name="awkward")


def grouped(panel: Panel, *, snapshot: bool, several: bool) -> Panel:
    """The panel with two groups, dated or not, overlapping or not."""
    shape = (2, panel.n_stocks, 2)
    start, end = np.ones(shape, dtype=np.int32), np.zeros(shape, dtype=np.int32)
    start[0, :3, 0], end[0, :3, 0] = 0, panel.n_days - 1
    if several:
        start[0, 2, 1], end[0, 2, 1] = 0, panel.n_days - 1
    if not snapshot:
        end[0, 0, 0], start[1, 0, 0], end[1, 0, 0] = 4, 9, 11
    return replace(panel, concepts=Concepts(("oil, gas", "tech"), start, end, snapshot))


def assert_round_trip(panel: Panel, target: Path, kept: slice | list[int] = slice(None)) -> None:
    write_panel(panel, target)
    concepts = panel.concepts
    if concepts is not None:
        concepts = replace(concepts, start=concepts.start[:, kept], end=concepts.end[:, kept])
    expected = replace(
        panel,
        symbols=panel.symbols[kept],
        values=panel.values[:, kept],
        member=panel.member[:, kept],
        concepts=concepts,
    )
    assert difference(read_exact(target), expected) == ""


@pytest.mark.parametrize("target", TARGETS)
def test_the_golden_directory_survives_every_format(target, tmp_path):
    assert_round_trip(load_panel(GOLDEN / "qlib_dir"), tmp_path / target)


@pytest.mark.parametrize("target", TARGETS)
def test_membership_apart_from_trading_survives(target, tmp_path):
    # A qlib directory names only members: BRK.B, which never is one, cannot be in it.
    assert_round_trip(awkward(), tmp_path / target, slice(None) if "." in target else [0, 2, 3, 4])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("snapshot", [True, False])
@pytest.mark.parametrize("several", [True, False])
def test_concepts_survive(target, snapshot, several, tmp_path):
    panel = grouped(load_panel(long_frame(20)), snapshot=snapshot, several=several)
    if not several:
        panel = replace(panel, concepts=Concepts(("oil, gas",), *_one(panel), snapshot))
    assert_round_trip(panel, tmp_path / target)


def _one(panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    assert panel.concepts is not None
    return panel.concepts.start[:, :, :1], panel.concepts.end[:, :, :1]


def test_a_chain_of_conversions_ends_where_it_began(tmp_path):
    panel = grouped(awkward(), snapshot=False, several=False)
    panel = replace(panel, concepts=Concepts(("oil, gas",), *_one(panel), False))
    write_panel(panel, tmp_path / "a.csv")
    for source, target in (("a.csv", "b.parquet"), ("b.parquet", "c.csv.gz"), ("c.csv.gz", "d.csv")):
        write_panel(read_exact(tmp_path / source), tmp_path / target)
    assert difference(read_exact(tmp_path / "d.csv"), panel) == ""
    for part in ("", ".members.txt", ".concepts.csv"):
        assert (tmp_path / f"d.csv{part}").read_bytes() == (tmp_path / f"a.csv{part}").read_bytes()


def test_every_float32_survives_csv(tmp_path):
    rng = np.random.default_rng(0)
    bits = rng.integers(0x00800000, 0x7F000000, (200, 50), dtype=np.uint32)
    values = bits.view(np.float32)[:, :, None]
    days = np.busday_offset("2020-01-01", np.arange(200), roll="forward")
    symbols = np.array([f"S{i:02d}" for i in range(50)])
    panel = Panel(days, symbols, ("close",), values, np.ones((200, 50), dtype=bool))
    assert_round_trip(panel, tmp_path / "x.csv")


def test_a_sector_column_stays_a_column(tmp_path):
    frame = long_frame(20).assign(sector="Energy")
    write_panel(load_panel(frame), tmp_path / "x.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["x.csv"]
    assert "sector" in (tmp_path / "x.csv").read_text().splitlines()[0]


def test_nothing_is_overwritten_unasked_and_stale_companions_go(tmp_path):
    path = tmp_path / "x.csv"
    write_panel(awkward(), path)
    assert (tmp_path / "x.csv.members.txt").exists()
    plain = load_panel(long_frame(10))
    with pytest.raises(DataError, match="--force"):
        write_panel(plain, path)
    write_panel(plain, path, force=True)
    assert difference(read_exact(path), plain) == ""
    assert [p.name for p in tmp_path.iterdir()] == ["x.csv"]
    (tmp_path / "y.csv.members.txt").write_text("AAA\t2020-01-01\t2020-01-02\n")
    with pytest.raises(DataError, match=r"y\.csv\.members\.txt: exists already"):
        write_panel(plain, tmp_path / "y.csv")


def test_a_directory_of_something_else_is_never_replaced(tmp_path):
    panel = load_panel(long_frame(10))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("x")
    with pytest.raises(DataError, match="holds something else"):
        write_panel(panel, tmp_path / "home", force=True)
    (tmp_path / "empty").mkdir()
    write_panel(panel, tmp_path / "empty", force=True)
    write_panel(load_panel(long_frame(12)), tmp_path / "empty", force=True)
    assert read_exact(tmp_path / "empty").n_days == 12
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "home"]
    (tmp_path / "x.parquet").mkdir()
    with pytest.raises(DataError, match="is a directory"):
        write_panel(panel, tmp_path / "x.parquet", force=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="is a file"):
        write_panel(panel, tmp_path / "file", force=True)


@pytest.mark.parametrize("target", TARGETS)
def test_a_failed_write_leaves_nothing_new_and_nothing_broken(target, tmp_path, monkeypatch):
    path = tmp_path / target
    old, new = load_panel(long_frame(10)), load_panel(long_frame(11))
    write_panel(old, path)
    before = sorted(p.name for p in tmp_path.iterdir())

    def fail(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_panel(new, path, force=True, on_step=fail)
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    assert difference(read_exact(path), old) == ""


@pytest.mark.parametrize("symbol", ["../up", "a/b", "..", "a\\b", "x\ty"])
def test_a_symbol_never_leaves_its_directory(symbol, tmp_path):
    frame = long_frame(10).replace({"symbol": {"AAA": symbol}})
    with pytest.raises(DataError, match="no directory name"):
        write_panel(load_panel(frame), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_symbols_that_differ_by_case_alone_are_refused_for_qlib(tmp_path):
    frame = long_frame(10).replace({"symbol": {"AAA": "BRK.B", "BBB": "BRK.b"}})
    with pytest.raises(DataError, match="differ by case alone"):
        write_panel(load_panel(frame), tmp_path / "out")
    assert_round_trip(load_panel(frame), tmp_path / "out.csv")


@pytest.mark.parametrize("target", ["out.xlsx", "out.parq", "v1.2"])
def test_an_unknown_ending_is_refused(target, tmp_path):
    with pytest.raises(DataError, match="says no format"):
        write_panel(load_panel(long_frame(10)), tmp_path / target)
    write_panel(load_panel(long_frame(10)), f"{tmp_path}/v1.2/")
    assert (tmp_path / "v1.2" / "calendars").is_dir()


def test_what_does_not_read_back_is_not_kept(tmp_path):
    panel = load_panel(long_frame(10))
    panel.values[3, 1, 2] = -1  # readers take no negative price
    with pytest.raises(DataError, match=r"does not read back as the same panel .low of BBB"):
        write_panel(panel, tmp_path / "out.csv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda p: replace(p, values=np.where(p.values == p.values[3, 1, 2], np.float32(7), p.values)),
            "low of BBB on",
        ),
        (lambda p: replace(p, member=~p.member), "membership of AAA"),
        (lambda p: replace(p, days=p.days + 1), "other days"),
        (lambda p: replace(p, symbols=np.array(["AAA", "BBB", "CCD"])), "'CCC'"),
        (lambda p: replace(p, fields=("open", "high", "low", "close", "vwap")), "fields"),
        (lambda p: grouped(p, snapshot=True, several=False), "concepts"),
    ],
)
def test_any_difference_is_found(change, told):
    panel = load_panel(long_frame(10))
    assert told in difference(panel, change(panel))
