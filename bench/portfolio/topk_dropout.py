"""The TopkDropout portfolio: hold the best-scored stocks, replace a few a day, pay for every trade.

Same rules as qlib's `TopkDropoutStrategy` on its simulated exchange, trading at the close; where the
reference leaves something to chance (ties, held names without score, which sale comes first) the name
decides. Reports on top: `bench.portfolio.costs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.portfolio.orders import Book, Rules, choose, within_limit
from zoo.errors import DataError
from zoo.shapes import Float

TRADE_DTYPES = {"day": np.int64, "stock": np.int64, "value": np.float64, "cost": np.float64}


@dataclass(frozen=True, eq=False)
class Prices:
    """D days of N stocks.

    Attributes:
        names: N unique names; the alphabetically first wins a tie.
        close: `[D, N]` adjusted; NaN = no trade that day.
        change: `[D, N]` daily change of the price as the market states it, for the limits; NaN blocks nothing. None
            takes close / last present close - 1.
        factor: `[D, N]` adjusted price / price, for the lots; None = unknown.

    Raises:
        DataError: a close or factor that is not above 0.
    """

    names: Sequence[str] | np.ndarray
    close: Float[np.ndarray, "D N"]
    change: Float[np.ndarray, "D N"] | None = None
    factor: Float[np.ndarray, "D N"] | None = None

    def __post_init__(self) -> None:
        for what, values in {"close": self.close, "factor": self.factor}.items():
            if values is None or not (wrong := (values <= 0) | np.isinf(values)).any():
                continue
            day, stock = np.argwhere(wrong)[0]
            raise DataError(f"{what} of {self.names[stock]} on day {day} is {values[day, stock]}: must be above 0")

    def has_factors(self, start: int) -> bool:
        """Whether every present close from a day on has one; only then are orders rounded."""
        if self.factor is None:
            return False
        return not (np.isfinite(self.close[start:]) & ~np.isfinite(self.factor[start:])).any()


@dataclass(frozen=True)
class PortfolioResult:
    """A simulated portfolio of T days.

    Attributes:
        daily: T rows, by position of the day. In money: account (= value + cash), total_turnover and total_cost
            (running sums), value (of the shares), cash. As fractions of the account of the day before (of
            `initial` on the first day): return (before costs), turnover, cost. Then bench and excess = return - bench
            - cost.
        trades: a row per order carried out, in order: day and stock (positions in the input), value (bought
            positive, sold negative) and cost in money.
        initial: cash before the first day.
    """

    daily: pd.DataFrame
    trades: pd.DataFrame
    initial: float

    def column(self, name: str) -> Float[np.ndarray, " T"]:
        """`[T]` float64, one column of `daily`."""
        return self.daily[name].to_numpy(dtype=np.float64)


def topk_dropout(
    score: Float[np.ndarray, "D N"],
    prices: Prices,
    rules: Rules,
    bench: Float[np.ndarray, " D"],
    *,
    start: int = 0,
) -> PortfolioResult:
    """Trade the scores of day t - 1 at the close of t, for every t from `start` on.

    Args:
        score: `[D, N]`, by the day it was made; NaN = no score. The last day's is never traded.
        bench: `[D]` daily return of the benchmark, NaN = 0.
        start: first simulated day; the rows before it only supply earlier scores and closes.
    """
    n_days, n_stocks = prices.close.shape
    # Columns in the order of names, so that the lower of two tied columns is the alphabetically first.
    by_name = np.array(sorted(range(n_stocks), key=lambda column: str(prices.names[column])), dtype=np.int64)
    score, close = _arranged(score, by_name), _arranged(prices.close, by_name)
    change = None if prices.change is None else _arranged(prices.change, by_name)
    rounded = rules.lot is not None and prices.factor is not None and prices.has_factors(start)
    factor = _arranged(prices.factor, by_name) if rounded and prices.factor is not None else None
    book = Book(float(rules.initial), n_stocks, rules.costs, rules.lot if rounded else None)
    last_close = np.full(n_stocks, np.nan)
    for price in close[:start]:
        np.copyto(last_close, price, where=np.isfinite(price))
    totals = np.empty((n_days - start, 4))
    for t in range(start, n_days):
        price = close[t].astype(np.float64)
        if t > 0:
            moved = price / last_close - 1 if change is None else change[t]
            _trade(book, t, score[t - 1].astype(np.float64), price, moved, None if factor is None else factor[t], rules)
        np.copyto(last_close, price, where=np.isfinite(price))
        held = book.held
        totals[t - start] = book.shares[held] @ last_close[held], book.cash, book.turnover, book.cost
    trades = pd.DataFrame(book.trades, columns=list(TRADE_DTYPES)).astype(TRADE_DTYPES)
    trades["stock"] = by_name[trades["stock"].to_numpy()]
    daily = _daily(totals, float(rules.initial), np.nan_to_num(bench[start:]), pd.RangeIndex(start, n_days))
    return PortfolioResult(daily, trades, float(rules.initial))


def _trade(
    book: Book,
    day: int,
    score: np.ndarray,
    price: np.ndarray,
    moved: np.ndarray,
    factor: np.ndarray | None,
    rules: Rules,
) -> None:
    """The orders of one day `[N]`; `score` of the day before, `moved` the change of the price."""
    sell, buy = choose(score, book.held, rules.topk, rules.n_drop)
    ordered = np.concatenate([sell, buy])
    tradable = np.isfinite(price[ordered]) & within_limit(moved[ordered], rules.limit)
    for stock in sell[tradable[: len(sell)]]:
        book.sell(day, int(stock), float(price[stock]))
    budget = rules.risk_degree * book.cash / max(len(buy), 1)
    for stock in buy[tradable[len(sell) :]]:
        scale = 1.0 if factor is None else float(factor[stock])
        book.buy(day, int(stock), float(price[stock]), scale, budget)


def _daily(totals: np.ndarray, initial: float, bench: np.ndarray, days: pd.Index) -> pd.DataFrame:
    """The report of `totals [T, 4]`: value, cash, sums of turnover and cost."""
    value, cash, total_turnover, total_cost = totals.T
    account = value + cash
    before = np.concatenate([[initial], account[:-1]])
    paid = np.diff(total_cost, prepend=0.0)
    gross = (account - before + paid) / before
    columns = {
        "account": account,
        "return": gross,
        "total_turnover": total_turnover,
        "turnover": np.diff(total_turnover, prepend=0.0) / before,
        "total_cost": total_cost,
        "cost": paid / before,
        "value": value,
        "cash": cash,
        "bench": bench,
        "excess": gross - bench - paid / before,
    }
    return pd.DataFrame(columns, index=days)


def _arranged(values: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """`values [D, N]`, its `columns` in that order, its rows contiguous, which a panel's are not."""
    in_order = (np.diff(columns) == 1).all()
    return np.ascontiguousarray(values if in_order else values[:, columns])
