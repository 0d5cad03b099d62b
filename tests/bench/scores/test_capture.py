from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_runs import run_cli

from bench.records.documents import write_json
from bench.records.store import RunStore
from bench.scores.capture import read_matrix
from bench.scores.leaderboard import build_leaderboard
from zoo.data.sources.planted import LAST, get_market

MARKETS = ["local", "long", "interaction", "relation", "regime", "mixed", "null"]


@pytest.fixture(scope="module")
def matrix(planted_results: Path):
    return read_matrix(planted_results)


def test_every_market_of_the_experiment_is_a_run_of_its_own_and_a_column_of_the_matrix(planted_results, matrix):
    assert sorted(p.name for p in (planted_results / "runs").iterdir()) == sorted(f"planted-{m}" for m in MARKETS)
    assert matrix.markets == MARKETS
    assert set(matrix.frame["model"]) == {"linear", "lightgbm"}
    assert matrix.missing == {}


def test_a_cell_of_the_matrix_is_the_capture_of_that_markets_report(planted_results, matrix):
    board = build_leaderboard(RunStore.open(planted_results, "planted-local")).frame.set_index("model")
    row = matrix.frame.set_index("model").loc["linear"]
    assert row["local"] == board.loc["linear", "capture"]
    assert (row["local_low"], row["local_high"]) == (
        board.loc["linear", "capture_low"],
        board.loc["linear", "capture_high"],
    )


def test_null_holds_the_ic_itself(planted_results, matrix):
    board = build_leaderboard(RunStore.open(planted_results, "planted-null")).frame.set_index("model")
    row = matrix.frame.set_index("model").loc["linear"]
    assert row["null"] == board.loc["linear", "ic"]
    assert row["null_high"] - row["null"] == pytest.approx(board.loc["linear", "ic_half"])


def test_own_history_is_the_mean_of_its_markets_and_lies_in_its_interval(matrix):
    for row in matrix.frame.to_dict("records"):
        assert row["own_history"] == pytest.approx(np.mean([row[m] for m in ("local", "interaction", "regime")]))
        assert row["own_history_low"] < row["own_history"] < row["own_history_high"]


def test_linear_finds_a_reversal_and_not_the_news_of_peers(matrix):
    row = matrix.frame.set_index("model").loc["linear"]
    assert row["local_low"] > 0.6
    assert row["relation_low"] < 0.3


def test_a_model_that_lacks_a_market_is_told_apart_and_not_averaged(planted_results, tmp_path):
    results = Path(shutil.copytree(planted_results, tmp_path / "results"))
    store = RunStore(results, "planted-long")
    for trial in store.run()["trials"]:
        if trial["model"] == "lightgbm":
            shutil.rmtree(store.trial_folder(trial["key"]))
    found = read_matrix(results)
    assert found is not None
    assert found.frame["model"].tolist() == ["linear"]
    assert found.missing == {"lightgbm": ["long"]}


def test_a_folder_without_planted_runs_has_no_matrix(finished):
    assert read_matrix(finished) is None


def test_an_unknown_market_is_refused_with_the_nearest(tmp_path):
    answer = run_cli("run", "configs/planted.yaml", "--set", "markets=[relaton]", "--results", tmp_path)
    assert answer.code == 2
    assert "did you mean 'relation'" in answer.err


def test_markets_need_a_planted_source(tmp_path):
    answer = run_cli("run", "configs/planted.yaml", "--data", "prices.csv", "--results", tmp_path)
    assert answer.code == 2
    assert "markets are planted, but data.source is prices.csv" in answer.err


def test_markets_share_the_parameters_of_the_source(planted_results):
    run = json.loads((planted_results / "runs" / "planted-long" / "run.json").read_text())
    assert run["config"]["data"]["source"] == "planted:long?stocks=20&days=240"


def test_a_market_of_a_file_that_is_not_here_keeps_the_place_and_the_kind_that_its_run_recorded(
    planted_results, tmp_path
):
    results = Path(shutil.copytree(planted_results, tmp_path / "results"))
    folder = (results / "runs" / "planted-regime").rename(results / "runs" / "planted-storm")
    run = json.loads((folder / "run.json").read_text())
    assert run["market"] == get_market("regime").describe()
    run["market"] |= {"name": "storm", "order": LAST}
    write_json(folder / "run.json", run)
    matrix = read_matrix(results)
    assert matrix is not None
    assert matrix.markets == ["local", "long", "interaction", "relation", "mixed", "null", "storm"]
    assert matrix.own_history == ["local", "interaction", "storm"]
    for market in ("local", "interaction"):
        shutil.rmtree(results / "runs" / f"planted-{market}")
    matrix = read_matrix(results)
    assert matrix is not None
    assert "own_history" not in matrix.frame
