"""`bench show`: a run, a trial with its intervals and figures, a failure."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_runs import key_of_trial, run_cli

from bench.records.store import RunStore
from bench.report.final import SCHEMA_VERSION
from bench.stats.bootstrap import bootstrap_means, interval


@pytest.fixture(scope="module")
def key(finished: Path) -> str:
    return key_of_trial(finished, "gru", 1)


@pytest.fixture(scope="module")
def trial(finished: Path, key: str) -> dict[str, Any]:
    return json.loads(run_cli("show", f"small/{key}", "--json", "--results", finished).out)


def refused(*arguments: Any) -> str:
    answer = run_cli("show", *arguments)
    assert answer.code == 2
    assert "Traceback" not in answer.err
    return answer.err


def test_a_trial_reads_as_text(finished, key, trial):
    out = run_cli("show", f"small/{key}", "--results", finished).out
    assert f"GRU (gru), fold 0, seed 1, trial {key}" in out
    assert "hidden_size 4, num_layers 1, dropout 0.0 (default)" in out
    assert f"{trial['n_parameters']:,} trained numbers" in out
    first, last = trial["segments"]["test"]
    assert f"test {first} .. {last}" in out
    assert f"best epoch {trial['fit']['best_epoch']} of {len(trial['fit']['history'])}" in out
    assert f"{trial['fit']['seconds']:.1f} s on cpu" in out
    rank_ic = trial["metrics"]["rank_ic"]
    assert re.search(rf"Rank IC +{re.escape(f'{rank_ic:+.4f}')} \[", out)


def test_the_interval_of_a_trial_is_the_bootstrap_over_its_days(finished, key, trial):
    daily = pd.read_parquet(RunStore.open(finished, "small").trial_folder(key) / "daily.parquet")
    low, high = interval(bootstrap_means(daily["rank_ic"].to_numpy(float), draws=2000, seed=0))
    found = trial["metrics"]
    assert (found["rank_ic_low"], found["rank_ic_high"]) == (pytest.approx(low[0]), pytest.approx(high[0]))
    assert found["rank_ic_low"] < found["rank_ic"] < found["rank_ic_high"]
    assert found["rank_ic"] == pytest.approx(np.nanmean(daily["rank_ic"]))


def test_a_model_fitted_as_a_whole_has_no_epochs(finished):
    out = run_cli("show", f"small/{key_of_trial(finished, 'linear', 0)}", "--results", finished).out
    assert "fitted as a whole" in out
    assert "best epoch" not in out


def test_the_figures_of_a_trial_are_written_and_named(own_copy, key, tmp_path):
    answer = run_cli("show", f"small/{key[:8]}", "--figures", "-o", tmp_path / "drawn", "--results", own_copy)
    assert answer.code == 0, answer.err
    named = [Path(line.removeprefix("figure: ")) for line in answer.out.splitlines() if line.startswith("figure: ")]
    assert {path.name for path in named} >= {"training.svg", "training.png", "predictions.svg", "distribution.png"}
    assert sorted(named) == sorted((tmp_path / "drawn").iterdir())
    assert all(path.stat().st_size > 1000 for path in named)


def test_figures_go_beside_the_run_and_leave_its_trials_alone(own_copy, key):
    store = RunStore.open(own_copy, "small")
    before = sorted(p.name for p in store.trial_folder(key).iterdir())
    answer = run_cli("show", f"small/{key}", "--figures", "--json", "--results", own_copy)
    drawn = json.loads(answer.out)["figures"]
    assert {Path(path).parent for path in drawn} == {store.folder / "figures" / key}
    assert sorted(p.name for p in store.trial_folder(key).iterdir()) == before
    assert store.is_done(key)


def test_a_failed_trial_tells_why(own_copy, key):
    store = RunStore.open(own_copy, "small")
    shutil.rmtree(store.trial_folder(key))
    store.write_failure(key, {"model": "gru", "fold": 0, "seed": 1, "error": "no luck", "details": "at [line] 3"})
    out = run_cli("show", f"small/{key}", "--results", own_copy).out
    assert "gru, fold 0, seed 1" in out
    assert "no luck" in out
    assert "at [line] 3" in out
    assert "nothing to draw" in refused(f"small/{key}", "--figures", "--results", own_copy)


def test_a_damaged_trial_is_refused(own_copy, key):
    path = RunStore.open(own_copy, "small").trial_folder(key) / "daily.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    assert "is damaged" in refused(f"small/{key}", "--results", own_copy)


def test_the_figures_of_a_run_are_drawn_where_asked(finished, tmp_path):
    answer = run_cli("show", "small", "--figures", "-o", tmp_path / "drawn", "--results", finished)
    assert answer.code == 0, answer.err
    told = [line.removeprefix("figure: ") for line in answer.out.splitlines() if line.startswith("figure: ")]
    assert sorted(told) == sorted(str(path) for path in (tmp_path / "drawn").iterdir())
    assert str(tmp_path / "drawn" / "training.svg") in told


def test_a_folder_of_figures_needs_figures(finished):
    assert "add --figures" in refused(f"small/{key_of_trial(finished, 'gru')}", "-o", "x", "--results", finished)


def test_a_start_that_several_trials_share_is_refused(finished):
    assert "6 trials ''" in refused("small/", "--results", finished)


def test_a_run_as_json_is_its_final_report(finished):
    report = json.loads(run_cli("show", "small", "--json", "--results", finished).out)
    assert report["schema_version"] == SCHEMA_VERSION
    assert [row["model"] for row in report["results"]]
