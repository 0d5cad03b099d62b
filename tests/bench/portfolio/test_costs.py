from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from simulated import simulated

from bench.portfolio.costs import COST_RATES, break_even_bp, capacity
from bench.portfolio.orders import Costs
from bench.portfolio.risk import risk
from bench.portfolio.topk_dropout import PortfolioResult


def simulation(skill: float, n_days: int = 120, n_stocks: int = 40, **changed):
    """A market in which the score knows a `skill` part of the return after next."""
    rng = np.random.default_rng(1)
    returns = 0.02 * rng.normal(size=(n_days, n_stocks))
    close = 10 * np.exp(np.cumsum(returns, axis=0))
    score = rng.normal(size=close.shape)
    score[:-2] += skill * returns[2:] / 0.02
    names = [f"S{i:02d}" for i in range(n_stocks)]
    settings = {"topk": 8, "n_drop": 2, "limit": None, "lot": None, **changed}
    return partial(simulated, score, close, names=names, **settings)


def break_even(result: PortfolioResult) -> float:
    return 1e-4 * break_even_bp(result.column("return") - result.column("bench"), result.column("turnover"))


def test_costs_eat_the_excess():
    simulate = simulation(0.5)
    annual = [risk(simulate(costs=Costs(rate, rate, 0.0)).column("excess")).annualised for rate in COST_RATES]
    assert annual == sorted(annual, reverse=True)
    published = simulate(costs=Costs())
    before = risk(published.column("return") - published.column("bench")).annualised
    assert annual[0] == pytest.approx(before, rel=0.02)
    # Before costs the excess is better by exactly the costs of the year.
    assert before - risk(published.column("excess")).annualised == pytest.approx(238 * published.column("cost").mean())


def test_a_rate_is_charged_on_both_sides_without_a_minimum():
    simulate = simulation(0.5, initial=100.0)
    result = simulate(costs=Costs(0.001, 0.001, 0.0))
    np.testing.assert_allclose(result.column("cost"), 0.001 * result.column("turnover"), rtol=1e-9)


def test_break_even_by_hand():
    # Day 1 buys A for all of it, turnover 1; day 2 A gains 10 %, the universe 5 %; nothing is traded after.
    score, close = np.array([[2.0, 1], [2, 1], [2, 1]]), np.array([[10.0, 10], [10, 10], [11, 10]])
    result = simulated(
        score,
        close,
        names=["A", "B"],
        topk=1,
        n_drop=1,
        limit=None,
        lot=None,
        risk_degree=1.0,
        costs=Costs(0, 0, 0),
    )
    assert break_even(result) == pytest.approx(0.05)


def test_at_the_break_even_bp_nothing_is_left():
    simulate = simulation(1.0)
    rate = break_even(simulate(costs=Costs(0, 0, 0)))
    assert rate > 0.001
    free = simulate(costs=Costs(0, 0, 0)).column("excess").mean()
    assert abs(simulate(costs=Costs(rate, rate, 0)).column("excess").mean()) < 0.02 * free


def test_a_portfolio_that_never_trades_has_no_break_even():
    result = simulated(np.full((3, 2), np.nan), np.full((3, 2), 10.0), names=["A", "B"])
    assert np.isnan(break_even(result))
    assert np.isnan(capacity(result, np.ones((3, 2))))


def test_capacity_by_hand():
    # From 1000: 500 of A (market 10000) and 500 of B (market 40000). A tenth of the market is 1000 and 4000,
    # reached by accounts of 2000 and 8000.
    result = simulated(
        np.array([[2.0, 1], [2, 1]]),
        np.array([[10.0, 10], [10, 10]]),
        names=["A", "B"],
        topk=2,
        n_drop=1,
        limit=None,
        lot=None,
        risk_degree=1.0,
        initial=1000.0,
        costs=Costs(0, 0, 0),
    )
    volume = np.array([[np.nan, np.nan], [10000, 40000]])
    assert capacity(result, volume, share=0.1, covered=1.0) == pytest.approx(2000)
    assert capacity(result, volume, share=0.1, covered=0.5) == pytest.approx(5000)
    unknown = np.array([[1.0, 1.0], [np.nan, 40000]])
    assert capacity(result, unknown, share=0.1, covered=1.0) == pytest.approx(8000)


def test_capacity_scales_an_order_by_the_account_of_the_day_before():
    # Day 1: 1000 of A out of 1000. Day 2, A doubled: 2000 of A sold, 2000 of B bought, out of 1000.
    result = simulated(
        np.array([[2.0, 1], [1, 2], [1, 2], [1, 2]]),
        np.array([[10.0, 10], [10, 10], [20, 10], [20, 40]]),
        names=["A", "B"],
        topk=1,
        n_drop=1,
        limit=None,
        lot=None,
        risk_degree=1.0,
        initial=1000.0,
        start=1,
        costs=Costs(0, 0, 0),
    )
    volume = np.full((4, 2), 1e4)
    # A tenth of 10000 is the 1000 of day 1 at an account of 1000, the 2000 of day 2 at 500.
    assert capacity(result, volume, share=0.1, covered=1.0) == pytest.approx(500)
    volume[2] = 1e9
    assert capacity(result, volume, share=0.1, covered=1.0) == pytest.approx(1000)


def test_capacity_grows_with_the_share_and_not_with_the_account():
    rng = np.random.default_rng(3)
    volume = rng.uniform(1e6, 2e6, size=(120, 40))
    small = simulation(0.5, initial=1e4)(costs=Costs(0, 0, 0))
    large = simulation(0.5, initial=1e9)(costs=Costs(0, 0, 0))
    assert capacity(large, volume) == pytest.approx(capacity(small, volume), rel=1e-9)
    assert capacity(small, volume, share=0.1) == pytest.approx(2 * capacity(small, volume, share=0.05))


def test_capacity_knows_the_days_before_the_start():
    volume = np.random.default_rng(4).uniform(1e6, 2e6, size=(120, 40))
    result = simulation(0.5, start=60)(costs=Costs(0, 0, 0))
    changed = volume.copy()
    changed[:60] = 1.0
    assert capacity(result, changed) == capacity(result, volume)
