from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_runs import SMALL, key_of_trial
from scipy.stats import spearmanr

from bench.experiment.config import load_config
from bench.experiment.evidence import Evidence, read_evidence, read_scores, write_evidence
from bench.experiment.plan import make_plan
from bench.records.store import RunStore
from bench.report.tables.portfolio import score_table
from bench.scores.diagnostics import (
    BINS,
    DECILE_SERIES,
    DIAGNOSTICS,
    bin_edges,
    deciles,
    diagnose,
    measure_diagnostics,
    standardise,
)
from bench.scores.frames import (
    DecileRow,
    HistogramRow,
    ScoreRow,
    decile_frame,
    histogram_frame,
    score_frame,
)
from bench.stats.bootstrap import bootstrap_means, interval
from zoo.data.labels import raw_label, train_label

NAN = float("nan")


def panel_of(n_days: int = 30, n_stocks: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores that know something of the label, with names missing on either side."""
    rng = np.random.default_rng(seed)
    label = rng.normal(0, 0.02, (n_days, n_stocks))
    score = 20 * label + rng.normal(size=label.shape)
    member = rng.random(label.shape) < 0.95
    label[rng.random(label.shape) < 0.05] = np.nan
    score[rng.random(label.shape) < 0.03] = np.nan
    score[~member], label[~member] = np.nan, np.nan
    return score, label, member


def test_deciles_by_hand():
    ten = np.arange(10.0)[None]
    assert deciles(ten, ten).tolist() == [list(range(1, 11))]
    assert deciles(-ten, ten).tolist() == [list(range(10, 0, -1))]
    # 70 names, where rank / 70 * 10 rounds above whole numbers: still seven names each.
    many = np.arange(70.0)[None]
    assert np.bincount(deciles(many, many)[0]).tolist() == [0] + [7] * 10
    # Tied names share a decile; a name without score or label is in none.
    assert deciles(np.array([[1.0, 1, 1, NAN, 5]]), np.array([[0.0, 0, 0, 0, NAN]])).tolist() == [[7, 7, 7, 0, 0]]


def test_the_daily_deciles_are_those_of_a_group_by():
    score, label, member = panel_of()
    figures, daily = diagnose(score, label, member)
    rows = pd.DataFrame({"day": np.repeat(np.arange(30), 40), "score": score.ravel(), "label": label.ravel()})
    rows["train"] = train_label(label).ravel()
    rows = rows.dropna()
    ranked = rows.groupby("day")["score"]
    rows["decile"] = np.ceil(10 * ranked.rank() / ranked.transform("size") - 1e-9).astype(int)
    means = rows.groupby(["day", "decile"])[["score", "label", "train"]].mean()
    np.testing.assert_allclose(daily[DECILE_SERIES], means["label"].unstack(), rtol=1e-6)
    np.testing.assert_allclose(daily["label"], rows.groupby("day")["label"].mean(), rtol=1e-5)
    by_decile = means.groupby(level="decile").mean()
    np.testing.assert_allclose(figures["decile_score"], by_decile["score"])
    np.testing.assert_allclose(figures["decile_train_label"], by_decile["train"])
    np.testing.assert_allclose(figures["decile_names"], rows.groupby("decile").size() / 30)
    assert (daily.dtypes == np.float32).all()
    assert figures["rows"] == member.sum()
    assert figures["missing_score"] == pytest.approx((member & np.isnan(score)).sum() / member.sum())
    assert figures["missing_label"] == pytest.approx((member & np.isnan(label)).sum() / member.sum())


def test_persistence_is_the_rank_correlation_with_the_day_before():
    score, label, member = panel_of(6)
    daily = diagnose(score, label, member)[1]
    assert np.isnan(daily["rank_autocorrelation"].iloc[0])
    for t in range(1, 6):
        both = np.isfinite(score[t]) & np.isfinite(score[t - 1])
        expected = spearmanr(score[t][both], score[t - 1][both]).statistic
        assert daily["rank_autocorrelation"].iloc[t] == pytest.approx(expected, abs=1e-6)
    same = np.repeat(score[:1], 6, axis=0)
    assert diagnose(same, label, member)[1]["rank_autocorrelation"].iloc[1:].tolist() == pytest.approx([1.0] * 5)


def test_standardised_scores_have_mean_0_and_sd_1_within_each_day():
    score, label, member = panel_of()
    found, spread = standardise(7 + 3 * score)
    np.testing.assert_allclose(np.nanmean(found, axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(np.nanstd(found, axis=1), 1)
    np.testing.assert_allclose(spread, 3 * np.nanstd(score, axis=1))
    counts = diagnose(score, label, member)[0]["histogram"]
    assert sum(counts) == np.isfinite(score).sum()
    low, high = bin_edges(BINS)[10:12]
    values = standardise(score)[0]
    assert counts[10] == ((values >= low) & (values < high)).sum()


def test_the_outermost_bins_hold_what_lies_beyond():
    score = np.zeros((1, 1000))
    score[0, 0], score[0, 1] = 1e6, -1e6
    counts = diagnose(score, score, np.ones(score.shape, dtype=bool))[0]["histogram"]
    assert (counts[0], counts[-1], sum(counts)) == (1, 1, 1000)


def test_days_of_equal_scores_and_days_without_any_are_left_out():
    score = np.array([[0.1] * 6, [NAN] * 6, [1, 2, 3, 4, 5, 6.0]])
    label = np.full((3, 6), 0.01)
    figures, daily = diagnose(score, label, np.ones(score.shape, dtype=bool))
    assert sum(figures["histogram"]) == 6
    assert figures["score_sd"] == pytest.approx(np.std([1, 2, 3, 4, 5, 6]) / 2)
    assert (figures["days"], figures["missing_score"]) == (2, pytest.approx(1 / 3))
    assert daily[["label", *DECILE_SERIES]].iloc[1].isna().all()
    # Six names cannot fill ten deciles.
    assert daily[DECILE_SERIES].iloc[2].notna().sum() == 6


def test_a_run_stores_the_diagnostics_of_every_trial(finished):
    store = RunStore.open(finished, "small")
    run = store.run()
    assert set(read_evidence(store, DIAGNOSTICS).trials) == {t["key"] for t in run["trials"]}
    text = (store.folder / "diagnostics.json").read_text()
    assert "NaN" not in text
    for frame, columns, rows in (
        (decile_frame(store, run), DecileRow, 30),
        (histogram_frame(store, run), HistogramRow, 3 * BINS["count"]),
        (score_frame(store, run), ScoreRow, 3),
    ):
        assert frame.dtypes.astype(str).to_dict() == columns.dtypes()
        assert len(frame) == rows
        assert list(dict.fromkeys(frame["model"])) == run["models"]
        assert np.isfinite(frame.drop(columns="model").to_numpy(dtype=float)).all()
    shares = histogram_frame(store, run).groupby("model")["share"].sum()
    np.testing.assert_allclose(shares, 1)


def test_the_stored_figures_follow_from_scores_and_labels(finished):
    store = RunStore.open(finished, "small")
    plan = make_plan(load_config(SMALL), "gru")
    key, test = key_of_trial(finished, "gru", seed=1), plan.folds[0].test
    days = slice(test.start, test.stop)
    score = read_scores(store, key, plan.panel, test)
    label = raw_label(plan.panel, plan.config.data.label)[days]
    figures, daily = diagnose(score, label, plan.panel.member[days])
    evidence = read_evidence(store, DIAGNOSTICS)
    assert evidence.trials[key].items() >= figures.items()
    stored = evidence.daily[evidence.daily["key"] == key].drop(columns=["key", "datetime"])
    pd.testing.assert_frame_equal(stored.reset_index(drop=True), daily)
    # The last two test days have no label yet.
    assert figures["missing_label"] == pytest.approx(2 / len(test))


def test_measuring_again_does_nothing_and_another_label_is_measured(own_copy):
    store = RunStore.open(own_copy, "small")
    plan = make_plan(load_config(SMALL), "gru,tcn")
    keys = [t.key for t in plan.trials]
    path = store.folder / "diagnostics.json"
    before = path.stat().st_mtime_ns
    measure_diagnostics(plan, store, keys)
    assert path.stat().st_mtime_ns == before
    evidence = read_evidence(store, DIAGNOSTICS)
    write_evidence(
        store, DIAGNOSTICS, Evidence({}, {k: {**e, "settings": {}} for k, e in evidence.trials.items()}, evidence.daily)
    )
    measure_diagnostics(plan, store, keys)
    again = read_evidence(store, DIAGNOSTICS)
    assert again.trials == evidence.trials
    pd.testing.assert_frame_equal(again.daily, evidence.daily)


# The readers


@pytest.fixture
def written(tmp_path: Path):
    """Writes a run of the given daily series by (model, fold, seed): `[T, 12]` label, deciles, autocorrelation."""

    def write(trials: dict[tuple[str, int, int], np.ndarray], **figures: Any) -> RunStore:
        store = RunStore(tmp_path, "a")
        planned, entries, daily = [], {}, []
        for (model, fold, seed), series in trials.items():
            key = f"{model}{fold}{seed}"
            planned.append({"key": key, "model": model, "fold": fold, "seed": seed})
            days = pd.date_range("2020-01-01", periods=len(series)).as_unit("ns") + pd.Timedelta(days=1000 * fold)
            frame = pd.DataFrame(series, columns=["label", *DECILE_SERIES, "rank_autocorrelation"], dtype=np.float32)
            daily.append(frame.assign(datetime=days, key=key))
            entries[key] = {
                "model": model,
                "fold": fold,
                "seed": seed,
                "settings": {"bins": BINS},
                "error": None,
                "days": len(series),
                "block_days": {"label": 1.0, "excess": 2.0, "rank_autocorrelation": 3.0},
                "histogram": [1 + seed] * BINS["count"],
                "score_sd": 0.5 + fold,
                "missing_score": 0.0,
                "missing_label": None,
                **{f"decile_{name}": [1.0 + fold] * 10 for name in ("names", "score", "train_label")},
            }
        store.write_run({"models": list(dict.fromkeys(m for m, _, _ in trials)), "trials": planned})
        write_evidence(store, DIAGNOSTICS, Evidence({"bins": BINS}, entries, pd.concat(daily)))
        return store

    return write


def test_deciles_are_averaged_over_seeds_and_resampled_over_days(written):
    rng = np.random.default_rng(0)
    series = {("gru", 0, s): rng.normal(0.001, 0.01, (40, 12)).astype(np.float32) for s in (0, 1)}
    series["tcn", 0, 0] = rng.normal(0.001, 0.01, (40, 12)).astype(np.float32)
    store = written(series)
    frame = decile_frame(store, store.run())
    gru = np.mean([series["gru", 0, s] for s in (0, 1)], axis=0, dtype=np.float64)
    both = np.hstack([gru, series["tcn", 0, 0]]).astype(np.float64)
    label = np.hstack([both[:, 1:11], both[:, 13:23]])
    excess = np.hstack([both[:, 1:11] - both[:, :1], both[:, 13:23] - both[:, 12:13]])
    for name, expected, block in (("label", label, 1.0), ("excess", excess, 2.0)):
        np.testing.assert_allclose(frame[name], expected.mean(axis=0), rtol=1e-5)
        low, high = interval(bootstrap_means(expected, draws=2000, seed=0, block=block))
        np.testing.assert_allclose(frame[f"{name}_low"], low, atol=1e-8)
        np.testing.assert_allclose(frame[f"{name}_high"], high, atol=1e-8)


def test_folds_count_by_their_days(written):
    rng = np.random.default_rng(1)
    series = {("gru", f, 0): rng.normal(size=(10 + 30 * f, 12)) for f in (0, 1)}
    store = written(series)
    row = score_frame(store, store.run()).iloc[0]
    assert row["score_sd"] == pytest.approx((10 * 0.5 + 40 * 1.5) / 50)
    every = np.concatenate([series["gru", 0, 0], series["gru", 1, 0]])
    assert row["rank_autocorrelation"] == pytest.approx(every[:, 11].mean(), rel=1e-5)
    assert row["rank_autocorrelation_low"] < row["rank_autocorrelation"] < row["rank_autocorrelation_high"]
    assert (row["n_days"], row["n_trials"]) == (50, 2)
    assert np.isnan(row["missing_label"])
    np.testing.assert_allclose(decile_frame(store, store.run())["names"], (10 * 1 + 40 * 2) / 50)
    table = score_table(score_frame(store, store.run()))
    assert table is not None
    assert table.texts[0][2:] == ["1.300", "0.0", "–"]


def test_a_decile_that_is_never_filled_is_nan(written):
    series = np.random.default_rng(2).normal(size=(30, 12))
    series[:, 5] = np.nan
    store = written({("gru", 0, 0): series})
    frame = decile_frame(store, store.run())
    empty = frame["label"].isna()
    assert frame.loc[empty, "decile"].tolist() == [5]
    assert frame.loc[empty, ["label_low", "label_high", "excess", "excess_low"]].isna().all(axis=None)


def test_a_run_without_diagnostics_has_empty_frames(tmp_path):
    store = RunStore(tmp_path, "a")
    store.write_run({"models": ["gru"], "trials": [{"key": "k", "model": "gru", "fold": 0, "seed": 0}]})
    for read, columns in (
        (decile_frame, DecileRow),
        (histogram_frame, HistogramRow),
        (score_frame, ScoreRow),
    ):
        frame = read(store, store.run())
        assert frame.empty
        assert list(frame.columns) == list(columns.dtypes())
    assert score_table(score_frame(store, store.run())) is None
