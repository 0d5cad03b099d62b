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

from bench.portfolio.market import carry, universe_return
from bench.portfolio.orders import Book, Costs, choose, within_limit
from zoo.errors import DataError, ZooError

PUBLISHED_COSTS = Costs()
PUBLISHED_LIMIT = 0.095
TRADE_DTYPES = {"day": np.int64, "stock": np.int64, "value": np.float64, "cost": np.float64}


@dataclass(frozen=True)
class PortfolioResult:
    """A simulated portfolio of T days.

    Attributes:
        daily: T rows. In money: account (= value + cash), total_turnover and total_cost (running sums), value
            (of
            the shares), cash. As fractions of the account of the day before (of `initial` on the first day):
            return (before costs), turnover, cost. Then bench and excess = return - bench - cost.
        trades: a row per order carried out, in order: day and stock (positions in the input), value (bought
            positive, sold negative) and cost in money.
        initial: cash before the first day.
        shares: `[T, N]` held after each day's trades, in adjusted units; None unless asked for.
    """

    daily: pd.DataFrame
    trades: pd.DataFrame
    initial: float
    shares: np.ndarray | None = None

    def column(self, name: str) -> np.ndarray:
        """`[T]` float64, one column of `daily`."""
        return self.daily[name].to_numpy(dtype=np.float64)

    @property
    def net(self) -> np.ndarray:
        """`[T]` daily return after costs."""
        return self.column("return") - self.column("cost")


def topk_dropout(
    score: np.ndarray,
    close: np.ndarray,
    *,
    names: Sequence[str] | np.ndarray,
    change: np.ndarray | None = None,
    factor: np.ndarray | None = None,
    bench: np.ndarray | None = None,
    days: Sequence | np.ndarray | None = None,
    start: int = 0,
    initial: float = 1e8,
    topk: int = 50,
    n_drop: int = 5,
    costs: Costs = PUBLISHED_COSTS,
    limit: float | None = PUBLISHED_LIMIT,
    risk_degree: float = 0.95,
    lot: float | None = 100,
    keep_shares: bool = False,
) -> PortfolioResult:
    """Trade the scores of day t - 1 at the close of t, for every t from `start` on.

    Args:
        score: `[D, N]`, by the day it was made; NaN = no score. The last day's is never traded.
        close: `[D, N]` adjusted; NaN = no trade that day.
        names: N unique names; the alphabetically first wins a tie.
        change: `[D, N]` daily change of the price as the market states it, for the limits; NaN blocks
            nothing. None takes close / last present close - 1.
        factor: `[D, N]` adjusted price / price, for the lots. None, or any present close from `start` on
            without one, means that no order is rounded.
        bench: `[D]` daily return of the benchmark, NaN = 0; None takes `universe_return(close)`.
        days: D labels, for the index of `daily`; None takes day positions.
        start: first simulated day; the rows before it only supply earlier scores and closes.
        initial: cash before the first day.
        topk, n_drop: names to hold, and names compared for replacement each day; both at least 1.
        limit: daily change from which on a name cannot be traded either way; None for markets without.
        risk_degree: part of the cash that the buys of a day may invest.
        lot: real shares that an order is a multiple of; None for markets without.
        keep_shares: also return the shares held each day, D x N float64.

    Raises:
        DataError: arrays that do not fit each other, repeated names, a close or factor that is not above 0.
        ZooError: a parameter out of its range.
    """
    score, close = np.asarray(score), np.asarray(close)
    change = None if change is None else np.asarray(change)
    factor = None if factor is None else np.asarray(factor)
    _check_arrays(names, close, {"score": score, "change": change, "factor": factor})
    _check_parameters(len(close), start, initial, topk, n_drop, limit, risk_degree, lot)
    bench = universe_return(close) if bench is None else np.asarray(bench, dtype=np.float64)
    days = np.arange(len(close)) if days is None else days
    if not len(bench) == len(days) == len(close):
        raise DataError(f"{len(close)} days of close, but {len(bench)} of bench and {len(days)} day labels")

    # Columns in the order of names, so that the lower of two tied columns is the alphabetically first.
    by_name = np.array(sorted(range(len(names)), key=lambda column: str(names[column])), dtype=np.int64)
    score, close = _arranged(score, by_name), _arranged(close, by_name)
    change = None if change is None else _arranged(change, by_name)
    factor = None if factor is None else _arranged(factor, by_name)
    if lot is None or factor is None or _lacks_factor(close[start:], factor[start:]):
        lot = factor = None
    book = Book(float(initial), len(names), costs, lot)
    last_close = np.full(len(names), np.nan)
    for row in close[:start]:
        last_close = carry(last_close, row.astype(np.float64))
    totals = np.empty((len(close) - start, 4))
    shares = np.zeros((len(close) - start, len(names))) if keep_shares else None
    for t in range(start, len(close)):
        price = close[t].astype(np.float64)
        if t > 0:
            sell, buy = choose(score[t - 1].astype(np.float64), book.held, topk, n_drop)
            ordered = np.concatenate([sell, buy])
            moved = price[ordered] / last_close[ordered] - 1
            if change is not None:
                moved = change[t, ordered]
            tradable = np.isfinite(price[ordered]) & within_limit(moved, limit)
            for stock in sell[tradable[: len(sell)]]:
                book.sell(t, int(stock), float(price[stock]))
            budget = risk_degree * book.cash / max(len(buy), 1)
            for stock in buy[tradable[len(sell) :]]:
                scale = 1.0 if factor is None else float(factor[t, stock])
                book.buy(t, int(stock), float(price[stock]), scale, budget)
        last_close = carry(last_close, price)
        held = book.held
        totals[t - start] = book.shares[held] @ last_close[held], book.cash, book.turnover, book.cost
        if shares is not None:
            shares[t - start, by_name] = book.shares
    trades = pd.DataFrame(book.trades, columns=list(TRADE_DTYPES)).astype(TRADE_DTYPES)
    trades["stock"] = by_name[trades["stock"].to_numpy()]
    daily = _daily(totals, float(initial), np.nan_to_num(bench[start:]), pd.Index(days[start:]))
    return PortfolioResult(daily, trades, float(initial), shares)


