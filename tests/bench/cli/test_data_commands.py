"""`bench data`: every command on files whose faults are known."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_runs import SMALL, run_cli

from bench.data.inspect import heatmap, inspect_panel
from bench.data.validate import SCALE, SCALE_WITHIN, Problem, find_problems, splits
from zoo.data.panel import Panel
from zoo.data.sources import load_panel
from zoo.data.sources.planted import planted_market
from zoo.data.writers import read_exact
from zoo.data.writers.compare import difference

GOLDEN = Path(__file__).parents[2] / "golden"
REAL = Path(os.environ.get("ALPHA_ZOO_DATA", "")) / "sp500_5yr.parquet"


def market(n_days: int = 60, symbols: tuple[str, ...] = ("AAA", "BBB", "CCC"), seed: int = 0) -> pd.DataFrame:
    """Rows of a faultless market, indexed (symbol, date)."""
    rng = np.random.default_rng(seed)
    days = np.busday_offset("2020-01-01", np.arange(n_days), roll="forward").astype("datetime64[ns]")
    index = pd.MultiIndex.from_product([symbols, days], names=["symbol", "date"])
    frame = pd.DataFrame(index=index)
    steps = rng.normal(0, 0.01, (len(symbols), n_days))
    frame["close"] = 50 * np.exp(np.cumsum(steps, axis=1)).ravel()
    frame["open"] = frame["close"] * 1.001
    frame["high"], frame["low"] = frame["close"] * 1.02, frame["close"] * 0.98
    frame["volume"] = rng.integers(900, 1100, len(frame)).astype(float)
    return frame


def day(frame: pd.DataFrame, number: int) -> pd.Timestamp:
    return frame.index.unique("date")[number]


def problem(panel: Panel, title: str) -> Problem:
    found = [p for p in find_problems(panel) if p.title == title]
    assert len(found) == 1, [p.title for p in find_problems(panel)]
    return found[0]


def places(panel: Panel, title: str) -> list[tuple[str, int]]:
    found = problem(panel, title)
    return sorted((str(panel.symbols[s]), int(d)) for s, d in zip(found.stock, found.day, strict=True))


def test_a_faultless_market_has_no_problem():
    assert [p.title for p in find_problems(load_panel(market())) if p.count] == []


def test_prices_out_of_order_are_errors():
    frame = market()
    frame.loc[("AAA", day(frame, 3)), ["high", "low"]] = [49, 51]
    frame.loc[("BBB", day(frame, 5)), "close"] = frame.loc[("BBB", day(frame, 5)), "high"] * 1.01
    frame.loc[("CCC", day(frame, 7)), "open"] = frame.loc[("CCC", day(frame, 7)), "low"] * 0.99
    panel = load_panel(frame)
    assert places(panel, "high below low") == [("AAA", 3)]
    assert places(panel, "close outside low .. high") == [("BBB", 5)]
    assert places(panel, "open outside low .. high") == [("CCC", 7)]
    assert [p.error for p in find_problems(panel) if p.count] == [True] * 3


def test_rounding_of_adjusted_prices_is_no_error():
    frame = market()
    frame["high"] = frame["low"] = frame["open"] = frame["close"]
    frame["adj_close"] = frame["close"] * 0.123456789
    assert [p.title for p in find_problems(load_panel(frame)) if p.count] == []


def test_missing_cells_are_counted_by_field_where_another_is_present():
    frame = market()
    frame.loc[("AAA", day(frame, 3)), ["open", "high"]] = np.nan
    frame.loc[("BBB", day(frame, 4)), "open"] = np.nan
    frame.loc[("CCC", day(frame, 5)), :] = np.nan
    panel = load_panel(frame)
    assert places(panel, "missing open") == [("AAA", 3), ("BBB", 4)]
    assert places(panel, "missing high") == [("AAA", 3)]
    assert problem(panel, "missing close").count == 0


def test_gaps_run_from_the_first_to_the_last_close_only():
    frame = market()
    for symbol, first, last in (("AAA", 10, 12), ("AAA", 20, 20), ("BBB", 0, 5), ("CCC", 50, 59)):
        frame = frame.drop([(symbol, day(market(), k)) for k in range(first, last + 1)])
    panel = load_panel(frame)
    gaps = problem(panel, "days without a close between a stock's first and last")
    assert places(panel, gaps.title) == [("AAA", 10), ("AAA", 20)]
    assert gaps.values["days"].tolist() == [3, 1]
    assert gaps.summary == "4 days of 1 stock, longest 3 days"


def test_jumps_are_beyond_forty_per_cent_and_those_undone_are_told():
    frame = market()
    frame.loc[("AAA", day(frame, 30)), "close"] *= 2
    later = frame.index.get_level_values("date") >= day(frame, 40)
    frame.loc[(frame.index.get_level_values("symbol") == "BBB") & later, "close"] *= 0.55
    frame.loc[(frame.index.get_level_values("symbol") == "CCC") & later, "close"] *= 1.35
    panel = load_panel(frame)
    assert places(panel, "close jumps by more than 40 %") == [("AAA", 30), ("AAA", 31), ("BBB", 40)]
    found = problem(panel, "close jumps by more than 40 %")
    assert list(found.values[""]) == ["undone within 3 days", "", ""]


def test_a_price_on_another_scale_is_an_error_and_no_jump():
    frame = market()
    frame.loc[("AAA", day(frame, 30)), "close"] *= 100
    later = frame.index.get_level_values("date") >= day(frame, 40)
    frame.loc[(frame.index.get_level_values("symbol") == "BBB") & later, ["open", "high", "low", "close"]] *= 20
    panel = load_panel(frame)
    assert places(panel, SCALE) == [("AAA", 30), ("BBB", 40)]
    assert problem(panel, SCALE).error
    frame.loc[("CCC", day(frame, 20)), "low"] /= 10
    assert places(load_panel(frame), SCALE_WITHIN) == [("CCC", 20)]
    # The way back from a wrong price is a jump still: only where it leaves is on another scale.
    assert places(panel, "close jumps by more than 40 %") == [("AAA", 31)]


def spoilt(frame: pd.DataFrame, fault: str) -> pd.DataFrame:
    later = frame.index.get_level_values("date") >= day(frame, 60)
    if fault == "scale":
        chosen = (frame.index.get_level_values("symbol") == "BBB") & later
        frame.loc[chosen, ["open", "high", "low", "close"]] *= 20
    else:
        step = 50 if fault == "order" else 500
        frame.iloc[::step, frame.columns.get_loc("close")] = frame["high"].iloc[::step] * 1.01
    return frame


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("scale", rf"1 error, \d+ warnings?: {SCALE}: 1, first BBB 2020-03-25: close, is \d+"),
        ("order", r"24 errors, 0 warnings: close outside low .. high: 24, first AAA 2020-01-01: close"),
        ("few", r"3 errors, 0 warnings: close outside low .. high: 3, first AAA 2020-01-01: close"),
    ],
)
def test_data_that_make_returns_wrong_are_refused_unless_accepted(tmp_path, fault, told):
    symbols = tuple(f"{a}{a}{a}" for a in "ABCDEF")
    file = tmp_path / "prices.csv"
    spoilt(market(200, symbols), fault).reset_index().to_csv(file, index=False)
    command = (SMALL, "--data", file, "--models", "linear", "--seeds", "1", "--results", tmp_path / "results")
    answer = run_cli("check", *command)
    assert re.search(rf"^validate finds {told}", answer.out, re.MULTILINE), answer.out
    if fault == "few":
        assert answer.code == 0
        return
    assert answer.code == 2
    assert "returns would be wrong" in answer.err
    assert "--accept-data" in answer.err
    assert run_cli("run", *command).code == 2
    assert not (tmp_path / "results").exists()
    answer = run_cli("run", *command, "--accept-data")
    assert answer.code == 0, answer.err
    assert "accepted with --accept-data" in (tmp_path / "results" / "comparison.md").read_text()


def split(frame: pd.DataFrame, symbol: str, number: int, ratio: float, volume: float) -> None:
    rows = (frame.index.get_level_values("symbol") == symbol) & (
        frame.index.get_level_values("date") >= day(frame, number)
    )
    frame.loc[rows, ["open", "high", "low", "close"]] *= ratio
    frame.loc[rows, "volume"] *= volume


@pytest.mark.parametrize(
    ("ratio", "volume", "near"),
    [
        (1 / 2, 2, "1/2"),
        (1 / 3, 3, "1/3"),
        (2 / 3, 1.5, "2/3"),
        (3 / 2, 0.6, "3/2"),
        (10, 0.1, "10/1"),
        (1 / 2, 1.6, "1/2"),
    ],
)
def test_a_split_shows_in_price_and_volume(ratio, volume, near):
    frame = market()
    split(frame, "BBB", 30, ratio, volume)
    found = splits(load_panel(frame))
    assert (found.day.tolist(), found.stock.tolist(), found.values["near"].tolist()) == ([30], [1], [near])


@pytest.mark.parametrize(
    ("ratio", "volume"),
    [(1 / 2, 1.0), (1 / 2, 0.5), (1 / 2, 30), (0.57, 2), (2, 2), (0.8, 1.25)],
    ids=["no volume", "wrong way", "news", "no fraction", "rise on volume", "small move"],
)
def test_what_only_looks_like_a_split_is_not_suspected(ratio, volume):
    frame = market()
    split(frame, "BBB", 30, ratio, volume)
    assert splits(load_panel(frame)).count == 0


def test_without_volume_no_split_is_suspected():
    frame = market()
    split(frame, "BBB", 30, 0.5, 1)
    assert splits(load_panel(frame[["close"]])).count == 0


def test_five_identical_closes_are_stale_four_are_not():
    frame = market()
    for symbol, first, days in (("AAA", 10, 5), ("BBB", 20, 4), ("CCC", 50, 10)):
        rows = [(symbol, day(frame, k)) for k in range(first, first + days)]
        frame.loc[rows, "close"] = frame.loc[rows[0], "close"]
        frame.loc[rows, ["high", "low", "open"]] = frame.loc[rows, ["close"]].to_numpy() * [1.1, 0.9, 1]
    panel = load_panel(frame)
    title = "5 or more identical closes in a row"
    assert places(panel, title) == [("AAA", 10), ("CCC", 50)]
    assert problem(panel, title).values["days"].tolist() == [10, 5]


def test_zero_volume_weekends_and_pauses_are_told():
    frame = market().reset_index()
    frame.loc[5, "volume"] = 0
    weekend = pd.Timestamp("2020-02-01")
    frame.loc[frame["date"] == pd.Timestamp("2020-01-31"), "date"] = weekend
    frame.loc[frame["date"] > pd.Timestamp("2020-03-01"), "date"] += pd.Timedelta(28, "D")
    panel = load_panel(frame)
    assert places(panel, "zero volume") == [("AAA", 5)]
    assert panel.days[problem(panel, "days on a weekend").day].tolist() == [weekend.date()]
    assert problem(panel, "calendar pauses of more than 10 days").count == 1


def test_values_a_reader_refuses_are_found_in_every_format(tmp_path):
    frame = market().reset_index()
    frame.loc[7, "close"], frame.loc[8, "low"], frame.loc[9, "volume"], frame.loc[70, "open"] = 0, -3, -1, np.inf
    frame.to_parquet(tmp_path / "m.parquet")
    frame.to_csv(tmp_path / "m.csv", index=False)
    (tmp_path / "stocks").mkdir()
    for symbol, rows in frame.groupby("symbol"):
        rows.drop(columns="symbol").to_csv(tmp_path / "stocks" / f"{symbol}.csv", index=False)
    expected = {
        "close zero or negative": [("AAA", 7)],
        "low zero or negative": [("AAA", 8)],
        "volume negative": [("AAA", 9)],
        "open infinite or beyond float32": [("BBB", 10)],
    }
    for name in ("m.parquet", "m.csv", "stocks"):
        panel = load_panel(tmp_path / name)
        found = [p for p in inspect_panel(panel, tmp_path / name).problems if p.error and p.count]
        told = {p.title: [(str(panel.symbols[s]), int(d)) for s, d in zip(p.stock, p.day, strict=True)] for p in found}
        assert told == expected, name
    answer = run_cli("data", "validate", tmp_path / "m.csv")
    assert answer.code == 2
    assert "ERROR close zero or negative: 1\n    AAA 2020-01-10: close 0\n" in answer.out


def test_that_no_value_was_refused_is_told_too(tmp_path):
    market().to_csv(tmp_path / "sound.csv")
    assert "none: zero, negative or infinite values; " in run_cli("data", "validate", tmp_path / "sound.csv").out


def test_refused_values_are_found_in_a_qlib_directory(tmp_path):
    run_cli("data", "convert", GOLDEN / "qlib_dir", tmp_path / "q")
    file = tmp_path / "q" / "features" / "sh600003" / "low.day.bin"
    numbers = np.fromfile(file, dtype="<f4")
    numbers[5] = -1
    numbers.tofile(file)
    answer = run_cli("data", "validate", tmp_path / "q")
    assert answer.code == 2
    assert "ERROR low zero or negative: 1\n    SH600003 2015-01-07: low -1\n" in answer.out


def test_validate_passes_odd_data_and_fails_impossible_data(tmp_path):
    frame = market()
    frame.loc[("AAA", day(frame, 3)), "open"] = np.nan
    frame.reset_index().to_csv(tmp_path / "odd.csv", index=False)
    answer = run_cli("data", "validate", tmp_path / "odd.csv")
    assert answer.code == 0
    assert "warning: missing open: 1" in answer.out
    assert "odd.csv: 0 error(s), 1 warning(s)" in answer.out
    frame["high"] = frame["low"] * 0.9
    frame.reset_index().to_csv(tmp_path / "bad.csv", index=False)
    answer = run_cli("data", "validate", tmp_path / "bad.csv", "--limit", "2")
    assert answer.code == 2
    lines = answer.out.splitlines()
    at = lines.index("ERROR high below low: 180")
    assert lines[at + 1].startswith("    AAA 2020-01-01: high 4")
    assert lines[at + 3] == "    and 178 more (--limit shows more)"


def test_what_cannot_be_read_fails_validation_in_one_line(tmp_path):
    frame = market().reset_index()
    pd.concat([frame, frame.iloc[[4]]]).to_csv(tmp_path / "twice.csv", index=False)
    for path, told in (("twice.csv", "repeats AAA on 2020-01-07"), ("none.csv", "no such file")):
        answer = run_cli("data", "validate", tmp_path / path)
        assert answer.code == 2
        assert answer.out == ""
        assert told in answer.err
        assert answer.err.startswith("error: ")
        assert answer.err.count("\n") == 1


def test_inspect_prints_the_calendar_of_coverage(tmp_path):
    frame = market(300).reset_index()
    frame = frame[(frame["symbol"] != "CCC") | (frame["date"] >= "2020-07-01")]
    frame = frame[frame["date"].dt.month != 11]
    frame.to_csv(tmp_path / "m.csv", index=False)
    answer = run_cli("data", "inspect", tmp_path / "m.csv", "--figure", tmp_path / "new" / "m.png")
    assert answer.code == 0
    assert "m.csv: 3 stocks x 279 days, 2020-01-01 .. 2021-02-23" in answer.out
    assert "2020  - - - - - - # # # #   #  2 .. 3" in answer.out
    assert "2021  # #                      3" in answer.out
    assert (tmp_path / "new" / "m.png").read_bytes().startswith(b"\x89PNG")
    lines = heatmap(inspect_panel(load_panel(tmp_path / "m.csv")))
    assert lines[2] == "2020  ▒ ▒ ▒ ▒ ▒ ▒ █ █ █ █   █  2 .. 3"


@pytest.mark.parametrize("left", [0, 3])
def test_a_universe_of_survivors_is_noticed(left):
    frame = market(300, tuple(f"S{i:02d}" for i in range(20))).reset_index()
    gone = [f"S{i:02d}" for i in range(left)]
    frame = frame[~frame["symbol"].isin(gone) | (frame["date"] < "2020-06-01")]
    told = inspect_panel(load_panel(frame)).survivorship
    assert ("probably chosen at the end" in told) == (left == 0)
    assert told.startswith(f"survivorship: {left} of 20 stocks")


def test_a_simulated_market_is_not_suspected_of_hindsight():
    told = inspect_panel(planted_market("null", stocks=20, days=600).panel).survivorship
    assert told == "survivorship: none, the market is simulated and no stock leaves it"


def test_convert_keeps_everything_and_refuses_to_overwrite(tmp_path):
    source = planted_market("relation", stocks=12, days=40).panel
    spec = "planted:relation?stocks=12&days=40"
    answer = run_cli("data", "convert", spec, tmp_path / "a.parquet")
    assert answer.code == 0
    assert f"--concepts {tmp_path / 'a.parquet.concepts.csv'}" in answer.out
    for start, target in (("a.parquet", "b"), ("b", "c.csv"), ("c.csv", "d.csv.gz"), ("d.csv.gz", "e.parquet")):
        assert run_cli("data", "convert", tmp_path / start, tmp_path / target).code == 0
        assert difference(read_exact(tmp_path / target), source) == ""
    again = run_cli("data", "convert", tmp_path / "b", tmp_path / "c.csv")
    assert (again.code, again.out) == (2, "")
    assert "c.csv: exists already; --force replaces it" in again.err
    assert run_cli("data", "convert", tmp_path / "b", tmp_path / "c.csv", "--force").code == 0
    wrong = run_cli("data", "convert", tmp_path / "nothing", tmp_path / "x.xls")
    assert wrong.code == 2
    assert "says no format that can be written" in wrong.err


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_names_that_a_spreadsheet_would_execute_are_told_and_prefixed_where_asked(tmp_path, name):
    frame = market().reset_index()
    frame["sector"] = frame["symbol"].map({"AAA": "+cmd|calc", "BBB": "=HYPERLINK(1)", "CCC": "steel"})
    frame = frame.replace({"symbol": {"AAA": "=1+1", "BBB": "-5", "CCC": "#C"}})
    frame.to_parquet(tmp_path / "m.parquet")
    command = ("data", "convert", tmp_path / "m.parquet", tmp_path / name)
    answer = run_cli(*command)
    assert answer.code == 0, answer.err
    assert "3 name(s) that a spreadsheet takes for formulas, such as '=1+1', would be executed" in answer.out
    plain = read_exact(tmp_path / name)
    assert plain.symbols.tolist() == ["#C", "-5", "=1+1"]
    answer = run_cli(*command, "--safe-csv", "--force")
    assert answer.code == 0, answer.err
    assert "are written with a ' before them" in answer.out
    safe = read_exact(tmp_path / name)
    assert safe.symbols.tolist() == ["#C", "'=1+1", "-5"]
    assert safe.concepts is not None
    assert set(safe.concepts.names) == {"'+cmd|calc", "'=HYPERLINK(1)", "steel"}
    np.testing.assert_array_equal(safe.values, plain.values[:, [0, 2, 1]])
    assert "note: " not in run_cli("data", "convert", tmp_path / "m.parquet", tmp_path / "b.parquet").out


@pytest.mark.parametrize(("form", "data"), [("parquet", "prices.parquet"), ("qlib", "prices")])
def test_a_planted_market_is_written_with_its_truth(tmp_path, form, data):
    folder = tmp_path / "m"
    settings = ["--set", "stocks=30", "--set", "days=200", "--set", "seed=3", "--format", form]
    answer = run_cli("data", "plant", "relation", "-o", folder, *settings)
    assert answer.code == 0
    planted = planted_market("relation", stocks=30, days=200, seed=3)
    assert difference(read_exact(folder / data), planted.panel) == ""
    truth = json.loads((folder / "truth.json").read_text())
    assert truth["oracle_ic"] == planted.oracle_ic
    assert abs(truth["oracle_ic_of_these_days"] - 0.25) < 0.05
    assert truth["source"] == planted.panel.name
    assert truth["lags"] == [0]
    assert truth["fields"] == ["close"]
    assert truth["peer_reads"] == [{"quantity": "return", "lag": 0}]
    group = {s: g for g, members in truth["groups"].items() for s in members}
    peers = np.array([[group[a] == group[b] and a != b for b in planted.panel.symbols] for a in planted.panel.symbols])
    np.testing.assert_array_equal(peers, planted.peers)
    signal = pd.read_parquet(folder / "signal.parquet")["signal"].unstack()
    np.testing.assert_array_equal(signal.to_numpy(), planted.signal)
    panel = load_panel(folder / truth["files"]["data"], concepts=folder / truth["files"]["concepts"])
    assert panel.concepts is not None
    assert f"--data {folder / data}" in answer.out
    assert run_cli("data", "plant", "null", "-o", folder).code == 2
    assert run_cli("data", "plant", "null", "-o", folder, "--force", *settings).code == 0
    assert json.loads((folder / "truth.json").read_text())["oracle_ic"] == 0


def test_an_unknown_market_is_named_as_it_was_typed(tmp_path):
    answer = run_cli("data", "plant", "locl", "-o", tmp_path / "m")
    assert answer.code == 2
    assert answer.err.startswith("error: planted:locl: no planted market 'locl' (did you mean 'local'?)")


def test_planting_replaces_nothing_but_planted_markets(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("x")
    answer = run_cli("data", "plant", "local", "-o", tmp_path / "home", "--force")
    assert answer.code == 2
    assert "holds no planted market" in answer.err
    answer = run_cli("data", "plant", "locl", "-o", tmp_path / "x")
    assert "did you mean 'local'" in answer.err
    answer = run_cli("data", "plant", "local", "-o", tmp_path / "x", "--set", "stock=3")
    assert "did you mean 'stocks'" in answer.err
    assert [p.name for p in tmp_path.iterdir()] == ["home"]


def test_features_are_written_as_the_function_gives_them(tmp_path):
    import zoo

    file = tmp_path / "f.parquet"
    answer = run_cli(
        "data", "features", "raw", GOLDEN / "qlib_dir", "-o", file, "--normalize", "--fit-end", "2015-07-14"
    )
    assert answer.code == 0
    expected = zoo.compute_features(zoo.load_panel(GOLDEN / "qlib_dir"), "raw", normalize=True, fit_end="2015-07-14")
    pd.testing.assert_frame_equal(pd.read_parquet(file), expected, check_exact=True)
    assert f"{len(expected):,} rows x 5 factors" in answer.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["alpha15", "planted:null", "-o", "f.parquet"], "did you mean 'alpha158'"),
        (["raw", "planted:null", "-o", "f.csv"], "ends in .parquet"),
        (["raw", "planted:null", "-o", "f.parquet", "--normalize"], "--fit-end"),
        (["raw", "planted:null", "-o", "f.parquet", "--fit-end", "2011-01-03"], "need normalize"),
        (["raw", "no/such.csv", "-o", "f.parquet"], "no such file"),
        (
            ["raw", "no/such.csv", "-o", "f.parquet", "--normalize", "--fit-end", "30.6.2015"],
            "fit_end (--fit-end): '30.6.2015' is not a date; write YYYY-MM-DD",
        ),
        (["raw", "planted:null", "-o", "there.parquet"], "exists already; --force"),
    ],
)
def test_wrong_options_of_features_are_told_before_any_work(arguments, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.parquet").write_text("")
    answer = run_cli("data", "features", *arguments)
    assert answer.code == 2
    assert answer.err.startswith("error: ")
    assert told in answer.err
    assert [p.name for p in tmp_path.iterdir()] == ["there.parquet"]


def test_fetch_lists_its_names_and_tells_errors_in_one_line(tmp_path):
    assert "qlib-cn: " in run_cli("data", "fetch").out
    answer = run_cli("data", "fetch", "qlib-us", "-o", tmp_path)
    assert answer.code == 2
    assert "did you mean 'qlib-cn'" in answer.err


def test_help_imports_neither_torch_nor_pandas():
    code = (
        "import sys, bench.cli; from typer.testing import CliRunner; "
        "print(CliRunner().invoke(bench.cli.app, ['data', '--help']).exit_code, "
        "sorted({'torch', 'pandas', 'pyarrow', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0 []"


@pytest.mark.skipif(not REAL.is_file(), reason="sp500_5yr.parquet is not in ALPHA_ZOO_DATA")
def test_the_faults_of_sp500_5yr_are_found():
    answer = run_cli("data", "inspect", REAL)
    for told in ("missing open: 11", "missing high: 8", "missing low: 8", "high below low: 1", "505 of 505 stocks"):
        assert told in answer.out
    assert run_cli("data", "validate", REAL).code == 2
