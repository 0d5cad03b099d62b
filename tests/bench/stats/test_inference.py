from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bench.stats.bootstrap import (
    block_length,
    bootstrap_means,
    fallback_block,
    half_width,
    interval,
    optimal_block,
    resampled_means,
    small_sample,
    stationary_days,
)
from bench.stats.inference import (
    false_positive_interval,
    holm,
    model_confidence_set,
    newey_west_t,
    pvalues_of,
    variance_split,
)
from bench.stats.pairs import pair_frame, paired_draws
from zoo.errors import ZooError


def autoregression(rng: np.random.Generator, n_days: int, memory: float, columns: int = 1) -> np.ndarray:
    shocks = rng.normal(size=(n_days + 100, columns))
    for t in range(1, len(shocks)):
        shocks[t] += memory * shocks[t - 1]
    return shocks[100:]


# ---- resampling ----


def test_blocks_run_through_the_circular_calendar_and_have_the_asked_length():
    days = stationary_days(200, 300, 8.0, np.random.default_rng(0))
    follows = (days[:, 1:] - days[:, :-1]) % 200 == 1
    # A day follows its forerunner unless a block begins (1/8), and by luck even then (1/200).
    assert follows.mean() == pytest.approx(7 / 8 + 1 / 8 / 200, abs=0.005)
    assert np.bincount(days.ravel(), minlength=200).min() > 200


def test_a_block_of_one_day_resamples_days_independently():
    daily = np.random.default_rng(1).normal(size=400)
    draws = bootstrap_means(daily, draws=4000, block=1)
    assert draws.std() == pytest.approx(daily.std() / np.sqrt(400), rel=0.05)
    assert draws.mean() == pytest.approx(daily.mean(), abs=0.005)


def test_means_are_those_of_the_drawn_days():
    daily = np.random.default_rng(2).normal(size=(30, 2))
    days = stationary_days(30, 7, 3.0, np.random.default_rng(5))
    np.testing.assert_allclose(resampled_means(daily, draws=7, seed=5, block=3.0), daily[days].mean(axis=1), rtol=1e-12)


@pytest.mark.parametrize("block", [1.0, 3.5])
def test_the_share_of_variance_that_resampling_shows_is_what_it_shows(block):
    daily = np.random.default_rng(25).normal(size=(40, 1500))
    shown = resampled_means(daily, draws=2000, block=block).var(axis=0).mean()
    assert shown * 40 == pytest.approx(small_sample(40, block)[0], rel=0.03)


def test_a_short_series_has_few_degrees_of_freedom_and_a_long_one_needs_no_widening():
    # With a block of one day: the variance with divisor n instead of n - 1, and n - 1 degrees of freedom.
    assert small_sample(50, 1.0) == pytest.approx((49 / 50, 49))
    assert small_sample(50, 5.0)[0] < 0.85
    assert small_sample(50, 5.0)[1] < 15
    share, freedom = small_sample(5000, 5.0)
    assert share > 0.99
    assert freedom > 1000


def test_draws_are_spread_as_t_is_and_keep_the_days_of_the_resample():
    daily = np.random.default_rng(26).normal(size=(30, 2))
    plain, wide = (f(daily, draws=4000, block=2.0) - daily.mean(axis=0) for f in (resampled_means, bootstrap_means))
    share, freedom = small_sample(30, 2.0)
    assert (wide**2).mean() / (plain**2).mean() == pytest.approx(freedom / (freedom - 2) / share, rel=0.1)
    # One factor for all models of a draw, so that draws of a difference are differences of draws.
    np.testing.assert_allclose(wide[:, 0] * plain[:, 1], wide[:, 1] * plain[:, 0], rtol=1e-9, atol=1e-12)


def test_a_single_day_and_a_constant_series_have_no_spread():
    np.testing.assert_array_equal(bootstrap_means(np.array([0.3]), draws=5), 0.3)
    np.testing.assert_allclose(bootstrap_means(np.full(20, 0.3), draws=5), 0.3, rtol=1e-12)


def test_tests_on_few_days_reject_a_true_null_at_their_level():
    series = np.random.default_rng(27).normal(size=(60, 500))
    rejected = {}
    for means in (resampled_means, bootstrap_means):
        found = [interval(means(column, draws=300)) for column in series.T]
        rejected[means] = np.mean([low[0] > 0 or high[0] < 0 for low, high in found])
    assert 0.03 <= rejected[bootstrap_means] <= 0.07
    assert rejected[bootstrap_means] < rejected[resampled_means]


