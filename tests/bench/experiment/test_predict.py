from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_runs import SMALL, key_of_trial, run_cli, write_prices

import zoo
from bench.experiment.predict import predict_run, write_scores
from bench.records.store import RunStore
from zoo.errors import ConfigError, DataError

MARKET = "planted:local?stocks=20&days=200"


def stored(results: Path, model: str, seed: int) -> pd.Series:
    """The test scores that the run itself stored."""
    folder = RunStore.open(results, "small").trial_folder(key_of_trial(results, model, seed))
    return pd.read_parquet(folder / "scores.parquet").set_index(["datetime", "instrument"])["score"]


@pytest.fixture(scope="module")
def csv_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A results folder of `small` on a CSV market, and the CSV."""
    folder = tmp_path_factory.mktemp("csv")
    prices = write_prices(folder / "prices.csv")
    answer = run_cli(
        *("run", SMALL, "--models", "gru", "--seeds", "1", "--data", prices, "--name", "small"),
        *("--jobs", "1", "--results", folder / "results"),
    )
    assert answer.code == 0, answer.err
    return folder / "results", prices


@pytest.mark.parametrize("model", ["linear", "gru", "tcn"])
def test_scores_of_the_same_data_are_the_test_scores_of_the_run(finished, model):
    expected = stored(finished, model, 1)
    days = expected.index.get_level_values("datetime")
    found = predict_run(finished, "small", model, MARKET, seed=1, start=str(days.min())[:10], end=str(days.max())[:10])
    assert found.index.equals(expected.index)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)


def test_without_a_seed_the_score_is_the_mean_over_seeds(finished):
    both = [predict_run(finished, "small", "gru", MARKET, seed=s) for s in (0, 1)]
    assert not np.allclose(both[0], both[1])
    np.testing.assert_allclose(predict_run(finished, "small", "gru", MARKET), (both[0] + both[1]) / 2, atol=1e-6)


def test_a_stored_trial_predicts_without_the_harness(finished):
    folder = RunStore.open(finished, "small").trial_folder(key_of_trial(finished, "gru", 1))
    scores = zoo.load(folder).predict(MARKET)
    assert scores.index.names == ["datetime", "instrument"]
    expected = stored(finished, "gru", 1)
    np.testing.assert_allclose(scores.loc[expected.index], expected, atol=1e-6, rtol=0)


def test_the_normalisation_is_the_stored_one_whatever_the_new_data_holds(csv_run, tmp_path):
    results, prices = csv_run
    frame = pd.read_csv(prices)
    days = sorted(frame["date"].unique())
    wild = frame.copy()
    # Everything before the last window is another world: refitted statistics would move all scores.
    early = wild["date"] < days[-25]
    rng = np.random.default_rng(1)
    for column in ("open", "high", "low", "close"):
        wild.loc[early, column] *= rng.uniform(0.1, 10, early.sum())
    wild.loc[early, "volume"] *= 1000
    wild.to_csv(tmp_path / "wild.csv", index=False)
    last = days[-1]
    expected = predict_run(results, "small", "gru", str(prices), start=last)
    found = predict_run(results, "small", "gru", str(tmp_path / "wild.csv"), start=last)
    assert len(found) == 8
    np.testing.assert_array_equal(found, expected)


def test_a_day_needs_only_the_history_of_its_window(csv_run, tmp_path):
    results, prices = csv_run
    frame = pd.read_csv(prices)
    days = sorted(frame["date"].unique())
    # Lookback 5, each day read against 20 days before it.
    frame[frame["date"] >= days[-25]].to_csv(tmp_path / "short.csv", index=False)
    found = predict_run(results, "small", "gru", str(tmp_path / "short.csv"))
    np.testing.assert_allclose(found, predict_run(results, "small", "gru", str(prices), start=days[-1]), atol=1e-6)


def test_too_little_history_says_how_much_is_needed(csv_run, tmp_path):
    results, prices = csv_run
    frame = pd.read_csv(prices)
    frame[frame["date"] >= sorted(frame["date"].unique())[-3]].to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(DataError, match=r"short\.csv: 3 days, but one score reads \d+; give more history"):
        predict_run(results, "small", "gru", str(tmp_path / "short.csv"))


def test_a_score_does_not_depend_on_the_days_after_it(csv_run, tmp_path):
    results, prices = csv_run
    frame = pd.read_csv(prices)
    day = sorted(frame["date"].unique())[60]
    frame[frame["date"] <= day].to_csv(tmp_path / "until.csv", index=False)
    found = predict_run(results, "small", "gru", str(tmp_path / "until.csv"), start=day)
    np.testing.assert_allclose(found, predict_run(results, "small", "gru", str(prices), start=day, end=day), atol=1e-6)


def test_a_folder_with_a_broken_file_predicts_without_it_where_asked_and_the_notes_are_printed(csv_run, tmp_path):
    results, prices = csv_run
    folder = tmp_path / "folder"
    folder.mkdir()
    for symbol, rows in pd.read_csv(prices).groupby("symbol"):
        rows.drop(columns="symbol").to_csv(folder / f"{symbol}.csv", index=False)
    (folder / "S3.csv").write_text("")
    command = ("predict", "small", "--model", "gru", "--data", folder, "-o", tmp_path / "a.csv", "--results", results)
    assert "S3.csv: empty file" in run_cli(*command).err
    answer = run_cli(*command, "--skip-bad-files")
    assert answer.code == 0, answer.err
    assert "note: 1 of 8 file that cannot be read is left out: S3.csv" in answer.out
    assert sorted(set(pd.read_csv(tmp_path / "a.csv")["instrument"])) == [f"S{i}" for i in range(8) if i != 3]
    for command in (
        ("check", SMALL, "--models", "linear", "--data", folder, "--results", tmp_path / "r"),
        ("data", "validate", folder),
        ("data", "convert", folder, tmp_path / "all.parquet"),
    ):
        assert run_cli(*command).code == 2
        assert run_cli(*command, "--skip-bad-files").code == 0


def test_names_that_a_spreadsheet_would_execute_are_told_and_prefixed_where_asked(csv_run, tmp_path):
    results, prices = csv_run
    pd.read_csv(prices).replace({"S0": "=1+1", "S1": "@SUM(A1)", "S2": "-5"}).to_csv(tmp_path / "a.csv", index=False)
    output = tmp_path / "scores.csv"
    command = ("predict", "small", "--model", "gru", "--data", tmp_path / "a.csv", "-o", output, "--results", results)
    answer = run_cli(*command)
    assert "2 name(s) that a spreadsheet takes for formulas, such as '=1+1', would be executed" in answer.out, answer
    assert {"=1+1", "@SUM(A1)", "-5"} < set(pd.read_csv(output)["instrument"])
    assert "are written with a ' before them" in run_cli(*command, "--safe-csv").out
    assert {"'=1+1", "'@SUM(A1)", "-5"} < set(pd.read_csv(output)["instrument"])


def test_unknown_stocks_are_scored_like_any(csv_run, tmp_path):
    results, prices = csv_run
    renamed = pd.read_csv(prices).replace({"S0": "NEW"})
    renamed.to_csv(tmp_path / "renamed.csv", index=False)
    found = predict_run(results, "small", "gru", str(tmp_path / "renamed.csv"))
    expected = predict_run(results, "small", "gru", str(prices))
    np.testing.assert_allclose(found.xs("NEW", level=1), expected.xs("S0", level=1), atol=1e-6)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_command_writes_csv_and_parquet(finished, tmp_path, ending):
    output = tmp_path / f"scores.{ending}"
    answer = run_cli(
        *("predict", "small", "--model", "gru", "--data", MARKET, "-o", output),
        *("--start", "2010-09-01", "--end", "2010-09-03", "--results", finished),
    )
    assert answer.code == 0, answer.err
    assert "60 scores of 3 days 2010-09-01 .. 2010-09-03" in answer.out
    frame = pd.read_csv(output, parse_dates=["datetime"]) if ending == "csv" else pd.read_parquet(output)
    assert list(frame.columns) == ["datetime", "instrument", "score"]
    expected = predict_run(finished, "small", "gru", MARKET, start="2010-09-01", end="2010-09-03")
    np.testing.assert_allclose(frame["score"], expected, rtol=1e-6)
    assert frame["instrument"].tolist() == list(expected.index.get_level_values("instrument"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smal", "--model", "gru"], "no run 'smal' under"),
        (["smal", "--model", "gru"], "did you mean 'small'"),
        (["small", "--model", "gruu"], "run 'small' has no model 'gruu' (did you mean 'gru'?)"),
        (["small", "--model", "gru", "--seed", "7"], "no whole trial of 'gru' with seed 7"),
        (["small", "--model", "gru", "--fold", "3"], "no whole trial of 'gru' in fold 3"),
        (["../small", "--model", "gru"], "no run '../small'"),
        (["small", "--model", "gru", "--start", "2031-01-01"], "no day to score between 2031-01-01"),
        (["small", "--model", "gru", "--start", "yesterday"], "yesterday"),
    ],
)
def test_what_cannot_be_predicted_is_one_message_and_exit_2(finished, tmp_path, arguments, message):
    answer = run_cli("predict", *arguments, "--data", MARKET, "-o", tmp_path / "scores.csv", "--results", finished)
    assert answer.code == 2
    assert answer.err.startswith("error: ")
    assert message in answer.err
    assert not (tmp_path / "scores.csv").exists()


@pytest.mark.parametrize(("name", "message"), [("a.xlsx", "must end in"), ("no/a.csv", "does not exist")])
def test_an_output_that_cannot_be_written_is_refused(tmp_path, name, message):
    with pytest.raises(ConfigError, match=message):
        write_scores(pd.Series(dtype="float32"), tmp_path / name)


def test_a_wrong_output_is_refused_before_the_work(finished, tmp_path):
    answer = run_cli(
        *("predict", "small", "--model", "gru", "--data", tmp_path / "missing.csv"),
        *("-o", tmp_path / "scores.xlsx", "--results", finished),
    )
    assert answer.code == 2
    assert "must end in .parquet or .csv" in answer.err


def test_a_damaged_trial_does_not_predict(own_copy):
    for seed in (0, 1):
        folder = RunStore.open(own_copy, "small").trial_folder(key_of_trial(own_copy, "gru", seed))
        with (folder / "model.safetensors").open("r+b") as stream:
            stream.truncate(40)
    with pytest.raises(ConfigError, match="no whole trial of 'gru'; run it again to restore it"):
        predict_run(own_copy, "small", "gru", MARKET)
