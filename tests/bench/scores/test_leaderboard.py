from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_runs import SMALL, key_of_trial, run_cli

from bench.experiment.formulas import formulas
from bench.records.store import RunStore, key_of
from bench.scores.leaderboard import build_leaderboard, write_frame
from bench.scores.rows import frame_columns
from zoo.errors import ConfigError

Series = Sequence[float]
NAN = float("nan")


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., RunStore]:
    """Writes a run of given Rank ICs by (model, fold, seed); None is a trial that was planned and not stored."""

    def write(trials: dict[tuple[str, int, int], Series | None], *, baseline: str | None = "linear") -> RunStore:
        store = RunStore(tmp_path, "a")
        planned = []
        for (model, fold, seed), rank_ic in trials.items():
            key = key_of(model, fold, seed)
            planned.append({"key": key, "model": model, "fold": fold, "seed": seed})
            if rank_ic is not None:
                put(store, key, model, fold, seed, rank_ic)
        store.write_run(
            {
                "name": "a",
                "models": list(dict.fromkeys(model for model, _, _ in trials)),
                "baseline": baseline,
                "trials": planned,
                "folds": [{}] * (1 + max(fold for _, fold, _ in trials)),
            }
        )
        return store

    return write


def put(store: RunStore, key: str, model: str, fold: int, seed: int, rank_ic: Series) -> None:
    days = pd.date_range("2020-01-01", periods=len(rank_ic)) + pd.Timedelta(days=100 * fold)
    daily = pd.DataFrame(0.5, index=range(len(rank_ic)), columns=list(formulas()))
    daily = daily.assign(rank_ic=rank_ic, ic=np.asarray(rank_ic) / 2, names=10.0)
    daily.insert(0, "datetime", days)
    record = {
        "key": key,
        "model": model,
        "title": model.upper(),
        "scope": "sample",
        "fold": fold,
        "seed": seed,
        "n_parameters": 7,
        "formulas": formulas(),
        "fit": {"seconds": 1.0 + seed},
    }
    store.write_trial(record, lambda folder: daily.to_parquet(folder / "daily.parquet", index=False))


def row(store: RunStore, model: str) -> dict[str, object]:
    frame = build_leaderboard(store).frame
    return frame[frame["model"] == model].iloc[0].to_dict()


def test_the_frame_is_a_pure_function_of_the_records(finished):
    store = RunStore.open(finished, "small")
    first, second = build_leaderboard(store), build_leaderboard(store)
    pd.testing.assert_frame_equal(first.frame, second.frame, check_exact=True)
    pd.testing.assert_frame_equal(first.pairs, second.pairs, check_exact=True)
    pd.testing.assert_frame_equal(first.daily, second.daily, check_exact=True)


def test_the_frame_on_disk_has_the_documented_columns_and_types(finished, tmp_path):
    board = build_leaderboard(RunStore.open(finished, "small"))
    write_frame(board, tmp_path / "frame.parquet")
    found = pd.read_parquet(tmp_path / "frame.parquet")
    pd.testing.assert_frame_equal(found, board.frame)
    assert list(found.columns) == list(frame_columns())
    for name, kind in frame_columns().items():
        assert (kind == "str") == (not pd.api.types.is_numeric_dtype(found[name])), name
        assert kind == "str" or str(found[name].dtype) == kind


def test_a_deleted_trial_makes_its_model_incomplete(own_copy):
    store = RunStore.open(own_copy, "small")
    shutil.rmtree(store.trial_folder(key_of_trial(own_copy, "gru", 1)))
    found = row(store, "gru")
    assert (found["status"], found["n_trials"], found["n_planned"]) == ("incomplete", 1, 2)
    assert found["ranked"]
    assert np.isnan(found["rank_ic_seed_sd"])
    assert row(store, "linear")["status"] == "ok"


def test_a_damaged_trial_counts_as_missing(own_copy):
    store = RunStore.open(own_copy, "small")
    path = store.trial_folder(key_of_trial(own_copy, "gru", 1)) / "daily.parquet"
    path.write_bytes(path.read_bytes()[:-30])
    assert row(store, "gru")["status"] == "incomplete"


