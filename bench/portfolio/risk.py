"""Risk of a daily series of simple returns: the published convention, and the compounded one beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from zoo.errors import ZooError

PUBLISHED_DAYS = 238
"""Trading days a year in qlib's published tables."""

YEAR_DAYS = 252
"""Trading days a year of daily data in our own figures, and of data whose own number is not stored."""


def published_periods(periods: float) -> float:
    """Periods a year of the published convention: 238 where a year has 252 (daily data), in proportion elsewhere."""
    return PUBLISHED_DAYS * periods / YEAR_DAYS


@dataclass(frozen=True)
class Risk:
    """Risk of a daily series in the reference's convention; fractions, not per cent.

    Attributes:
        mean: per day; in `product` mode the geometric mean.
        std: per day, ddof 1; in `product` mode of log(1 + r).
        annualised: return of a year.
        ratio: mean / std * sqrt(periods a year); the information ratio where the series is an excess return.
        max_drawdown: <= 0; from a running maximum that starts at the first day, so an initial loss does not
            count.
    """

    mean: float
    std: float
    annualised: float
    ratio: float
    max_drawdown: float


def risk(daily: np.ndarray, mode: Literal["sum", "product"] = "sum", periods: float = PUBLISHED_DAYS) -> Risk:
    """Risk of `daily [D]` as qlib's `risk_analysis` defines it; NaN days are skipped.

    `sum` adds returns up: annualised = periods * mean, drawdown of cumsum(r). `product` compounds them:
    wealth = cumprod(1 + r), annualised = wealth_n^(periods / n) - 1, drawdown = wealth / running maximum - 1.
    A figure that needs more days than there are, or a spread that is not there, is NaN.

    Raises:
        ZooError: an unknown `mode`, `periods` below 1, or in `product` mode a return of -1 or less.
    """
    if mode not in ("sum", "product") or periods < 1:
        raise ZooError(f"risk needs mode 'sum' or 'product' and periods >= 1, got {mode!r} and {periods}")
    returns = _present(daily, compounding=mode == "product")
    n = len(returns)
    if n == 0:
        return Risk(*[float("nan")] * 5)
    if mode == "sum":
        mean, spread = float(returns.mean()), _sd(returns)
        annualised = periods * mean
        curve = np.cumsum(returns)
        drawdown = curve - np.maximum.accumulate(curve)
    else:
        wealth = np.cumprod(1 + returns)
        mean, spread = float(wealth[-1] ** (1 / n) - 1), _sd(np.log1p(returns))
        annualised = float(wealth[-1] ** (periods / n) - 1)
        drawdown = wealth / np.maximum.accumulate(wealth) - 1
    return Risk(mean, spread, annualised, _ratio(mean, spread, periods), float(drawdown.min()))


@dataclass(frozen=True)
class Performance:
    """What an account with these daily returns lives through; fractions, not per cent.

    Attributes:
        annual_return: compounded.
        sharpe: mean / sd * sqrt(periods a year) of the simple returns, no risk-free rate.
        max_drawdown: <= 0, of the wealth curve from its start at 1, so an initial loss counts.
        win_rate: share of days with a return above 0.
    """

    annual_return: float
    sharpe: float
    max_drawdown: float
    win_rate: float


def performance(daily: np.ndarray, periods: float = YEAR_DAYS) -> Performance:
    """Compounded performance of `daily [D]`; NaN days are skipped, no day at all gives NaN.

    Raises:
        ZooError: `periods` below 1, or a return of -1 or less.
    """
    if periods < 1:
        raise ZooError(f"performance needs periods >= 1, got {periods}")
    returns = _present(daily, compounding=True)
    n = len(returns)
    if n == 0:
        return Performance(*[float("nan")] * 4)
    wealth = np.concatenate([[1.0], np.cumprod(1 + returns)])
    return Performance(
        annual_return=float(wealth[-1] ** (periods / n) - 1),
        sharpe=_ratio(float(returns.mean()), _sd(returns), periods),
        max_drawdown=float((wealth / np.maximum.accumulate(wealth) - 1).min()),
        win_rate=float((returns > 0).mean()),
    )


def _present(daily: np.ndarray, compounding: bool) -> np.ndarray:
    """The finite days as float64; compounding needs each to leave something of the account."""
    returns = np.asarray(daily, dtype=np.float64)
    if returns.ndim != 1:
        raise ZooError(f"a daily return series has one axis [day], not {returns.ndim}")
    returns = returns[np.isfinite(returns)]
    if compounding and (returns <= -1).any():
        raise ZooError(f"a daily return of {returns.min():.4g} loses the whole account; use fractions")
    return returns


def _sd(values: np.ndarray) -> float:
    if len(values) < 2:
        return float("nan")
    # Rounding leaves a constant series a sd of 1e-18, and with it a ratio of 1e16.
    return float(values.std(ddof=1)) if np.ptp(values) > 0 else 0.0


def _ratio(mean: float, spread: float, periods: float) -> float:
    return mean / spread * float(np.sqrt(periods)) if spread > 0 else float("nan")
