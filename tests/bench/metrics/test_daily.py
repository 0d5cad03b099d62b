from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, spearmanr

from bench.metrics import Scored, list_metrics, metric
from bench.metrics.daily import daily_scores, summary
from zoo.data.labels import train_label

GOLDEN = np.load(Path(__file__).parents[2] / "golden" / "metrics_processors.npz")
NAN = np.nan


def one_day(score: list[float], label: list[float], trained_on: list[float] | None = None) -> pd.Series:
    """The daily row of a single day."""
    trained_on = label if trained_on is None else trained_on
    return daily_scores(np.array([score]), np.array([label]), np.array([trained_on])).iloc[0]


def long_short(score: np.ndarray, label: np.ndarray) -> np.ndarray:
    return metric("long_short").series(Scored(score, label, label))


@pytest.fixture(scope="module")
def golden_daily() -> pd.DataFrame:
    label = GOLDEN["label"].astype(float)
    return daily_scores(GOLDEN["pred"].astype(float), label, train_label(label))


@pytest.mark.parametrize(("column", "key"), [("ic", "ic"), ("rank_ic", "ric")])
def test_daily_correlations_reproduce_the_reference(golden_daily, column, key):
    np.testing.assert_allclose(golden_daily[column], GOLDEN[key], atol=1e-6)


@pytest.mark.parametrize(("name", "key"), [("ic", "IC"), ("icir", "ICIR"), ("rank_ic", "RIC"), ("rank_icir", "RICIR")])
def test_summaries_reproduce_the_reference(golden_daily, name, key):
    assert summary(golden_daily)[name] == pytest.approx(float(GOLDEN[key]), abs=1e-6)


def test_the_train_label_reproduces_the_reference_rank_norm():
    np.testing.assert_allclose(train_label(GOLDEN["label"].astype(float)), GOLDEN["label_rank"], atol=1e-6)


def test_correlations_are_those_of_scipy_with_ties_and_gaps():
    rng = np.random.default_rng(0)
    score, label = rng.integers(0, 6, (30, 25)).astype(float), rng.normal(size=(30, 25)).round(1)
    score[rng.random(score.shape) < 0.2] = NAN
    label[rng.random(label.shape) < 0.2] = NAN
    daily = daily_scores(score, label, label)
    for day in range(30):
        both = np.isfinite(score[day]) & np.isfinite(label[day])
        assert daily["ic"][day] == pytest.approx(pearsonr(score[day][both], label[day][both]).statistic, abs=1e-12)
        assert daily["rank_ic"][day] == pytest.approx(
            spearmanr(score[day][both], label[day][both]).statistic, abs=1e-12
        )
        assert daily["names"][day] == both.sum()


def test_rank_ic_averages_ranks_of_ties():
    # Ranks 1.5, 1.5, 3 against 1, 2, 3: covariance 1.5, variances 1.5 and 2.
    assert one_day([5, 5, 9], [1, 2, 3])["rank_ic"] == pytest.approx(1.5 / np.sqrt(1.5 * 2))


@pytest.mark.parametrize(
    ("score", "label"),
    [
        ([1, 1, 1], [1, 2, 3]),
        ([1, 2, 3], [0.1, 0.1, 0.1]),
        ([1, NAN, NAN], [1, 2, 3]),
        ([1, 2, NAN], [NAN, 2, 3]),
        ([NAN, NAN, NAN], [1, 2, 3]),
    ],
    ids=["constant score", "constant label", "one scored name", "one name in both", "nobody"],
)
def test_a_day_without_a_correlation_is_skipped(score, label):
    day = one_day(score, label)
    assert np.isnan(day["ic"])
    assert np.isnan(day["rank_ic"])
    good = daily_scores(np.array([score, [1, 2, 3]]), np.array([label, [1, 2, 3]]), np.zeros((2, 3)))
    assert summary(good)["rank_ic"] == pytest.approx(1)
    assert summary(good)["days"] == 1


def test_a_score_constant_up_to_its_last_bit_has_no_correlation():
    # 0.1 is not a binary fraction: its mean over 7 names differs from it by rounding.
    assert np.isnan(one_day([0.1] * 7, [1, 2, 3, 4, 5, 6, 7])["ic"])


