"""A stored metric counts under the formula it was computed by: computed anew from scores, or not shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_runs import SMALL, key_of_trial, run_cli, scores_of

from bench.experiment.formulas import formulas, outdated
from bench.metrics import list_metrics, registry
from bench.records.documents import write_json
from bench.records.store import RunStore, digest
from bench.scores.leaderboard import build_leaderboard

RUN = ("run", SMALL, "--models", "linear,gru", "--jobs", "1")


def rows(results: Path) -> pd.DataFrame:
    return build_leaderboard(RunStore.open(results, "small")).frame.set_index("model")


def forget_formula(results: Path, name: str, model: str, seed: int) -> None:
    """Let a trial have a metric by a formula that is no longer there, far from the right value."""
    store = RunStore.open(results, "small")

    def spoil(daily: pd.DataFrame, record: dict[str, Any]) -> None:
        daily[name] = 99.0
        record["formulas"][name] = "of another formula"

    rewrite(store, key_of_trial(results, model, seed), spoil)


def rewrite(store: RunStore, key: str, change: Callable[[pd.DataFrame, dict[str, Any]], Any]) -> None:
    """Change the daily frame and the record of a stored trial, checksums included."""
    folder = store.trial_folder(key)
    record = store.record(key)
    assert record is not None
    daily = pd.read_parquet(folder / "daily.parquet")
    change(daily, record)
    daily.to_parquet(folder / "daily.parquet", index=False)
    record["files"]["daily.parquet"] = digest(folder / "daily.parquet")
    write_json(folder / "record.json", record)


def test_a_formula_edited_between_two_runs_is_never_averaged_with_the_old_one(plugin_metric, tmp_path):
    results = tmp_path / "results"
    file = plugin_metric("size", "np.full(len(day_scores.names), 1.0)")
    first = run_cli(*RUN, "--seeds", "1", "--plugin", file, "--results", results)
    assert first.code == 0, first.err
    assert rows(results)["size"].tolist() == [1, 1]
    scores = scores_of(results)
    plugin_metric("size", "np.full(len(day_scores.names), 2.0)")
    second = run_cli(*RUN, "--seeds", "2", "--plugin", file, "--results", results)
    assert second.code == 0, second.err
    assert "2 trained, 2 stored (2 with metrics computed anew from the scores), 0 failed" in second.out
    assert rows(results)["size"].tolist() == [2, 2]
    assert rows(results)["size_seed_sd"].tolist() == [0, 0]
    assert {key: value for key, value in scores_of(results).items() if key in scores} == scores
    assert (results / "comparison.md").read_text().count("older formula") == 0


def test_a_new_metric_is_filled_in_for_stored_trials_and_the_others_keep_their_bits(plugin_metric, own_copy):
    before, scores = rows(own_copy), scores_of(own_copy)
    file = plugin_metric("half", "np.full(len(day_scores.names), 0.5)")
    report = run_cli("report", "small", "--no-figures", "--plugin", file, "--results", own_copy)
    assert report.code == 0, report.err
    said = "Not stored, or of an older formula, and so not shown: my half of 6 of 6 trials. This computes it: "
    assert said + "python -m bench run" in report.out
    assert said in (own_copy / "comparison.md").read_text()
    assert rows(own_copy)["half"].isna().all()
    answer = run_cli("run", SMALL, "--models", "gru,tcn", "--jobs", "1", "--plugin", file, "--results", own_copy)
    assert answer.code == 0, answer.err
    assert "0 trained, 6 stored (6 with metrics computed anew from the scores)" in answer.out
    after = rows(own_copy)
    assert after["half"].tolist() == [0.5, 0.5, 0.5]
    pd.testing.assert_frame_equal(after[before.columns], before, check_exact=True)
    assert scores_of(own_copy) == scores
    store = RunStore.open(own_copy, "small")
    assert all(store.is_done(trial["key"]) for trial in store.run()["trials"])


def test_a_metric_computed_anew_from_stored_scores_has_the_same_bits(own_copy):
    store, key = RunStore.open(own_copy, "small"), key_of_trial(own_copy, "gru", 1)
    folder = store.trial_folder(key)
    before, record = pd.read_parquet(folder / "daily.parquet"), store.record(key)
    for name in formulas():
        forget_formula(own_copy, name, "gru", 1)
    assert run_cli("run", SMALL, "--models", "gru,tcn", "--jobs", "1", "--results", own_copy).code == 0
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "daily.parquet"), before, check_exact=True)
    assert store.record(key) == record


def test_a_metric_of_another_formula_is_a_dash_for_its_model_and_no_other(own_copy):
    forget_formula(own_copy, "mse", "gru", 1)
    before = rows(own_copy)
    assert np.isnan(before.loc["gru", ["mse", "r2"]].astype(float)).all()
    assert np.isfinite(before.loc["gru", ["mae", "rank_ic"]].astype(float)).all()
    assert np.isfinite(before.loc[["linear", "tcn"], "mse"]).all()
    answer = run_cli("report", "small", "--no-figures", "--results", own_copy)
    assert answer.code == 0, answer.err
    assert "not shown: MSE of 1 of 6 trials" in answer.out
    trial = next(
        t
        for m in json.loads((own_copy / "runs/small/final_report.json").read_text())["models"]
        for t in m["trials"]
        if t["key"] == key_of_trial(own_copy, "gru", 1)
    )
    assert trial["metrics"]["mse"] is None
    shown = run_cli("show", f"small/{trial['key']}", "--results", own_copy)
    assert [line.split() for line in shown.out.splitlines() if line.startswith("MSE")] == [["MSE", "–"]]
    chinese = run_cli("report", "small", "--no-figures", "--lang", "zh", "--results", own_copy)
    assert chinese.code == 0, chinese.err
    assert "MSE（6 次试验中的 1 次）" in (own_copy / "comparison.md").read_text(encoding="utf-8")


def test_a_model_whose_rank_ic_is_of_another_formula_is_not_ranked(own_copy):
    forget_formula(own_copy, "rank_ic", "gru", 0)
    found = rows(own_copy)
    assert found["ranked"].to_dict() == {"linear": True, "tcn": True, "gru": False}
    assert np.isnan(found.loc["gru", "rank_ic"])


@pytest.mark.parametrize("command", ["report", "show"])
def test_a_run_of_which_no_metric_is_current_is_still_reported(command, own_copy):
    store = RunStore.open(own_copy, "small")
    for trial in store.run()["trials"]:
        rewrite(store, trial["key"], lambda daily, record: record.pop("formulas"))
    answer = run_cli(command, "small", "--results", own_copy)
    assert answer.code == 0, answer.err
    assert not rows(own_copy)["ranked"].any()


def test_columns_that_a_plugin_left_behind_are_ignored_and_kept(plugin_metric, own_copy, monkeypatch):
    file = plugin_metric("left", "np.full(len(day_scores.names), 3.0)")
    same = ("run", SMALL, "--models", "gru,tcn", "--jobs", "1", "--results", own_copy)
    assert run_cli(*same, "--plugin", file).code == 0
    monkeypatch.setattr(registry, "_metrics", {m.name: m for m in list_metrics() if m.name != "left"})
    without = run_cli(*same)
    assert "6 stored, 0 failed" in without.out
    assert "left" not in rows(own_copy)
    again = run_cli(*same, "--plugin", file)
    assert "6 stored, 0 failed" in again.out
    assert rows(own_copy)["left"].tolist() == [3, 3, 3]


def test_a_metric_that_fails_is_refused_before_any_training(plugin_metric, tmp_path):
    file = plugin_metric("faulty", "day_scores.nothing")
    answer = run_cli(*RUN, "--plugin", file, "--results", tmp_path / "results")
    assert answer.code == 2
    assert f"metric 'faulty' of {file}: AttributeError" in " ".join(answer.err.split())
    assert not (tmp_path / "results").exists()


def test_committed_runs_were_scored_by_the_formulas_of_today():
    results = Path(__file__).parents[3] / "results"
    runs = ["quick", "sp500", *(path.name for path in sorted((results / "runs").glob("planted-*")))]
    stores = [RunStore(results, name) for name in runs]
    records = [store.record(key) for store in stores for key in sorted(store.keys())[:1]]
    assert len(records) >= 9
    assert [outdated(record) for record in records if record is not None] == [[]] * len(records)
