"""What the TopkDropout portfolio orders, and what an order does to cash and shares.

Stocks are columns in the order of their names, so that the lower column wins a tie.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.shapes import Bool, Float, Int

DUST = 1e-5
"""An order worth no more than this is not carried out: it is what rounding leaves of nothing."""


@dataclass(frozen=True)
class Costs:
    """Cost of an order: max(value * rate, minimum); an order of zero shares costs nothing.

    Attributes:
        open: rate of buying, a fraction of the value.
        close: rate of selling.
        minimum: in money, per order.
    """

    open: float = 5e-4
    close: float = 15e-4
    minimum: float = 5.0


@dataclass(frozen=True)
class Rules:
    """What a TopkDropout portfolio holds and how it trades; defaults as published, for Chinese shares.

    Attributes:
        topk, n_drop: names to hold, and names compared for replacement each day; both at least 1.
        initial: cash before the first day.
        costs: of every order.
        limit: daily change from which on a name cannot be traded either way; None for markets without.
        risk_degree: part of the cash that the buys of a day may invest.
        lot: real shares that an order is a multiple of; None for markets without.
    """

    topk: int = 50
    n_drop: int = 5
    initial: float = 1e8
    costs: Costs = Costs()
    limit: float | None = 0.095
    risk_degree: float = 0.95
    lot: float | None = 100


def choose(
    score: Float[np.ndarray, " N"], held: Int[np.ndarray, " H"], topk: int, n_drop: int
) -> tuple[Int[np.ndarray, " sold"], Int[np.ndarray, " bought"]]:
    """Columns to sell (ascending) and to buy (best first) for scores `[N]` (NaN = none), `held [H]`.

    Whether a name can trade plays no part. A held name without score ranks below all scores, among several
    the higher column lowest; a name without score is never bought. No score at all: nothing to sell or buy.
    """
    scored = ~np.isnan(score)
    if not scored.any():
        return held[:0], held[:0]
    scored[held] = False
    candidates = _best(score, np.flatnonzero(scored), n_drop + topk - len(held))
    compared = np.concatenate([held, candidates])
    missing = np.isnan(score[compared])
    ranked = compared[np.lexsort((compared, np.where(missing, 0.0, -score[compared]), missing))]
    sell = held[np.isin(held, ranked[-n_drop:])]
    return sell, candidates[: max(len(sell) + topk - len(held), 0)]


def _best(score: np.ndarray, among: np.ndarray, n: int) -> np.ndarray:
    """The `n` best-scored of the ascending columns `among`, best first, ties by column."""
    if n <= 0:
        return among[:0]
    if n < len(among):
        # Cut before sorting: a full sort of the universe each day would dominate the simulation.
        values = score[among]
        among = among[values >= np.partition(values, -n)[-n]]
    return among[np.argsort(-score[among], kind="stable")[:n]]


def within_limit(change: Float[np.ndarray, " N"], limit: float | None) -> Bool[np.ndarray, " N"]:
    """Where -limit < change < limit, compared in float32 as the reference stores it; NaN is within."""
    if limit is None:
        return np.ones(len(change), dtype=bool)
    moved = change.astype(np.float32)
    return ~((moved >= np.float32(limit)) | (moved <= -np.float32(limit)))


class Book:
    """Cash and shares of an account, and the running sums of what it traded and paid.

    Attributes:
        cash: in money.
        shares: `[N]` held, in adjusted units.
        turnover, cost: value traded (bought + sold) and costs paid since the beginning, in money.
        trades: (day, column, value, cost) of every order carried out; the value of a sale is negative.
    """

    def __init__(self, cash: float, n_stocks: int, costs: Costs, lot: float | None) -> None:
        self.cash = cash
        self.shares = np.zeros(n_stocks)
        self.turnover = 0.0
        self.cost = 0.0
        self.trades: list[tuple[int, int, float, float]] = []
        self._costs = costs
        self._lot = lot

    @property
    def held(self) -> np.ndarray:
        """Ascending columns with shares."""
        return np.flatnonzero(self.shares)

    def sell(self, day: int, stock: int, price: float) -> None:
        """Sell the whole holding, unless cash and proceeds together cannot pay the cost."""
        value = float(self.shares[stock]) * price
        cost = max(value * self._costs.close, self._costs.minimum)
        if value <= DUST or self.cash + value < cost:
            return
        self.shares[stock] = 0.0
        self.cash += value - cost
        self._record(day, stock, -value, cost)

    def buy(self, day: int, stock: int, price: float, factor: float, budget: float) -> None:
        """Buy for `budget`, costs on top; for less where cash is short, nothing if cash is below the cost."""
        rate, minimum = self._costs.open, self._costs.minimum
        shares = self._in_lots(budget / price, factor)
        value = shares * price
        cost = max(value * rate, minimum)
        if self.cash < cost:
            return
        if self.cash < value + cost:
            affordable = min(self.cash / (1 + rate), self.cash - minimum) / price
            shares = self._in_lots(min(affordable, shares), factor)
            value = shares * price
            cost = max(value * rate, minimum)
        if value <= DUST:
            return
        self.shares[stock] = shares
        self.cash -= value + cost
        self._record(day, stock, value, cost)

    def _in_lots(self, shares: float, factor: float) -> float:
        """`shares` (adjusted) cut to whole lots of real shares; 0.1 share of slack for rounding."""
        if self._lot is None:
            return shares
        return (shares * factor + 0.1) // self._lot * self._lot / factor

    def _record(self, day: int, stock: int, value: float, cost: float) -> None:
        self.turnover += abs(value)
        self.cost += cost
        self.trades.append((day, stock, value, cost))