@pytest.mark.parametrize("memory", [-0.5, 0.0, 0.5, 0.95])
@pytest.mark.parametrize("n_days", [20, 73, 900])
def test_the_optimal_block_is_that_of_arch(memory, n_days):
    arch = pytest.importorskip("arch.bootstrap")
    for column in autoregression(np.random.default_rng(28), n_days, memory, columns=8).T:
        expected = arch.optimal_block_length(column)["stationary"].iloc[0]
        assert optimal_block(column) == pytest.approx(expected, rel=1e-12)


def test_columns_share_their_days():
    base = np.random.default_rng(3).normal(size=300)
    draws = bootstrap_means(np.column_stack([base, base + 0.5]), draws=200)
    np.testing.assert_allclose(draws[:, 1] - draws[:, 0], 0.5, rtol=1e-12)


def test_draws_are_a_function_of_the_seed():
    daily = np.random.default_rng(4).normal(size=(100, 3))
    np.testing.assert_array_equal(bootstrap_means(daily, seed=1), bootstrap_means(daily, seed=1))
    assert not np.array_equal(bootstrap_means(daily, seed=1), bootstrap_means(daily, seed=2))


def test_more_draws_begin_with_the_same_draws():
    daily = np.random.default_rng(4).normal(size=(40, 2))
    many = bootstrap_means(daily, draws=1000, block=2)
    np.testing.assert_array_equal(many[:250], bootstrap_means(daily, draws=250, block=2))


def test_skipped_days_count_for_nobody():
    rng = np.random.default_rng(6)
    daily = rng.normal(size=(200, 2))
    holed = np.full((260, 2), np.nan)
    holed[rng.permutation(260)[:200]] = daily
    assert np.isfinite(bootstrap_means(holed)).all()
    padded = np.vstack([np.full((50, 2), np.nan), daily])
    np.testing.assert_array_equal(bootstrap_means(padded), bootstrap_means(daily))


def test_a_column_with_fewer_days_is_averaged_over_its_own():
    daily = np.ones((100, 2))
    daily[:60, 1] = np.nan
    np.testing.assert_allclose(bootstrap_means(daily, block=5), 1.0, rtol=1e-12)


def test_a_column_without_days_has_no_mean():
    daily = np.column_stack([np.arange(30.0), np.full(30, np.nan)])
    draws = bootstrap_means(daily)
    assert np.isfinite(draws[:, 0]).all()
    assert np.isnan(draws[:, 1]).all()
    assert np.isnan(half_width(draws)[1])
    assert np.isnan(bootstrap_means(np.full((5, 2), np.nan))).all()


def test_dependence_over_days_widens_the_interval():
    daily = autoregression(np.random.default_rng(7), 1500, 0.6)
    assert block_length(daily) > 5
    wide = half_width(bootstrap_means(daily))[0]
    naive = half_width(bootstrap_means(daily, block=1))[0]
    # sd of the mean grows by sqrt((1 + .6) / (1 - .6)) = 2.
    assert 1.6 < wide / naive < 2.4


def test_block_length_falls_back_where_it_cannot_be_estimated():
    assert block_length(np.full(100, 0.3)) == pytest.approx(100 ** (1 / 3))
    assert block_length(np.random.default_rng(0).normal(size=12)) == fallback_block(12)
    assert fallback_block(0) == 1


def test_a_constant_column_does_not_disturb_the_block_of_the_others():
    varying = autoregression(np.random.default_rng(8), 300, 0.5)
    assert block_length(np.hstack([varying, np.ones((300, 1))])) == block_length(varying)


@pytest.mark.parametrize("memory", [0.0, 0.3])
def test_intervals_cover_at_their_level(memory):
    series = autoregression(np.random.default_rng(9), 600, memory, columns=300)
    low, high = interval(np.hstack([bootstrap_means(column, draws=300) for column in series.T]))
    # 95 % nominal; a block bootstrap of a dependent series covers a little less at this length.
    assert 0.90 <= ((low <= 0) & (high >= 0)).mean() <= 0.98


def test_interval_and_half_width_by_hand():
    draws = np.arange(101.0)[:, None]
    low, high = interval(draws, level=0.9)
    assert (low[0], high[0]) == pytest.approx((5, 95))
    assert half_width(draws, level=0.9)[0] == pytest.approx(45)


@pytest.mark.parametrize("bad", [{"draws": 0}, {"block": 0.5}, {"block": np.nan}])
def test_impossible_resampling_is_refused(bad):
    with pytest.raises(ZooError, match="draws"):
        bootstrap_means(np.zeros(5), **bad)


def test_impossible_levels_and_axes_are_refused():
    with pytest.raises(ZooError, match="level"):
        interval(np.zeros((5, 1)), level=95)
    with pytest.raises(ZooError, match="axes"):
        bootstrap_means(np.zeros((2, 2, 2)))


# ---- tests of means ----


