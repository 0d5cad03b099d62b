"""What trading costs a portfolio: its excess at other rates, its break-even rate, its capacity."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.portfolio.orders import Costs
from bench.portfolio.risk import PUBLISHED_DAYS, risk
from bench.portfolio.topk_dropout import PortfolioResult
from zoo.errors import DataError, ZooError

COST_RATES = (0.0, 5e-4, 15e-4, 30e-4)
"""Rates of the cost sensitivity: one-way, the same for buying and selling, no minimum."""


def annual_excess_at(
    simulate: Callable[[Costs], PortfolioResult], rate: float, periods: float = PUBLISHED_DAYS
) -> float:
    """The annual excess of the portfolio simulated anew at a rate, paid on the value of every buy and every sale."""
    return risk(simulate(Costs(open=rate, close=rate, minimum=0.0)).column("excess"), periods=periods).annualised


def break_even_bp(before: np.ndarray, turnover: np.ndarray) -> float:
    """One-way cost, basis points, at which the mean daily excess is zero, the trades being what they were.

    Below 0 the portfolio trails its benchmark before costs. NaN without trades.

    Args:
        before: `[D]` excess before costs.
        turnover: `[D]` value traded as a share of the account.
    """
    traded = float(turnover.mean())
    return 1e4 * float(before.mean()) / traded if traded > 0 else float("nan")


def capacity(result: PortfolioResult, dollar_volume: np.ndarray, share: float = 0.05, covered: float = 0.95) -> float:
    """Account size in money up to which a `covered` part of the orders stays within `share` of the volume.

    An order of value v out of an account A (of the day before) meets the dollar volume V of that stock and
    day; scaled with the account it reaches share * V at A * share * V / |v|. The (1 - covered) quantile of
    that over all orders, of which those without a known V are left out. NaN where there are none.

    Args:
        dollar_volume: `[D, N]`, the days and stocks of the simulation's input; NaN = unknown.

    Raises:
        DataError: `dollar_volume` has fewer days than were simulated or not their stocks.
        ZooError: `share` or `covered` outside (0, 1].
    """
    if not (0 < share <= 1 and 0 < covered <= 1):
        raise ZooError(f"share and covered lie in (0, 1], got share={share}, covered={covered}")
    day = result.trades["day"].to_numpy()
    stock = result.trades["stock"].to_numpy()
    start = len(dollar_volume) - len(result.daily)
    if start < 0 or (len(stock) and stock.max() >= dollar_volume.shape[1]):
        raise DataError(f"dollar_volume has shape {dollar_volume.shape}, too small for the simulated portfolio")
    account = np.concatenate([[result.initial], result.column("account")[:-1]])[day - start]
    market = np.asarray(dollar_volume[day, stock], dtype=np.float64)
    size = account * share * market / np.abs(result.trades["value"].to_numpy())
    known = size[np.isfinite(size)]
    return float(np.quantile(known, 1 - covered)) if len(known) else float("nan")
