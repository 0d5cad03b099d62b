"""Daily returns that a portfolio is compared with: an equal-weight universe, or an index."""

from __future__ import annotations

import numpy as np


def carry(last_close: np.ndarray, price: np.ndarray) -> np.ndarray:
    """The last present close `[N]` after a day with closes `price [N]` (NaN = no trade)."""
    return np.where(np.isfinite(price), price, last_close)


def universe_return(close: np.ndarray, member: np.ndarray | None = None) -> np.ndarray:
    """Equal-weight daily return `[D]` of a universe: the mean of close / last present close - 1.

    The mean runs over the stocks with a close today and one before that were members the day before (`member
    [D, N]`, None = all): whoever holds the universe could not know today's additions. NaN where there are
    none, as on the first day.
    """
    returns = np.full(len(close), np.nan)
    last_close = np.full(close.shape[1], np.nan)
    for t in range(len(close)):
        price = np.asarray(close[t], dtype=np.float64)
        moved = price / last_close - 1
        counted = np.isfinite(moved)
        if member is not None and t > 0:
            counted &= member[t - 1]
        if counted.any():
            returns[t] = moved[counted].mean()
        last_close = carry(last_close, price)
    return returns


def index_return(close: np.ndarray) -> np.ndarray:
    """Daily return `[D]` of an index from its `close [D]`: close / the day before - 1, NaN where unknown."""
    level = np.asarray(close, dtype=np.float64)
    returns = np.full(len(level), np.nan)
    returns[1:] = level[1:] / level[:-1] - 1
    return returns
