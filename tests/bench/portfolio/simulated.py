"""One call for a portfolio: arrays and rules by name; the shares it holds, told from its trades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.portfolio.benchmark import universe_return
from bench.portfolio.orders import Rules
from bench.portfolio.topk_dropout import PortfolioResult, Prices, topk_dropout


@dataclass(frozen=True)
class Simulated(PortfolioResult):
    """A portfolio with the closes it traded at, `[D, N]`."""

    close: np.ndarray

    @property
    def net(self) -> np.ndarray:
        """`[T]` daily return after costs."""
        return self.column("return") - self.column("cost")

    @property
    def shares(self) -> np.ndarray:
        """`[T, N]` held after each day's trades, in adjusted units: a sale is of all of them."""
        held = np.zeros(self.close.shape)
        for day, stock, value in self.trades[["day", "stock", "value"]].itertuples(index=False):
            held[day:, stock] = value / self.close[day, stock] if value > 0 else 0.0
        return held[self.daily.index]


def simulated(
    score: np.ndarray,
    close: np.ndarray,
    *,
    names: Sequence[str] | np.ndarray,
    change: np.ndarray | None = None,
    factor: np.ndarray | None = None,
    bench: np.ndarray | None = None,
    start: int = 0,
    **rules: Any,
) -> Simulated:
    if bench is None:
        bench = universe_return(close, np.ones(close.shape, dtype=bool))
    result = topk_dropout(score, Prices(names, close, change, factor), Rules(**rules), bench, start=start)
    return Simulated(result.daily, result.trades, result.initial, close)