def test_a_trial_of_an_older_configuration_is_left_out(store):
    run = store({("linear", 0, 0): [0.1, 0.2]})
    put(run, "f" * 16, "linear", 0, 0, [0.9, 0.9])
    assert row(run, "linear")["rank_ic"] == pytest.approx(0.15)


def test_a_run_without_any_trial_says_so(store):
    with pytest.raises(ConfigError, match="run 'a' has no finished trial yet"):
        build_leaderboard(store({("linear", 0, 0): None}))


def test_models_are_sorted_by_rank_ic_and_those_that_failed_come_last(store):
    run = store(
        {
            ("gone", 0, 0): None,
            ("low", 0, 0): [0.0, 0.1, 0.0],
            ("linear", 0, 0): [0.1, 0.1, 0.2],
            ("high", 0, 0): [0.3, 0.4, 0.3],
        }
    )
    run.write_failure(key_of("gone", 0, 0), {"model": "gone", "error": "no luck"})
    board = build_leaderboard(run)
    assert board.frame["model"].tolist() == ["high", "linear", "low", "gone"]
    assert board.frame["ranked"].tolist() == [True, True, True, False]
    assert board.frame["status"].tolist() == ["ok", "ok", "ok", "failed"]
    assert [f["error"] for f in board.failures.values()] == ["no luck"]


def test_a_model_that_misses_a_whole_fold_is_not_ranked_however_good(store):
    run = store(
        {
            ("linear", 0, 0): [0.1, 0.1, 0.1],
            ("linear", 1, 0): [0.0, 0.1, 0.0],
            ("lucky", 0, 0): [0.9, 0.9, 0.8],
            ("lucky", 1, 0): None,
        }
    )
    board = build_leaderboard(run)
    assert board.frame["model"].tolist() == ["linear", "lucky"]
    found = row(run, "lucky")
    assert not found["ranked"]
    assert found["status"] == "incomplete"
    assert np.isnan(found["versus_baseline"])
    assert board.pairs.empty


def test_nothing_is_compared_with_a_baseline_that_misses_a_fold(store):
    run = store(
        {
            ("linear", 0, 0): [0.1, 0.1, 0.1],
            ("linear", 1, 0): None,
            ("gru", 0, 0): [0.2, 0.1, 0.2],
            ("gru", 1, 0): [0.3, 0.2, 0.1],
        }
    )
    assert row(run, "gru")["ranked"]
    assert np.isnan(row(run, "gru")["versus_baseline"])
    assert np.isnan(row(run, "gru")["versus_baseline_low"])


def test_a_seed_missing_in_one_fold_leaves_the_model_ranked(store):
    run = store(
        {
            ("linear", 0, 0): [0.1, 0.3],
            ("linear", 0, 1): [0.3, 0.5],
            ("linear", 1, 0): [0.4, 0.4],
            ("linear", 1, 1): None,
        }
    )
    found = row(run, "linear")
    assert found["ranked"]
    assert (found["status"], found["n_trials"]) == ("incomplete", 3)
    assert found["rank_ic"] == pytest.approx((0.2 + 0.4 + 0.4 + 0.4) / 4)


def test_seeds_are_averaged_within_a_day_and_their_spread_is_told_apart(store):
    run = store({("linear", 0, 0): [0.1, 0.2, 0.6], ("linear", 0, 1): [0.3, 0.4, 0.2]})
    found = row(run, "linear")
    assert found["rank_ic"] == pytest.approx(0.3)
    assert found["ic"] == pytest.approx(0.15)
    assert found["rank_ic_seed_sd"] == pytest.approx(0.0, abs=1e-12)
    ratio = [np.mean(s) / np.std(s, ddof=1) for s in ([0.1, 0.2, 0.6], [0.3, 0.4, 0.2])]
    assert found["rank_icir"] == pytest.approx(np.mean(ratio))
    assert found["fit_seconds"] == pytest.approx(1.5)
    spread = row(store({("linear", 0, 0): [0.1, 0.2], ("linear", 0, 1): [0.3, 0.2]}), "linear")
    assert spread["rank_ic_seed_sd"] == pytest.approx(np.std([0.15, 0.25], ddof=1))


