from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from source_files import long_frame

from bench.advice.facts import Facts
from bench.experiment.config import load_config
from bench.experiment.plan import make_plan
from bench.records.store import RunStore
from bench.report.build import build_document
from bench.report.markdown import render_markdown
from bench.runner import execute_plan
from bench.scores.leaderboard import build_leaderboard
from bench.scores.rows import DRAWS
from bench.stats.bootstrap import bootstrap_means, half_width
from zoo.config import WalkForwardSplit
from zoo.data.split import Fold, make_folds
from zoo.errors import ConfigError

DAYS = np.busday_offset("2013-02-08", np.arange(1260), roll="forward")


def folds_of(days: np.ndarray = DAYS, reach: int = 2, first_day: int = 20, **spans: object) -> list[Fold]:
    split = WalkForwardSplit.model_validate({"mode": "walk_forward", "train": "2y", **spans})
    return make_folds(days, split, reach, first_day)


def test_test_segments_follow_each_other_without_gap_or_overlap_to_the_end_of_the_data():
    folds = folds_of()
    assert [fold.index for fold in folds] == [0, 1, 2, 3]
    for before, after in pairwise(folds):
        assert before.test.stop == after.test.start
    assert folds[-1].test.stop == len(DAYS)


def test_spans_are_calendar_months():
    first = folds_of()[0]
    assert DAYS[first.train.start] == np.datetime64("2013-03-08")
    assert DAYS[first.valid.start] == np.datetime64("2015-03-09")  # the 8th is a Sunday
    assert DAYS[first.test.start] == np.datetime64("2015-09-08")
    assert DAYS[first.test.stop] == np.datetime64("2016-03-08")


def test_no_label_of_an_earlier_segment_reads_a_price_of_a_later_one():
    reach = 5
    for fold in folds_of(reach=reach):
        assert fold.train.stop - 1 + reach < fold.valid.start
        assert fold.valid.stop - 1 + reach < fold.test.start
        assert fold.embargo == reach


def test_train_segments_slide_or_grow():
    sliding, growing = folds_of(), folds_of(expanding=True)
    assert [fold.train.start for fold in growing] == [20] * 4
    assert np.diff([fold.train.start for fold in sliding]).min() > 120
    assert [fold.train.stop for fold in sliding] == [fold.train.stop for fold in growing]


@pytest.mark.parametrize("first", ["2013-01-29", "2013-01-31", "2013-08-30", "2013-12-31"])
@pytest.mark.parametrize(("valid", "test"), [("1m", "2m"), ("2m", "1m"), ("3m", "5m"), ("1m", "1m")])
def test_folds_that_start_at_the_end_of_a_month_still_fit_together(first, valid, test):
    days = np.arange(np.datetime64(first), np.datetime64(first) + 1500)
    folds = folds_of(days, first_day=0, train="2m", valid=valid, test=test, step=test)
    assert len(folds) > 5
    assert all(before.test.stop == after.test.start for before, after in pairwise(folds))


@pytest.mark.parametrize("train", ["300d", "17m"])
@pytest.mark.parametrize(("valid", "test"), [("6m", "6m"), ("50d", "6m"), ("6m", "70d")])
def test_folds_fit_together_when_units_are_mixed(train, valid, test):
    folds = folds_of(train=train, valid=valid, test=test, step=test)
    assert len(folds) > 3
    assert all(before.test.stop == after.test.start for before, after in pairwise(folds))


def test_spans_in_days_count_days_of_the_data():
    folds = folds_of(train="500d", valid="100d", test="100d", step="100d")
    assert [fold.test.start for fold in folds] == [620, 720, 820, 920, 1020, 1120]
    assert len(folds[-1].test) == 140


@pytest.mark.parametrize(("days_left", "n_folds"), [(0, 1), (2, 1), (3, 1), (50, 2)])
def test_a_last_test_segment_without_a_label_is_left_out(days_left, n_folds):
    spans = {"train": "500d", "valid": "100d", "test": "100d", "step": "100d"}
    folds = folds_of(DAYS[: 720 + days_left], **spans)
    assert len(folds) == n_folds


def test_folds_that_would_test_a_day_twice_are_refused():
    with pytest.raises(ConfigError, match=r"split\.step 3m is shorter than split\.test 6m"):
        folds_of(step="3m")


def test_too_few_days_are_refused_with_the_spans_asked_for():
    with pytest.raises(ConfigError, match=r"300 days .* too few for train 2y \+ valid 6m \+ test 6m"):
        folds_of(DAYS[:320])