@pytest.mark.parametrize("lags", [0, 4, None])
def test_newey_west_agrees_with_statsmodels(lags):
    api = pytest.importorskip("statsmodels.api")
    series = 0.1 + autoregression(np.random.default_rng(10), 250, 0.4)[:, 0]
    # floor(4 * 2.5^(2/9)) = floor(4.90) = 4
    settings = {"maxlags": 4 if lags is None else lags, "use_correction": False}
    expected = api.OLS(series, np.ones(250)).fit(cov_type="HAC", cov_kwds=settings).tvalues[0]
    assert newey_west_t(series, lags) == pytest.approx(expected, rel=1e-10)


def test_newey_west_by_hand():
    # Mean 2, deviations -1, 0, 1: g0 = 2/3, g1 = 0, so t = 2 / sqrt(2/3 / 3) whatever one lag weighs.
    assert newey_west_t(np.array([1.0, np.nan, 2.0, 3.0]), lags=1) == pytest.approx(2 / np.sqrt(2 / 9))


def test_newey_west_needs_a_varying_series():
    assert np.isnan(newey_west_t(np.array([0.1])))
    assert np.isnan(newey_west_t(np.full(50, 0.1)))
    with pytest.raises(ZooError, match="lags"):
        newey_west_t(np.arange(5.0), lags=-1)


def pairs_of(daily: np.ndarray, **settings: int) -> pd.DataFrame:
    """Every pair of the columns of `daily [D, M]`, named by their places."""
    frame = pd.DataFrame(daily, columns=[str(k) for k in range(daily.shape[1])])
    return pair_frame(frame, drawn=paired_draws(frame, **settings))


def test_identical_models_cannot_be_told_apart():
    daily = np.random.default_rng(11).normal(size=(200, 1)).repeat(2, axis=1)
    assert pairs_of(daily)["p"].tolist() == [1.0]


def test_pairs_come_in_triangular_order_and_find_the_better_model():
    noise = np.random.default_rng(12).normal(size=(500, 3))
    pairs = pairs_of(noise + np.array([0.0, 0.0, 1.0]), draws=1000)
    assert list(zip(pairs["a"], pairs["b"], strict=True)) == [("0", "1"), ("0", "2"), ("1", "2")]
    assert pairs["p"][0] > 0.05
    # No draw of 1000 is as far off as the mean difference of 1, 16 standard errors.
    np.testing.assert_allclose(pairs["p"][1:], 1 / 1001)


def test_a_mean_without_draws_has_no_pvalue():
    draws = np.array([[0.1, np.nan], [0.3, 0.2]])
    np.testing.assert_allclose(pvalues_of(np.array([0.2, 0.2]), draws), [1 / 3, np.nan])


def test_paired_tests_reject_a_true_null_at_their_level():
    rng = np.random.default_rng(14)
    repeats = 300
    rejected = 0
    for repeat in range(repeats):
        market = rng.normal(size=(250, 1))
        daily = market + 0.5 * rng.normal(size=(250, 2))
        rejected += pairs_of(daily, draws=300, seed=repeat)["p"][0] <= 0.05
    low, high = false_positive_interval(repeats, 0.05, confidence=0.99)
    assert low <= rejected / repeats <= high


def test_holm_by_hand():
    # Sorted .01 .02 .03 .04 times 4 3 2 1: .04 .06 .06 .04, then non-decreasing: .04 .06 .06 .06.
    found = holm(np.array([0.04, 0.01, np.nan, 0.03, 0.02]))
    np.testing.assert_allclose(found, [0.06, 0.04, np.nan, 0.06, 0.06])
    np.testing.assert_allclose(holm(np.array([0.6, 0.7])), [1.0, 1.0])
    assert holm(np.empty(0)).shape == (0,)


def test_detectable_difference_is_2_8_standard_errors():
    rng = np.random.default_rng(15)
    market = rng.normal(size=2000)
    daily = np.column_stack([market + rng.normal(size=2000), market + rng.normal(size=2000)])
    # SE sqrt(2 / 2000); 1.960 + 0.842 = 2.802
    assert pairs_of(daily)["detectable"][0] == pytest.approx(2.802 * np.sqrt(2 / 2000), rel=0.1)


def test_detectable_difference_is_found_as_often_as_promised():
    rng = np.random.default_rng(16)
    a = rng.normal(size=(400, 200))
    against_zero = [pairs_of(np.column_stack([series, np.zeros(400)]), draws=300) for series in a.T]
    shift = np.mean([pairs["detectable"][0] for pairs in against_zero])
    shifted = [pairs_of(np.column_stack([series + shift, np.zeros(400)]), draws=300)["p"][0] for series in a.T]
    assert 0.68 <= np.mean(np.array(shifted) <= 0.05) <= 0.9


# ---- model confidence set ----