def test_a_short_fold_weighs_by_its_days(store):
    run = store({("linear", 0, 0): [0.1, 0.1, 0.1, 0.1], ("linear", 1, 0): [0.6]})
    found = row(run, "linear")
    assert found["rank_ic"] == pytest.approx(1.0 / 5)
    assert found["n_days"] == 5
    board = build_leaderboard(run)
    assert board.folds["rank_ic"].tolist() == pytest.approx([0.1, 0.6])
    assert board.folds["days"].tolist() == [4, 1]


def test_skipped_days_do_not_count(store):
    found = row(store({("linear", 0, 0): [0.1, NAN, 0.3]}), "linear")
    assert found["rank_ic"] == pytest.approx(0.2)
    assert found["n_days"] == 2


def test_the_difference_to_the_baseline_is_taken_day_by_day(store):
    rng = np.random.default_rng(0)
    # The days swing by 0.3, the models differ by a steady 0.02: only a paired test can see it.
    days = rng.normal(0, 0.3, 60)
    run = store({("linear", 0, 0): days, ("gru", 0, 0): days + 0.02 + rng.normal(0, 0.001, 60)})
    found = row(run, "gru")
    assert found["versus_baseline"] == pytest.approx(0.02, abs=0.001)
    assert 0.018 < found["versus_baseline_low"] < found["versus_baseline"] < found["versus_baseline_high"] < 0.022
    assert found["rank_ic_half"] > 0.05
    pair = build_leaderboard(run).pairs.iloc[0]
    assert (pair["a"], pair["b"]) == ("gru", "linear")
    assert pair["low"] == pytest.approx(found["versus_baseline_low"])
    assert pair["detectable"] < 0.005


def test_the_baseline_is_not_compared_with_itself_and_may_be_absent(store):
    trials = {("linear", 0, 0): [0.1, 0.2, 0.1], ("gru", 0, 0): [0.1, 0.3, 0.2]}
    assert np.isnan(row(store(trials), "linear")["versus_baseline"])
    assert np.isnan(row(store(trials, baseline=None), "gru")["versus_baseline"])


def test_a_model_without_any_correlation_is_not_ranked(store):
    run = store({("linear", 0, 0): [0.1, 0.2, 0.1], ("flat", 0, 0): [NAN, NAN, NAN]})
    board = build_leaderboard(run)
    assert board.frame["model"].tolist() == ["linear", "flat"]
    assert board.frame["ranked"].tolist() == [True, False]


def test_capture_is_the_share_of_the_oracles_ic(finished):
    board = build_leaderboard(RunStore.open(finished, "small"))
    assert board.oracle is not None
    oracle = pd.read_parquet(finished / "runs" / "small" / "oracle.parquet")
    assert board.oracle["ic"] == pytest.approx(oracle["ic"].mean())
    for _, found in board.frame.iterrows():
        assert found["capture"] == pytest.approx(found["ic"] / oracle["ic"].mean())
        assert found["capture_low"] < found["capture"] < found["capture_high"]


def test_a_figure_that_is_no_number_is_null_in_the_records_and_a_dash_in_the_tables(tmp_path):
    # A penalty that leaves no weight: the same score for every stock, which has no correlation with anything.
    options = ["--set", "models.linear.params.l2=1e300", "--models", "gru", "--seeds", "1", "--no-figures"]
    assert run_cli("run", SMALL, *options, "--jobs", "1", "--results", tmp_path).code == 0
    store = RunStore.open(tmp_path, "small")
    for path in [store.folder / "run.json", *store.trials.glob("*/record.json")]:
        json.loads(path.read_text(), parse_constant=pytest.fail)
    key = key_of_trial(tmp_path, "linear")
    metrics = store.record(key)["metrics"]
    assert [metrics[name] for name in ("ic", "rank_ic", "icir")] == [None] * 3
    assert metrics["mse"] > 0
    shown = run_cli("show", "small", "--results", tmp_path)
    assert shown.code == 0, shown.err
    line = next(line for line in shown.out.splitlines() if line.startswith("linear "))
    assert line.split()[1] == "–"
    assert f"{metrics['mse']:.4f}" in line
    trial = run_cli("show", f"small/{key}", "--results", tmp_path)
    assert trial.code == 0, trial.err
    assert re.search(r"^Rank IC +–$", trial.out, flags=re.MULTILINE)
