"""What trading costs a portfolio: its break-even rate, and its capacity."""

from __future__ import annotations

import numpy as np

from bench.portfolio.topk_dropout import PortfolioResult
from zoo.shapes import Float

COST_RATES = (0.0, 5e-4, 15e-4, 30e-4)
"""Rates of the cost sensitivity: one-way, paid on the value of every buy and every sale, no minimum."""


def break_even_bp(before: Float[np.ndarray, " D"], turnover: Float[np.ndarray, " D"]) -> float:
    """One-way cost, basis points, at which the mean daily excess is zero, the trades being what they were.

    Below 0 the portfolio trails its benchmark before costs. NaN without trades.

    Args:
        before: `[D]` excess before costs.
        turnover: `[D]` value traded as a share of the account.
    """
    traded = float(turnover.mean())
    return 1e4 * float(before.mean()) / traded if traded > 0 else float("nan")


def capacity(
    result: PortfolioResult, dollar_volume: Float[np.ndarray, "D N"], share: float = 0.05, covered: float = 0.95
) -> float:
    """Account size in money up to which a `covered` part of the orders stays within `share` of the volume.

    An order of value v out of an account A (of the day before) meets the dollar volume V of that stock and
    day; scaled with the account it reaches share * V at A * share * V / |v|. The (1 - covered) quantile of
    that over all orders, of which those without a known V are left out. NaN where there are none.

    Args:
        dollar_volume: `[D, N]`, the days and stocks of the simulation's input; NaN = unknown.
    """
    day, stock, value = (result.trades[name].to_numpy() for name in ("day", "stock", "value"))
    start = len(dollar_volume) - len(result.daily)
    account = np.concatenate([[result.initial], result.column("account")[:-1]])[day - start]
    size = account * share * dollar_volume[day, stock].astype(np.float64) / np.abs(value)
    known = size[np.isfinite(size)]
    return float(np.quantile(known, 1 - covered)) if len(known) else float("nan")
