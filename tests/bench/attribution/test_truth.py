from __future__ import annotations

import itertools

import numpy as np
import pytest

from bench.attribution.truth import (
    above,
    average_precision,
    chance_level,
    peer_chance,
    peer_precision,
    precision_interval,
    resampled_means,
    truth_of,
)
from zoo.data.sources.planted import planted_market
from zoo.errors import ConfigError

RAW = ("open", "high", "low", "close", "volume")
ALPHA360 = ("close", "open", "high", "low", "vwap", "volume")


def market(name: str, **params: float):
    return planted_market(name, stocks=8, days=60, **params)


def test_average_precision_is_the_mean_precision_at_the_true_items():
    assert average_precision(np.array([3.0, 2, 1]), np.array([1, 0, 1])) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.array([3.0, 2, 1]), np.array([1, 1, 0])) == 1
    assert average_precision(np.array([3.0, 2, 1, 0]), np.array([0, 0, 0, 1])) == 0.25


@pytest.mark.parametrize("scores", [[2, 2, 1, 1, 0], [1, 1, 1, 1, 1], [3, 1, 1, 1, 0], [0, 5, 5, 2, 2]])
def test_tied_items_count_as_the_mean_over_all_their_orders(scores):
    values, truth = np.array(scores, dtype=float), np.array([1, 0, 1, 0, 1])
    orders = []
    for places in itertools.permutations(range(5)):
        orders.append(average_precision(values + 1e-3 * np.array(places), truth))
    assert average_precision(values, truth) == pytest.approx(np.mean(orders))


def test_chance_is_the_mean_over_all_orders_and_above_the_share_of_true_items():
    truth = np.array([1, 0, 0, 1, 0, 0])
    orders = [average_precision(np.array(p, dtype=float), truth) for p in itertools.permutations(range(6))]
    assert chance_level(truth) == pytest.approx(np.mean(orders))
    assert chance_level(truth) > truth.mean()


@pytest.mark.parametrize("truth", [[0, 0, 0], [1, 1, 1]])
def test_nothing_or_everything_to_find_has_no_precision(truth):
    assert np.isnan(average_precision(np.arange(3.0), np.array(truth)))


def test_a_score_that_is_not_finite_has_no_precision():
    assert np.isnan(average_precision(np.array([1, np.nan, 0]), np.array([1, 0, 0])))


def test_above_is_zero_at_the_floor_and_one_at_perfection():
    assert above(0.3, 0.3) == 0
    assert above(1.0, 0.3) == 1
    assert above(0.2, 0.3) < 0


def test_returns_are_one_cell_in_raw_and_two_closes_in_alpha360():
    raw = truth_of(market("local"), "raw", RAW, 5)
    assert np.argwhere(raw.cells).tolist() == [[2, 3], [3, 3], [4, 3]]
    relative = truth_of(market("local"), "alpha360", ALPHA360, 60)
    assert np.argwhere(relative.cells).tolist() == [[56, 0], [57, 0], [58, 0], [59, 0]]
    assert raw.lags.tolist() == [False, False, True, True, True]


def test_what_peers_are_read_for_counts_and_so_do_the_peers():
    truth = truth_of(market("relation", concepts=2), "raw", RAW, 5)
    assert np.argwhere(truth.cells).tolist() == [[4, 3]]
    assert truth.peers is not None
    assert truth.peers.sum(axis=1).tolist() == [3] * 8
    assert truth_of(market("local"), "raw", RAW, 5).peers is None


def test_cells_outside_the_window_are_not_to_be_found():
    long = market("long", lookback=20)
    assert truth_of(long, "raw", RAW, 20).cells.sum() == 3
    assert truth_of(long, "raw", RAW, 17).cells.sum() == 2
    with pytest.raises(ConfigError, match="nothing to find"):
        truth_of(long, "raw", RAW, 5)


def test_factors_and_the_null_market_have_no_truth():
    with pytest.raises(ConfigError, match="raw and alpha360"):
        truth_of(market("local"), "alpha158", ("KMID",), 1)
    with pytest.raises(ConfigError, match="nothing to find"):
        truth_of(market("null"), "raw", RAW, 5)


def test_peers_are_ranked_stock_by_stock_and_never_the_stock_itself():
    truth = np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], dtype=bool)
    rows = np.array([0, 2])
    perfect = np.array([[9, 2, 1, 1], [0.1, 0.1, 9, 0.2]])
    assert peer_precision(perfect, rows, truth) == 1
    worst = np.array([[9, 0, 1, 1], [1, 1, 9, 0]])
    assert peer_precision(worst, rows, truth) == pytest.approx(1 / 3)
    assert peer_precision(np.ones((2, 4)), rows, truth) == pytest.approx(peer_chance(rows, truth))


def test_rows_are_resampled_by_day_and_by_stock():
    day, stock = np.repeat([5, 9], 3), np.tile([1, 2, 4], 2)
    by_day = resampled_means((day == 9).astype(float)[:, None], day, stock, draws=400)[:, 0]
    # Two days drawn with replacement: none, one or both are day 9, whatever the stocks.
    assert set(np.round(by_day, 12)) == {0.0, 0.5, 1.0}
    assert np.mean(by_day == 0.5) == pytest.approx(0.5, abs=0.1)
    by_stock = resampled_means((stock == 4).astype(float)[:, None], day, stock, draws=400)[:, 0]
    assert set(np.round(3 * by_stock, 9)) == {0.0, 1.0, 2.0, 3.0}


def test_the_interval_covers_the_value_and_is_a_point_where_rows_agree():
    rng = np.random.default_rng(0)
    truth = np.zeros((4, 5), dtype=bool)
    truth[-1] = True
    day, stock = np.repeat(np.arange(5), 20), np.tile(np.arange(20), 5)
    noisy = 0.05 * truth + rng.exponential(1, (100, 4, 5))
    low, high = precision_interval(noisy, truth, day, stock)
    assert low < average_precision(noisy.mean(axis=0), truth) < high
    same = np.broadcast_to(noisy[:1], noisy.shape)
    low, high = precision_interval(same, truth, day, stock)
    assert low == pytest.approx(average_precision(same[0], truth))
    assert high == pytest.approx(low)