def _daily(totals: np.ndarray, initial: float, bench: np.ndarray, days: pd.Index) -> pd.DataFrame:
    """The report of `totals [T, 4]`: value, cash, and the running sums of turnover and cost."""
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
    """`values [D, N]` with its `columns` in that order and its rows contiguous, which a panel's are not."""
    in_order = (np.diff(columns) == 1).all()
    return np.ascontiguousarray(values if in_order else values[:, columns])


def _lacks_factor(close: np.ndarray, factor: np.ndarray) -> bool:
    return bool((np.isfinite(close) & ~np.isfinite(factor)).any())


def _check_arrays(names: Sequence[str] | np.ndarray, close: np.ndarray, others: dict[str, np.ndarray | None]) -> None:
    if close.ndim != 2 or 0 in close.shape:
        raise DataError(f"close needs the axes [day, stock] and at least one of each, not {close.shape}")
    for what, values in others.items():
        if values is not None and values.shape != close.shape:
            raise DataError(f"{what} has shape {values.shape}, but close has {close.shape}")
    if len(names) != close.shape[1] or len(set(names)) != len(names):
        raise DataError(f"names must be {close.shape[1]} different ones, got {len(set(names))} of {len(names)}")
    for what, values in (("close", close), ("factor", others["factor"])):
        if values is None:
            continue
        wrong = (values <= 0) | np.isinf(values)
        if wrong.any():
            day, stock = np.argwhere(wrong)[0]
            raise DataError(f"{what} of {names[stock]} on day {day} is {values[day, stock]}: must be above 0")


def _check_parameters(
    n_days: int,
    start: int,
    initial: float,
    topk: int,
    n_drop: int,
    limit: float | None,
    risk_degree: float,
    lot: float | None,
) -> None:
    wrong = {
        f"start={start} (0 .. {n_days - 1})": not 0 <= start < n_days,
        f"initial={initial} (above 0)": not initial > 0,
        f"topk={topk} (at least 1)": topk < 1,
        f"n_drop={n_drop} (at least 1)": n_drop < 1,
        f"limit={limit} (above 0, or None)": limit is not None and not limit > 0,
        f"risk_degree={risk_degree} (0 .. 1)": not 0 <= risk_degree <= 1,
        f"lot={lot} (above 0, or None)": lot is not None and not lot > 0,
    }
    found = [parameter for parameter, is_wrong in wrong.items() if is_wrong]
    if found:
        raise ZooError(f"portfolio: out of range: {', '.join(found)}")