def test_the_confidence_set_keeps_the_best_and_drops_the_worst():
    noise = 0.1 * np.random.default_rng(17).normal(size=(500, 4))
    daily = noise + np.array([0.05, 0.05, 0.04, -0.05])
    best = model_confidence_set(daily)
    assert best.included[:2].all()
    assert not best.included[3]
    assert best.pvalues[3] <= 0.10
    assert best.pvalues.max() == 1.0
    assert best.n_days == 500


def test_identical_models_share_their_place_in_the_confidence_set():
    noise = 0.1 * np.random.default_rng(19).normal(size=(300, 2))
    daily = np.column_stack([noise[:, 0], noise[:, 1] - 0.1, noise[:, 0]])
    found = model_confidence_set(daily)
    assert found.pvalues[0] == found.pvalues[2] == 1.0
    np.testing.assert_array_equal(found.included, [True, False, True])
    np.testing.assert_array_equal(model_confidence_set(daily[:, [0, 2]]).pvalues, [1.0, 1.0])


def test_a_model_without_scores_is_outside_the_confidence_set():
    daily = np.random.default_rng(20).normal(size=(60, 3))
    daily[:, 1] = np.nan
    daily[:10, 2] = np.nan
    found = model_confidence_set(daily)
    assert np.isnan(found.pvalues[1])
    assert not found.included[1]
    assert found.n_days == 50
    assert model_confidence_set(np.full((5, 2), np.nan)).included.sum() == 0


def test_the_confidence_set_holds_the_best_model_as_often_as_promised():
    rng = np.random.default_rng(21)
    held = [
        model_confidence_set(
            rng.normal(size=(200, 4)) + np.array([0.1, 0.1, 0.0, 0.0]), draws=200, seed=repeat, block=1
        )
        .included[:2]
        .all()
        for repeat in range(100)
    ]
    # Nominally at least 90 of 100 keep both equals; 3 standard deviations below is 81.
    assert np.sum(held) >= 81


def test_an_impossible_size_is_refused():
    with pytest.raises(ZooError, match="size"):
        model_confidence_set(np.zeros((5, 2)), size=10)


# ---- variance ----


def test_variance_is_split_into_its_sources():
    rng = np.random.default_rng(22)
    found = []
    for _ in range(60):
        seeds = 0.03 * rng.normal(size=(8, 1))
        days = 0.5 * rng.normal(size=(1, 400))
        rest = 0.2 * rng.normal(size=(8, 400))
        split = variance_split(seeds + days + rest, block=5)
        found.append((split.seeds**2, split.days**2, split.rest**2))
        assert (split.n_seeds, split.n_blocks) == (8, 80)
    # Days and rest are those of the mean of 400 days: .5^2 / 400 and .2^2 / 400.
    np.testing.assert_allclose(np.mean(found, axis=0), [0.0009, 0.25 / 400, 0.04 / 400], rtol=0.15)


def test_variance_by_hand():
    # Block means [[1, 3], [2, 6]]: seeds 2, 4; blocks 1.5, 4.5; grand 3; rest +-.5.
    # MS_seeds = 2 * 2 = 4, MS_blocks = 2 * 4.5 = 9, MS_rest = 4 * .25 / 1 = 1.
    daily = np.array([[1.0, 1.0, 3.0, 3.0], [2.0, 2.0, 6.0, 6.0]])
    found = variance_split(daily, block=2)
    assert found.seeds**2 == pytest.approx((4 - 1) / 2)
    assert found.days**2 == pytest.approx((9 - 1) / 2 / 2)
    assert found.rest**2 == pytest.approx(1 / 2)


def test_one_seed_says_nothing_about_seeds():
    daily = np.random.default_rng(23).normal(size=(1, 500))
    found = variance_split(daily, block=1)
    assert np.isnan(found.seeds)
    assert np.isnan(found.rest)
    assert found.days == pytest.approx(daily.std(ddof=1) / np.sqrt(500))


def test_identical_seeds_vary_not_at_all():
    daily = np.random.default_rng(24).normal(size=(1, 100)).repeat(3, axis=0)
    found = variance_split(daily)
    assert found.seeds == pytest.approx(0, abs=1e-9)
    assert found.rest == pytest.approx(0, abs=1e-9)
    assert found.days > 0


def test_too_few_days_have_no_split():
    assert np.isnan(variance_split(np.zeros((3, 1))).days)
    assert np.isnan(variance_split(np.full((2, 9), np.nan)).seeds)


def test_false_positive_interval_is_the_binomial_one():
    # Binomial(200, .05): P(X <= 3) = .009, P(X <= 4) = .026; P(X <= 15) = .956, P(X <= 16) = .976.
    assert false_positive_interval(200) == pytest.approx((4 / 200, 16 / 200))
    with pytest.raises(ZooError, match="n >= 1"):
        false_positive_interval(0)