def test_an_embargo_shorter_than_the_reach_needs_force():
    with pytest.raises(ConfigError, match=r"embargo of 1 days is shorter than the label's reach of 2.*split\.force"):
        folds_of(embargo=1)
    assert {fold.embargo for fold in folds_of(embargo=1, force=True)} == {1}
    assert {fold.embargo for fold in folds_of(embargo=7)} == {7}


def settings(source: Path, **split: object) -> dict[str, object]:
    spans = {"mode": "walk_forward", "train": "120d", "valid": "40d", "test": "40d", "step": "40d"}
    return {
        "name": "wf",
        "data.source": str(source),
        "data.lookback": 4,
        "data.split": {**spans, **split},
        "train.max_epochs": 1,
        "models": {"gru": {"params": {"hidden_size": 4, "num_layers": 1}}},
        "seeds": [0, 1],
        "device": "cpu",
    }


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prices") / "prices.csv"
    long_frame(328, [f"S{i}" for i in range(12)], seed=3).to_csv(path, index=False)
    return path


def run(prices: Path, results: Path, **split: object) -> RunStore:
    plan = make_plan(load_config(None, settings(prices, **split)), "linear,gru")
    outcome = execute_plan(plan, results, ["run"])
    assert outcome.failed == 0
    return RunStore.open(results, "wf")


@pytest.fixture(scope="module")
def store(prices: Path, tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return run(prices, tmp_path_factory.mktemp("results"))


def test_a_run_reports_every_fold_and_pools_their_days(store):
    board = build_leaderboard(store)
    folds = board.run["folds"]
    assert len(folds) == 4
    assert len(board.run["trials"]) == 2 * 2 * 4
    parts = board.folds[board.folds["model"] == "gru"]
    assert parts["fold"].tolist() == [0, 1, 2, 3]
    row = board.frame.set_index("model").loc["gru"]
    assert row["n_days"] == parts["days"].sum()
    # A fold of 24 labelled days must not weigh as much as one of 40.
    days = parts["days"].to_numpy()
    assert days.min() < days.max()
    assert row["rank_ic"] == pytest.approx(float((parts["rank_ic"] * days).sum() / days.sum()), abs=1e-12)
    # The interval of a fold is that of a run which tests on its days alone.
    alone = board.daily.loc[folds[1]["test"][0] : folds[1]["test"][1], ["linear", "gru"]]
    halves = half_width(bootstrap_means(alone.to_numpy(), draws=DRAWS, seed=0))
    assert board.fold_halves.loc[1, ["linear", "gru"]].tolist() == pytest.approx(halves.tolist(), abs=1e-12)
    report = render_markdown(build_document(Facts(board, None)))
    assert "## Rank IC by fold" in report
    assert all(f"{fold['test'][0]} .. {fold['test'][1]}" in report for fold in folds)
    assert "Look-ahead: the embargo" not in report


def test_ratios_and_errors_are_those_of_the_pooled_days_of_each_seed(store):
    row = build_leaderboard(store).frame.set_index("model").loc["gru"]
    ratios, errors, means = [], [], []
    for seed in (0, 1):
        trials = [t for t in store.run()["trials"] if t["model"] == "gru" and t["seed"] == seed]
        daily = pd.concat([pd.read_parquet(store.trial_folder(t["key"]) / "daily.parquet") for t in trials])
        rank_ic = daily["rank_ic"].dropna()
        ratios.append(rank_ic.mean() / rank_ic.std(ddof=1))
        means.append(rank_ic.mean())
        errors.append((daily["mse"] * daily["names"]).sum() / daily["names"].sum())
    assert row["rank_icir"] == pytest.approx(np.mean(ratios), abs=1e-12)
    assert row["mse"] == pytest.approx(np.mean(errors), abs=1e-12)
    assert row["rank_ic_seed_sd"] == pytest.approx(np.std(means, ddof=1), abs=1e-12)


def test_a_forced_embargo_is_confessed_in_the_report(prices, tmp_path):
    with pytest.raises(ConfigError, match=r"split\.force"):
        make_plan(load_config(None, settings(prices, embargo=0)), "linear")
    report = render_markdown(
        build_document(Facts(build_leaderboard(run(prices, tmp_path, embargo=0, force=True)), None))
    )
    assert "Look-ahead: the embargo of 0 days is shorter than the label's reach of 2 days" in report
