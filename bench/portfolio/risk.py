"""Risk of a daily series of simple returns: the published convention, and the compounded one beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.errors import ZooError
from zoo.shapes import Float

PUBLISHED_DAYS = 238
"""Trading days a year in qlib's published tables."""

YEAR_DAYS = 252
"""Trading days a year of daily data in our own figures, and of data whose own number is not stored."""

_NAN = float("nan")


def published_periods(periods: float) -> float:
    """Periods a year of the published convention: 238 where a year has 252 (daily data), in proportion elsewhere."""
    return PUBLISHED_DAYS * periods / YEAR_DAYS


@dataclass(frozen=True)
class Risk:
    """Risk of a daily series in the reference's convention; fractions, not per cent.

    Attributes:
        mean, std: per day; std with ddof 1.
        annualised: return of a year.
        ratio: mean / std * sqrt(periods a year); the information ratio where the series is an excess return.
        max_drawdown: <= 0; from a running maximum that starts at the first day, so an initial loss does not count.
    """

    mean: float = _NAN
    std: float = _NAN
    annualised: float = _NAN
    ratio: float = _NAN
    max_drawdown: float = _NAN


def risk(daily: Float[np.ndarray, " D"], periods: float = PUBLISHED_DAYS) -> Risk:
    """Risk of `daily [D]` as qlib's `risk_analysis` defines it in its mode `sum`; NaN days are skipped.

    Returns are added up: annualised = periods * mean, drawdown of cumsum(r). A figure that needs more days than there
    are, or a spread that is not there, is NaN.

    Raises:
        ZooError: `periods` below 1.
    """
    if periods < 1:
        raise ZooError(f"risk needs periods >= 1, got {periods}")
    returns = daily[np.isfinite(daily)].astype(np.float64)
    if not len(returns):
        return Risk()
    mean, spread = float(returns.mean()), _sd(returns)
    curve = np.cumsum(returns)
    drawdown = curve - np.maximum.accumulate(curve)
    return Risk(mean, spread, periods * mean, _ratio(mean, spread, periods), float(drawdown.min()))


@dataclass(frozen=True)
class Performance:
    """What an account with these daily returns lives through; fractions, not per cent.

    Attributes:
        annual_return: compounded.
        sharpe: mean / sd * sqrt(periods a year) of the simple returns, no risk-free rate.
        max_drawdown: <= 0, of the wealth curve from its start at 1, so an initial loss counts.
        win_rate: share of days with a return above 0.
    """

    annual_return: float = _NAN
    sharpe: float = _NAN
    max_drawdown: float = _NAN
    win_rate: float = _NAN


def performance(daily: Float[np.ndarray, " D"], periods: float = YEAR_DAYS) -> Performance:
    """Compounded performance of `daily [D]`; NaN days are skipped.

    All is NaN without any day, and where one loses the whole account (-1 or less), which cannot be compounded.
    """
    returns = daily[np.isfinite(daily)].astype(np.float64)
    if not len(returns) or (returns <= -1).any():
        return Performance()
    wealth = np.concatenate([[1.0], np.cumprod(1 + returns)])
    return Performance(
        annual_return=float(wealth[-1] ** (periods / len(returns)) - 1),
        sharpe=_ratio(float(returns.mean()), _sd(returns), periods),
        max_drawdown=float((wealth / np.maximum.accumulate(wealth) - 1).min()),
        win_rate=float((returns > 0).mean()),
    )


def _sd(values: np.ndarray) -> float:
    if len(values) < 2:
        return _NAN
    # Rounding leaves a constant series a sd of 1e-18, and with it a ratio of 1e16.
    return float(values.std(ddof=1)) if np.ptp(values) > 0 else 0.0


def _ratio(mean: float, spread: float, periods: float) -> float:
    return mean / spread * float(np.sqrt(periods)) if spread > 0 else _NAN