def test_errors_are_taken_to_the_train_label_over_names_that_have_both():
    day = one_day([1.0, 2.0, NAN, 4.0], [0.1, 0.2, 0.3, NAN], trained_on=[2.0, 0.0, 5.0, 9.0])
    assert day["mse"] == pytest.approx((1 + 4) / 2)
    assert day["mae"] == pytest.approx((1 + 2) / 2)
    assert day["label_square"] == pytest.approx(1.0)
    assert day["names"] == 2


def test_errors_weigh_rows_alike_and_not_days():
    # Day one: three rows with error 1; day two: one row with error 3.
    score = np.array([[1.0, 1.0, 1.0], [3.0, NAN, NAN]])
    found = summary(daily_scores(score, np.zeros((2, 3)), np.zeros((2, 3))))
    assert found["mse"] == pytest.approx((3 * 1 + 9) / 4)
    assert found["mae"] == pytest.approx((3 * 1 + 3) / 4)


def test_r2_is_one_for_the_label_itself_and_zero_for_its_mean():
    label = np.array([[-1.0, 0.0, 1.0, 2.0], [0.0, 4.0, 5.0, 7.0]])
    mean = np.repeat(label.mean(axis=1, keepdims=True), 4, axis=1)
    assert summary(daily_scores(label, label, label))["r2"] == pytest.approx(1)
    assert summary(daily_scores(mean, label, label))["r2"] == pytest.approx(0)


def test_long_short_by_hand():
    # Ten names: the best two gained 8 and 10 %, the worst two lost 4 and 2 %.
    score = np.arange(10.0)[None]
    label = np.array([[-0.04, -0.02, 0, 0, 0, 0, 0, 0, 0.08, 0.10]])
    assert long_short(score, label)[0] == pytest.approx((0.09 + 0.03) / 2)
    assert long_short(-score, label)[0] == pytest.approx(-(0.09 + 0.03) / 2)


def test_long_short_has_as_many_names_on_either_side():
    # A fifth of nine names is one, as in the reference: not the two above the 80th percentile.
    score = np.arange(9.0)[None]
    label = np.array([[-0.5, 0.1, 0, 0, 0, 0, 0, 0.3, 0.7]])
    assert long_short(score, label)[0] == pytest.approx((0.7 + 0.5) / 2)


def test_names_that_tie_for_the_last_place_share_it_and_names_without_label_do_not_count():
    # Ten names have both, so two places a side. Best: the nine, and both sixes share a place; worst: three share two.
    score = np.array([[0.0, 0, 0, 1, 2, 3, 4, 6, 6, 9, 9, NAN]])
    label = np.array([[-0.9, 0.3, 0.0, 0, 0, 0, 0, 0.2, 0.4, 0.5, NAN, 8.0]])
    assert long_short(score, label)[0] == pytest.approx(((0.5 + 0.3) / 2 - (-0.6 / 3)) / 2)


@pytest.mark.parametrize(("score", "label"), [([1] * 5, [1, 2, 3, 4, 5]), ([1, 2, 3, 4, 5], [0.1] * 5)])
def test_long_short_of_a_constant_side_is_missing(score, label):
    assert np.isnan(long_short(np.array([score], dtype=float), np.array([label], dtype=float))[0])


def test_long_short_needs_a_name_on_each_side():
    assert np.isnan(long_short(np.array([[1.0, 2, 3, 4]]), np.array([[1.0, 2, 3, 4]]))[0])
    assert np.isfinite(long_short(np.array([[1.0, 2, 3, 4, 5]]), np.array([[1.0, 2, 3, 4, 5]]))[0])


def test_icir_uses_the_sample_deviation_and_needs_two_days():
    frame = pd.DataFrame(0.0, index=range(3), columns=[m.name for m in list_metrics(derived=False)]).assign(
        ic=[0.1, 0.2, 0.6], names=5.0
    )
    assert summary(frame)["icir"] == pytest.approx(0.3 / np.std([0.1, 0.2, 0.6], ddof=1))
    assert np.isnan(summary(frame.iloc[:1])["icir"])
    assert np.isnan(summary(frame.assign(ic=0.1))["icir"])


def test_a_model_without_a_single_good_day_has_no_number_rather_than_a_wrong_one():
    found = summary(daily_scores(np.full((3, 4), NAN), np.ones((3, 4)), np.ones((3, 4))))
    assert found.pop("days") == 0
    assert all(np.isnan(value) for value in found.values()), found
