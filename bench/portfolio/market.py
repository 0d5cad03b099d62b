"""What a portfolio trades, and the daily returns it is compared with: an equal-weight universe, or an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.errors import DataError


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
        DataError: arrays that do not fit each other, repeated names, a close or factor that is not above 0.
    """

    names: Sequence[str] | np.ndarray
    close: np.ndarray
    change: np.ndarray | None = None
    factor: np.ndarray | None = None

    def __post_init__(self) -> None:
        names, close = self.names, self.close
        if close.ndim != 2 or 0 in close.shape:
            raise DataError(f"close needs the axes [day, stock] and at least one of each, not {close.shape}")
        if len(names) != close.shape[1] or len(set(names)) != len(names):
            raise DataError(f"names must be {close.shape[1]} different ones, got {len(set(names))} of {len(names)}")
        self.check_shape("change", self.change)
        self.check_shape("factor", self.factor)
        for what, values in (("close", close), ("factor", self.factor)):
            wrong = None if values is None else (values <= 0) | np.isinf(values)
            if values is not None and wrong is not None and wrong.any():
                day, stock = np.argwhere(wrong)[0]
                raise DataError(f"{what} of {names[stock]} on day {day} is {values[day, stock]}: must be above 0")

    def check_shape(self, what: str, values: np.ndarray | None) -> None:
        """Refuse an array that does not fit the closes."""
        if values is not None and values.shape != self.close.shape:
            raise DataError(f"{what} has shape {values.shape}, but close has {self.close.shape}")

    def has_factors(self, start: int) -> bool:
        """Whether every present close from a day on has one; only then are orders rounded."""
        if self.factor is None:
            return False
        return not (np.isfinite(self.close[start:]) & ~np.isfinite(self.factor[start:])).any()


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
