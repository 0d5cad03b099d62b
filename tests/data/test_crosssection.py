"""Ranks and correlations by row, against scipy, with ties and holes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr, rankdata, spearmanr

from zoo.crosssection import pearson_rows, percentile_rank_rows, rank_rows, spearman_rows

SHAPES = st.tuples(st.integers(1, 5), st.integers(0, 9))
# few distinct values make ties, some of them the largest numbers there are
VALUES = st.sampled_from([-1e30, -2.0, -0.5, 0.0, -0.0, 1e-12, 0.5, 2.0, 3.0, 1e30, np.nan, np.inf, -np.inf])
ROWS = SHAPES.flatmap(lambda shape: arrays(np.float64, shape, elements=VALUES))
PLAIN = st.one_of(st.sampled_from([0.0, 1.0, 2.0, np.nan]), st.floats(-100, 100).map(lambda x: round(x, 3)))
PAIRS = SHAPES.flatmap(
    lambda shape: st.tuples(arrays(np.float64, shape, elements=PLAIN), arrays(np.float64, shape, elements=PLAIN))
)


def expected_correlation(a: np.ndarray, b: np.ndarray, function) -> float:
    keep = np.isfinite(a) & np.isfinite(b)
    a, b = a[keep], b[keep]
    if len(a) < 2 or len(set(a)) == 1 or len(set(b)) == 1:
        return np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(function(a, b).statistic)


@given(ROWS)
@settings(max_examples=150, deadline=None)
def test_ranks_are_scipys_average_ranks_of_the_finite_entries(values: np.ndarray):
    ranks = rank_rows(values)
    assert ranks.shape == values.shape
    for row, found in zip(values, ranks, strict=True):
        keep = np.isfinite(row)
        np.testing.assert_array_equal(found[keep], rankdata(row[keep]))
        assert np.isnan(found[~keep]).all()


@given(ROWS)
@settings(max_examples=100, deadline=None)
def test_percentile_ranks_are_ranks_over_the_number_present(values: np.ndarray):
    shares = percentile_rank_rows(values)
    for row, found in zip(values, shares, strict=True):
        keep = np.isfinite(row)
        np.testing.assert_allclose(found[keep], rankdata(row[keep]) / max(keep.sum(), 1), rtol=1e-15)
    assert (shares[np.isfinite(shares)] > 0).all()
    assert (shares[np.isfinite(shares)] <= 1).all()


@pytest.mark.parametrize(("ours", "theirs"), [(pearson_rows, pearsonr), (spearman_rows, spearmanr)])
def test_correlations_are_scipys_over_entries_present_in_both(ours, theirs):
    @given(PAIRS)
    @settings(max_examples=150, deadline=None)
    def check(pair: tuple[np.ndarray, np.ndarray]) -> None:
        a, b = pair
        expected = [expected_correlation(x, y, theirs) for x, y in zip(a, b, strict=True)]
        np.testing.assert_allclose(ours(a, b), expected, rtol=0, atol=1e-9)

    check()


@given(PAIRS)
@settings(max_examples=80, deadline=None)
def test_rank_correlation_ignores_any_increasing_change_of_scale(pair: tuple[np.ndarray, np.ndarray]):
    a, b = pair
    np.testing.assert_allclose(spearman_rows(a**3, b), spearman_rows(a, b), rtol=0, atol=1e-12)


@given(PAIRS)
@settings(max_examples=80, deadline=None)
def test_correlation_is_symmetric_odd_and_free_of_scale(pair: tuple[np.ndarray, np.ndarray]):
    a, b = pair
    ic = pearson_rows(a, b)
    np.testing.assert_allclose(pearson_rows(b, a), ic, rtol=0, atol=1e-12)
    np.testing.assert_allclose(pearson_rows(-a, b), -ic, rtol=0, atol=1e-12)
    np.testing.assert_allclose(pearson_rows(8 * a, b), ic, rtol=0, atol=1e-12)


def test_each_row_stands_alone():
    a, b = np.random.default_rng(0).normal(size=(2, 6, 40)).round(1)
    a[2, :30] = np.nan
    for function in (pearson_rows, spearman_rows):
        apart = [function(a[i : i + 1], b[i : i + 1])[0] for i in range(6)]
        np.testing.assert_array_equal(function(a, b), apart)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1.0, np.nan, np.nan], [2.0, 3.0, 4.0]),
        ([np.nan] * 3, [1.0, 2.0, 3.0]),
        ([5.0, 5.0, 5.0], [1.0, 2.0, 3.0]),
        ([0.1, 0.1, 7.0], [1.0, 2.0, np.nan]),
        ([0.1 + 0.2, 0.3, np.inf], [1.0, 1.0, 2.0]),
        ([], []),
    ],
)
def test_fewer_than_two_names_or_a_constant_side_has_no_correlation(a: list[float], b: list[float]):
    for function in (pearson_rows, spearman_rows):
        assert np.isnan(function(np.array([a]), np.array([b]))).all()
        assert np.isnan(function(np.array([b]), np.array([a]))).all()


def test_float32_scores_are_correlated_in_double_precision():
    """Scores that differ in their last digits only: in float32 sums the correlation would be noise."""
    rng = np.random.default_rng(1)
    score = (1000 + rng.normal(size=(1, 500)) * 1e-3).astype(np.float32)
    label = rng.normal(size=(1, 500)) + 500 * (score.astype(np.float64) - 1000)
    expected = np.corrcoef(score.astype(np.float64)[0], label[0])[0, 1]
    assert pearson_rows(score, label)[0] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("dtype", "exponents"), [(np.float64, (-1074, -530, 530, 1020)), (np.float32, (-149, 120))])
def test_correlation_survives_numbers_whose_squares_do_not_fit(dtype, exponents):
    # Around their means 1, 2, 4, 3 and 1, 2, 3, 4 have squares of 5 and 5 and a product of 4.
    a = np.array([[1.0, 2.0, 4.0, 3.0, np.nan], [4.0, 3.0, 1.0, 2.0, np.inf]])
    b = np.array([[1.0, 2.0, 3.0, 4.0, 5.0]] * 2)
    scaled = [(a.astype(dtype), b.astype(dtype))]
    scaled += [tuple(np.ldexp(side, e).astype(dtype) for side in (a, b)) for e in exponents]
    for one, _ in scaled:
        for _, other in scaled:
            np.testing.assert_allclose(pearson_rows(one, other), [0.8, -0.8], rtol=1e-14)
            np.testing.assert_allclose(spearman_rows(one, other), [0.8, -0.8], rtol=1e-14)


def test_inputs_are_left_as_they_were():
    a, b = np.array([[3.0, np.nan, 1.0]]), np.array([[1.0, 2.0, 3.0]])
    copies = a.copy(), b.copy()
    spearman_rows(a, b)
    percentile_rank_rows(a)
    np.testing.assert_array_equal(a, copies[0])
    np.testing.assert_array_equal(b, copies[1])
