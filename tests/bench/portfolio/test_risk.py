from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from bench.portfolio.risk import performance, risk
from zoo.errors import ZooError

GOLDEN = np.load(Path(__file__).parents[2] / "golden" / "metrics_processors.npz")


@pytest.mark.parametrize(("key", "periods"), [("risk_sum", 238), ("risk_sum252", 252)])
def test_risk_reproduces_the_reference(key, periods):
    np.testing.assert_allclose(astuple(risk(GOLDEN["r"], periods)), GOLDEN[key], rtol=1e-9)


def test_compounded_returns_reproduce_the_reference():
    """Its mode `product`: what `performance` does not report of it is worked out here."""
    mean, std, annualised, ratio, drawdown = GOLDEN["risk_product"]
    wealth, logs = np.cumprod(1 + GOLDEN["r"]), np.log1p(GOLDEN["r"])
    assert performance(GOLDEN["r"], 238).annual_return == pytest.approx(annualised, rel=1e-9)
    assert (wealth[-1] ** (1 / len(wealth)) - 1, logs.std(ddof=1)) == pytest.approx((mean, std), rel=1e-9)
    assert mean / std * np.sqrt(238) == pytest.approx(ratio, rel=1e-9)
    assert (wealth / np.maximum.accumulate(wealth) - 1).min() == pytest.approx(drawdown, rel=1e-9)


def test_sum_mode_by_hand():
    # mean 0; deviations .1, -.2, .1: sd = sqrt(.06 / 2); cumsum .1, -.1, 0: lowest .2 under its top.
    found = risk(np.array([0.1, -0.2, 0.1]))
    assert found.mean == pytest.approx(0, abs=1e-15)
    assert found.std == pytest.approx(np.sqrt(0.03))
    assert found.max_drawdown == pytest.approx(-0.2)


def test_an_initial_loss_counts_in_performance_but_not_in_the_reference():
    losing_first = np.array([-0.3, 0.1, 0.1])
    assert risk(losing_first).max_drawdown == 0
    assert performance(losing_first).max_drawdown == pytest.approx(-0.3)


def test_performance_by_hand():
    # Two days of a four-day year: wealth 1.1 * .9 = .99, annual .99^2 - 1; one day of two is won.
    found = performance(np.array([0.1, -0.1]), periods=4)
    assert found.annual_return == pytest.approx(0.99**2 - 1)
    assert found.sharpe == pytest.approx(0, abs=1e-15)
    assert found.win_rate == 0.5
    assert found.max_drawdown == pytest.approx(-0.1)


def test_a_day_without_return_is_not_a_win():
    assert performance(np.array([0.0, 0.0, 0.1, 0.2])).win_rate == 0.5


def test_performance_uses_252_days_and_the_published_table_238():
    daily = np.array([0.01, -0.004, 0.003])
    assert performance(daily).annual_return == pytest.approx(np.prod(1 + daily) ** (252 / 3) - 1)
    assert risk(daily).annualised == pytest.approx(238 * daily.mean())


def test_skipped_days_leave_no_trace():
    daily = np.array([0.01, -0.02, 0.03])
    holed = np.array([np.nan, 0.01, np.nan, -0.02, 0.03])
    assert risk(holed) == risk(daily)
    assert performance(holed) == performance(daily)


def test_figures_without_enough_days_are_missing():
    assert np.isnan(astuple(risk(np.array([np.nan])))).all()
    assert np.isnan(astuple(performance(np.array([])))).all()
    assert np.isnan(risk(np.array([0.01])).ratio)
    # Ten times .1 has a sd of 1e-17 by rounding; a ratio of 1e17 would be nonsense.
    assert np.isnan(risk(np.full(10, 0.1)).ratio)
    assert np.isnan(performance(np.full(10, 0.1)).sharpe)


def test_a_return_that_cannot_be_compounded_has_no_performance():
    assert np.isnan(astuple(performance(np.array([0.1, -1.0])))).all()
    assert risk(np.array([0.1, -5.0])).mean == pytest.approx(-2.45)


def test_less_than_a_bar_a_year_is_refused():
    with pytest.raises(ZooError, match="periods >= 1"):
        risk(np.array([0.1]), periods=0.5)
