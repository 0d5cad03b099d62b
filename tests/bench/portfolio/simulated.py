"""One call for a portfolio: arrays and rules by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.portfolio.market import Prices
from bench.portfolio.orders import Rules
from bench.portfolio.topk_dropout import PortfolioResult, topk_dropout


def simulated(
    score: np.ndarray,
    close: np.ndarray,
    *,
    names: Sequence[str] | np.ndarray,
    change: np.ndarray | None = None,
    factor: np.ndarray | None = None,
    bench: np.ndarray | None = None,
    start: int = 0,
    keep_shares: bool = False,
    **rules: Any,
) -> PortfolioResult:
    prices = Prices(names, close, change, factor)
    return topk_dropout(score, prices, Rules(**rules), bench=bench, start=start, keep_shares=keep_shares)
