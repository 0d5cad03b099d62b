"""What signals are built from."""

from __future__ import annotations

import numpy as np

from zoo.data.sources.planted.registry import Reads

FADE = (1.0, 0.7, 0.4)
HUMP = (0.6, 1.0, 0.6)


def long_lag(lookback: int) -> int:
    """Centre of the three returns that `long` reads: 0.8 x lookback, less where the window is too short.

    The return of day t - d needs the close of t - d - 1, which must be inside the window.
    """
    return min(round(0.8 * lookback), lookback - 3)


def weighted(returns: np.ndarray, t: int, lag: int, weights: tuple[float, ...]) -> np.ndarray:
    """Weighted sum `[N]` of the rows t - lag, t - lag - 1, ... of `returns [T, N]`."""
    # Unequal weights: with equal ones the inner closes cancel and only the two outer ones would be read.
    return sum((w * returns[t - lag - k] for k, w in enumerate(weights)), start=np.zeros(returns.shape[1]))


def three_returns(first: int) -> Reads:
    """The returns of three days, the latest `first` days ago."""
    return tuple(("return", first + k) for k in range(3))


def standardised(values: np.ndarray) -> np.ndarray:
    """`[N]` with mean 0 and standard deviation 1 (ddof 0) over the stocks."""
    centred = values - values.mean()
    return centred / np.sqrt(np.mean(centred * centred))
