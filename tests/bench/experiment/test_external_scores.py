"""Scores from elsewhere as rows of a run: the same days and statistics, nothing that a fit would tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_runs import SMALL, Answer, key_of_trial, run_cli

import bench
import bench.experiment.config
import bench.experiment.plan
import zoo
from bench.records.store import RunStore
from zoo.errors import ZooError

COSTS = {"title", "scope", "n_parameters", "fit_seconds", "latency_ms", "latency_p90_ms", "latency_device"}
QUICKLY: dict[str, Any] = {"config": SMALL, "seeds": 2, "jobs": 1, "figures": False, "progress": False}


def exported(results: Path, folder: Path) -> list[Path]:
    """The scores of both seeds of gru as CSV, in full precision."""
    paths = []
    for seed in (0, 1):
        stored = RunStore.open(results, "small").trial_folder(key_of_trial(results, "gru", seed)) / "scores.parquet"
        paths.append(folder / f"seed{seed}.csv")
        pd.read_parquet(stored).to_csv(paths[-1], index=False)
    return paths


def rerun(results: Path, *arguments: Any) -> Answer:
    return run_cli("run", SMALL, "--models", "gru,tcn", "--jobs", "1", "--results", results, *arguments)


@pytest.fixture(scope="module")
def beside(finished, tmp_path_factory) -> tuple[Path, list[Path], Answer]:
    """Results folder of run `small` with the scores of its own gru fed back as `mine`, their files, the output."""
    import shutil

    folder = tmp_path_factory.mktemp("beside")
    results = Path(shutil.copytree(finished, folder / "results"))
    files = exported(results, folder)
    answer = rerun(results, "--scores", f"mine={files[0]},{files[1]}", "--figures")
    assert answer.code == 0, answer.err
    return results, files, answer


def test_scores_of_a_run_fed_back_give_its_row_to_the_last_bit(beside):
    results, _, _ = beside
    result = bench.open("small", results)
    own, fed = result.table.loc["gru"], result.table.loc["mine"]
    scored = [c for c in own.index if c not in COSTS]
    assert len(scored) > 20
    pd.testing.assert_series_equal(fed[scored], own[scored], check_names=False, check_exact=True)
    portfolio = result._facts.frame("portfolio").set_index("model")
    pd.testing.assert_series_equal(portfolio.loc["mine"], portfolio.loc["gru"], check_names=False, check_exact=True)
    shown = result._facts.frame("scores").set_index("model")
    pd.testing.assert_series_equal(shown.loc["mine"], shown.loc["gru"], check_names=False, check_exact=True)
    pairs = result.pairs.set_index(["a", "b"])
    assert pairs.loc[next(p for p in pairs.index if set(p) == {"mine", "gru"}), "difference"] == 0


def test_a_row_from_elsewhere_says_so_and_has_dashes_where_nothing_is(beside):
    results, _, answer = beside
    assert "0 failed" in answer.out
    report = (results / "runs" / "small" / "comparison.md").read_text()
    row = next(line for line in report.splitlines() if line.startswith("| mine (external)"))
    assert [cell.strip() for cell in row.strip("|").split("|")][-3:] == ["–", "–", "–"]
    assert "Whether they look ahead cannot be checked" in report
    table = bench.open("small", results).table
    assert np.isnan(table.loc["mine", ["n_parameters", "fit_seconds", "latency_ms"]].astype(float)[1:]).all()


def test_every_command_goes_on_with_such_a_row(beside, tmp_path):
    results, _, _ = beside
    key = key_of_trial(results, "mine")
    for command in (
        ("show", "small"), ("show", f"small/{key}"), ("show", f"small/{key}", "--figures", "-o", tmp_path / "f"),
        ("show", "small", "--json"), ("report", "small", "--verify"), ("diff", "small", "small"),
        ("report", "small", "--lang", "zh", "-o", tmp_path / "zh", "--no-figures"), ("list", "runs"),
        ("verify", "small", "--retrain", "1"), ("attribute", "small", "--models", "linear", "--days", "1"),
    ):  # fmt: skip
        answer = run_cli(*command, *([] if command[0] == "list" and len(command) == 1 else ["--results", results]))
        assert answer.code == 0, (command, answer.out, answer.err)
    assert "mine（外部）" in (tmp_path / "zh" / "comparison.md").read_text(encoding="utf-8")


def test_there_is_no_network_to_load(beside):
    results, _, _ = beside
    with pytest.raises(ZooError, match="'mine' is external, scores from a file"):
        zoo.load("small", model="mine", seed=0, results=results)
    panel = zoo.load_panel("planted:local?stocks=20&days=200")
    with pytest.raises(ZooError, match="'mine' is external"):
        bench.open("small", results).models["mine"].predict(panel)


def test_compare_takes_series_frames_and_paths_as_the_same_trials(beside):
    results, files, _ = beside
    frames = [pd.read_csv(file, parse_dates=["datetime"]).set_index(["datetime", "instrument"]) for file in files]
    planned = [t["key"] for t in RunStore.open(results, "small").run()["trials"]]
    stored = {p.name: p.stat().st_mtime_ns for p in results.glob("runs/small/trials/*")}
    for scores in (list(map(str, files)), [frames[0]["score"], frames[1].rename(columns={"score": "gru"})]):
        bench.compare(models="gru,tcn", scores={"mine": scores}, results=results, **QUICKLY)
        assert [t["key"] for t in RunStore.open(results, "small").run()["trials"]] == planned
    assert {p.name: p.stat().st_mtime_ns for p in results.glob("runs/small/trials/*")} == stored


def changed(file: Path, folder: Path, change: Any) -> Path:
    frame = change(pd.read_csv(file))
    frame.to_csv(folder / "changed.csv", index=False)
    return folder / "changed.csv"


def test_an_edited_file_is_a_new_record_and_the_others_stay(beside, tmp_path):
    _, files, _ = beside
    edited = changed(files[0], tmp_path, lambda f: f.assign(score=f["score"].where(f.index != 7, 3.0)))
    one, other = (
        bench.experiment.plan.make_plan(  # type: ignore[attr-defined]
            bench.experiment.config.load_config(SMALL, {"scores": {"mine": str(file)}}), "gru"  # type: ignore[attr-defined]
        )
        for file in (files[0], edited)
    )  # fmt: skip
    keys = [{(t.model, t.seed): t.key for t in plan.trials} for plan in (one, other)]
    assert {name for name in keys[0] if keys[0][name] != keys[1][name]} == {("mine", 0)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(index=[3, 9]), "2 rows of the test days have no score, first "),
        (lambda f: pd.concat([f, f.iloc[[4]]]), "has a score already; remove one"),
        (lambda f: f.assign(score=f["score"].where(f.index != 5)), "row 7, column 'score' is empty"),
        (lambda f: f.assign(score=f["score"].where(f.index != 5, np.inf)), "row 7, column 'score': 'inf' is no finite"),
        (lambda f: f.drop(columns="score"), "no score column"),
        (lambda f: f.assign(instrument="Q" + f["instrument"]), "none of its rows is a day and symbol"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_before_any_work(beside, tmp_path, change, message):
    _, files, _ = beside
    answer = rerun(tmp_path, "--seeds", "1", "--scores", f"mine={changed(files[0], tmp_path, change)}")
    assert answer.code == 2
    assert message in answer.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("gru={file}", "the name 'gru' is taken"),
        ("a-b={file}", "the name 'a-b' must be"),
        ("mine", "must be NAME=FILE"),
        ("mine=nowhere.csv", "no such file"),
    ],
)
def test_a_name_or_file_that_cannot_be_is_refused(beside, tmp_path, given, message):
    _, files, _ = beside
    answer = rerun(tmp_path, "--scores", given.format(file=files[0]))
    assert (answer.code, message in answer.err) == (2, True), answer.err


def test_rows_that_are_not_used_are_counted(beside, tmp_path):
    _, files, _ = beside

    def more(frame: pd.DataFrame) -> pd.DataFrame:
        strange = frame.head(3).assign(instrument=["Q0", "Q1", "Q2"])
        early = frame[frame["datetime"] == frame["datetime"].iloc[0]].assign(datetime="2010-02-01")
        return pd.concat([frame, strange, early])

    answer = run_cli(
        *("check", SMALL, "--models", "gru", "--scores", f"mine={changed(files[0], tmp_path, more)}"),
        *("--results", tmp_path),
    )
    assert answer.code == 0, answer.err
    text = " ".join(answer.out.split())
    assert "3 of symbols that the data do not have, 20 of days outside the test segments are not used" in text


def test_restricting_scores_all_models_on_the_rows_that_every_file_has(beside, tmp_path):
    _, files, _ = beside
    fewer = changed(files[0], tmp_path, lambda f: f.drop(index=range(0, len(f), 7)))
    answer = rerun(tmp_path, "--seeds", "1", "--scores", f"mine={fewer}", "--missing-scores", "restrict")
    assert answer.code == 0, answer.err
    result = bench.open("small", tmp_path)
    # The network of the exported scores, on the same rows: the same row.
    scored = [c for c in result.table.columns if c not in COSTS]
    own, fed = result.table.loc["gru"][scored], result.table.loc["mine"][scored]
    pd.testing.assert_series_equal(fed, own, check_names=False, check_exact=True)
    assert set(result.predictions.notna().sum()) == {len(pd.read_csv(fewer))}
    assert "missing_scores: restrict" in (tmp_path / "runs" / "small" / "comparison.md").read_text()
    plain = {t["key"] for t in RunStore.open(beside[0], "small").run()["trials"]}
    assert not plain & {t["key"] for t in RunStore.open(tmp_path, "small").run()["trials"]}


def test_the_oracle_is_restricted_with_the_models(beside, tmp_path):
    _, files, _ = beside
    fewer = changed(files[0], tmp_path, lambda f: f.drop(index=range(0, len(f), 3)))
    arguments = ("--seeds", "1", "--scores", f"mine={fewer}", "--missing-scores", "restrict", "--jobs", "2")
    assert rerun(tmp_path, *arguments).code == 0
    whole, less = (
        pd.read_parquet(folder / "runs" / "small" / "oracle.parquet")["rank_ic"] for folder in (beside[0], tmp_path)
    )
    assert len(whole) == len(less)
    assert not np.allclose(whole, less, equal_nan=True)


def test_scores_are_of_one_market(tmp_path):
    answer = run_cli("run", "planted", "--scores", "mine=a.csv", "--results", tmp_path)
    assert answer.code == 2
    assert "markets are several data sets" in answer.err


def test_walk_forward_gives_a_record_for_every_fold(tmp_path):
    split = {"mode": "walk_forward", "train": "80d", "valid": "20d", "test": "20d", "step": "40d"}
    panel = zoo.load_panel("planted:local?stocks=20&days=200")
    index = pd.MultiIndex.from_product([panel.days.astype("datetime64[ns]"), panel.symbols.astype(object)])
    scores = pd.Series(np.random.default_rng(0).normal(size=len(index)), index.set_names(["datetime", "instrument"]))
    keywords = {**QUICKLY, "seeds": 1}
    result = bench.compare(models="linear", scores={"noise": scores}, split=split, results=tmp_path, **keywords)
    records = [t for t in RunStore.open(tmp_path, "small").run()["trials"] if t["model"] == "noise"]
    assert [t["fold"] for t in records] == list(range(len(records)))
    assert len(records) > 1
    assert result.table.loc["noise", "ranked"]
    assert json.loads((tmp_path / "runs" / "small" / "final_report.json").read_text())["results"]
