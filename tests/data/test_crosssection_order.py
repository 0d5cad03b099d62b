"""Ranks where the fast order of values has to step aside, and rows that must not notice each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from zoo.crosssection import pearson_rows, rank_rows, spearman_rows


def ranked_by_scipy(values: np.ndarray) -> np.ndarray:
    return np.stack([rankdata(row) for row in values])


@pytest.mark.parametrize("scale", [1.0, -1.0, 1e300, 1e-300])
def test_values_that_differ_in_their_last_bits_only_are_told_apart(scale):
    rng = np.random.default_rng(0)
    values = scale * (1 + np.finfo(float).eps * rng.integers(0, 40, (7, 300)))
    np.testing.assert_array_equal(rank_rows(values), ranked_by_scipy(values))


def test_zeros_of_both_signs_tie_and_the_largest_number_is_below_absence():
    largest = np.finfo(float).max
    values = np.array([[0.0, -0.0, largest, np.nan, -5e-324, 5e-324, np.inf, largest]])
    np.testing.assert_array_equal(rank_rows(values), [[2.5, 2.5, 5.5, np.nan, 1, 4, np.nan, 5.5]])


def test_single_precision_ranks_are_those_of_the_same_numbers_in_double_precision():
    values = np.random.default_rng(1).normal(size=(5, 2000)).astype(np.float32).round(2)
    np.testing.assert_array_equal(rank_rows(values), ranked_by_scipy(values.astype(float)))


@pytest.mark.parametrize("stocks", [1000, 9000])
def test_a_row_has_the_same_result_alone_and_among_many(stocks):
    # More entries than are worked on at once, rows above and below the size that numpy sums in one go.
    a, b = np.random.default_rng(2).normal(size=(2, 70_000 // stocks, stocks))
    a[:, ::7] = np.nan
    for function in (pearson_rows, spearman_rows):
        alone = [function(a[i : i + 1], b[i : i + 1])[0] for i in range(len(a))]
        np.testing.assert_array_equal(function(a, b), alone)
