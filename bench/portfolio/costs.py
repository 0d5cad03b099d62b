"""What a portfolio earned, in the published convention and compounded; its break-even cost and capacity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bench.portfolio.orders import Costs
from bench.portfolio.risk import Performance, Risk, performance, risk
from bench.portfolio.topk_dropout import PUBLISHED_COSTS, PortfolioResult
from zoo.errors import DataError, ZooError

COST_RATES = (0.0, 5e-4, 15e-4, 30e-4)
"""Rates of the cost sensitivity: one-way, the same for buying and selling, no minimum."""


class Simulation(Protocol):
    """`topk_dropout` with all but the costs bound, as by `partial(topk_dropout, score, close, ...)`."""

    def __call__(self, *, costs: Costs) -> PortfolioResult: ...


@dataclass(frozen=True)
class CostCase:
    """The portfolio simulated anew at another cost.

    Attributes:
        rate: paid on the value of every buy and every sale, no minimum.
        excess: return - bench - cost in the published convention.
        net: the account itself, compounded.
    """

    rate: float
    excess: Risk
    net: Performance


@dataclass(frozen=True)
class PortfolioReport:
    """Figures of one portfolio; fractions, not per cent.

    Attributes:
        published: excess after costs, `sum` mode and 238 days a year: stands beside qlib's table.
        published_before_costs: the same before costs.
        compounded: excess after costs in the reference's `product` mode, 238 days.
        net: the account after costs, compounded, 252 days.
        bench: the benchmark, compounded, 252 days.
        turnover, cost: mean per day, of the account of the day before; turnover counts buys and sales.
        break_even: see `break_even_rate`.
        sensitivity: one case per rate.
        capacity: see `capacity`; NaN where no traded value was given.
    """

    published: Risk
    published_before_costs: Risk
    compounded: Risk
    net: Performance
    bench: Performance
    turnover: float
    cost: float
    break_even: float
    sensitivity: tuple[CostCase, ...]
    capacity: float


def portfolio_report(
    simulate: Simulation,
    *,
    costs: Costs = PUBLISHED_COSTS,
    rates: Sequence[float] = COST_RATES,
    dollar_volume: np.ndarray | None = None,
    share: float = 0.05,
    covered: float = 0.95,
) -> PortfolioReport:
    """Simulate once with `costs` and once per rate, and report.

    Args:
        dollar_volume: `[D, N]` value traded in the market per day and stock, in money; None = no capacity.
        share, covered: see `capacity`.
    """
    result = simulate(costs=costs)
    excess = result.column("excess")
    return PortfolioReport(
        published=risk(excess),
        published_before_costs=risk(result.column("return") - result.column("bench")),
        compounded=risk(excess, mode="product"),
        net=performance(result.net),
        bench=performance(result.column("bench")),
        turnover=float(result.column("turnover").mean()),
        cost=float(result.column("cost").mean()),
        break_even=break_even_rate(result),
        sensitivity=tuple(_cost_case(simulate, rate) for rate in rates),
        capacity=float("nan") if dollar_volume is None else capacity(result, dollar_volume, share, covered),
    )


def break_even_rate(result: PortfolioResult) -> float:
    """One-way cost per value traded at which the mean daily excess is zero, the trades being what they were.

    mean(return - bench) / mean(turnover); below 0 the portfolio trails its benchmark before costs. NaN
    without trades.
    """
    turnover = float(result.column("turnover").mean())
    gross = float((result.column("return") - result.column("bench")).mean())
    return gross / turnover if turnover > 0 else float("nan")


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


def _cost_case(simulate: Simulation, rate: float) -> CostCase:
    result = simulate(costs=Costs(open=rate, close=rate, minimum=0.0))
    return CostCase(rate, risk(result.column("excess")), performance(result.net))
