"""Columns of the user's own: no file can be computed anew from less data, so that only statistics can speak.

What is looked for is a column that is dated too early: on day t it is told what prices do after t. Each column is
correlated, within days, with the return of each later day k = 1 .. reach + 2. Forecasts are weak, facts are not: the
limit is a rank correlation that no forecast of one day's returns is known to reach. A column is flagged where its mean
lies above the limit beyond chance. Where no true mean is above it, 1 % of sets of columns are flagged all the same
(one-sided t with Newey-West errors, Bonferroni over columns, days and signs).

What this cannot find: a column that is early but hardly related to returns (a ratio of fundamentals that is published
later than its file says), values that were revised after their day, and a choice of columns made on the test days.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.leaks.features import planted_limit
from bench.leaks.subject import Subject
from bench.stats.inference import newey_west_t
from zoo.crosssection import pearson_rows, percentile_rank_rows
from zoo.data.own.asked import LABEL
from zoo.data.panel import Panel
from zoo.shapes import Float

LARGEST_FORECAST = 0.10
"""Mean daily rank correlation with a single later day's return that no forecast is known to reach."""
FALSE_ALARMS = 0.01
"""Share of sets of honest columns that are flagged, at most."""
_BEYOND = 2
_DAYS, _STOCKS, _FEWEST = 500, 300, 30


def own_columns_early(subject: Subject) -> Iterator[str]:
    """no column of one's own knows returns to come (1 % false alarms; revised or hardly related ones are not seen)"""
    panel = _part(subject.panel, subject.folds[-1].test.stop)
    names = [name for name in panel.own_fields if not name.startswith(LABEL) and name in _read(subject)]
    ahead = subject.data.label.reach + _BEYOND
    limit = max(LARGEST_FORECAST, planted_limit(subject))
    for name in names:
        profile = lead_lag(panel, name, ahead)
        early = [k for k in range(1, ahead + 1) if is_early(profile[k], limit, len(names) * ahead)]
        if early:
            mean = {k: float(np.nanmean(daily)) for k, daily in profile.items() if np.isfinite(daily).any()}
            most = max(early, key=lambda k: abs(mean[k]))
            yield (
                f"column '{name}' correlates {mean[most]:+.2f} with the return of {_later(most)}, above {limit:.2f}, "
                f"which no forecast reaches ({mean.get(0, np.nan):+.2f} with that of its own day): it is dated too "
                f"early, or made of what it is to forecast"
            )


def lead_lag(panel: Panel, name: str, ahead: int) -> dict[int, Float[np.ndarray, " D"]]:
    """Daily rank correlations `[D]` of a column with the return of k days later, k = 0 .. ahead; NaN without pairs."""
    close = panel.field("close").astype(np.float64)
    returns = np.full(close.shape, np.nan)
    returns[1:] = close[1:] / close[:-1] - 1
    ranked = percentile_rank_rows(np.where(panel.member, panel.field(name), np.nan))
    ranks = percentile_rank_rows(returns)
    profile = {}
    for k in range(ahead + 1):
        daily = np.full(panel.n_days, np.nan)
        daily[: panel.n_days - k] = pearson_rows(ranked[: panel.n_days - k], ranks[k:])
        profile[k] = daily
    return profile


def is_early(daily: Float[np.ndarray, " D"], limit: float, tests: int) -> bool:
    """Whether a mean correlation lies above a limit, of either sign, at the level of one of `tests` such questions."""
    from scipy.special import stdtrit

    known = daily[np.isfinite(daily)]
    if len(known) < _FEWEST:
        return False
    t = newey_west_t(known * np.sign(known.mean()) - limit)
    if not np.isfinite(t):
        return bool(np.ptp(known) == 0 and abs(known.mean()) > limit)
    return bool(t > stdtrit(len(known) - 1, 1 - FALSE_ALARMS / (2 * tests)))


def _read(subject: Subject) -> set[str]:
    return set(subject.dataset.feature_set.reads)


def _part(panel: Panel, stop: int) -> Panel:
    """The last days before `stop`, and of many stocks every k-th."""
    stocks = np.arange(0, panel.n_stocks, -(-panel.n_stocks // _STOCKS))
    return panel.part(stocks, slice(max(0, stop - _DAYS), stop))


def _later(days: int) -> str:
    return "the next day" if days == 1 else f"{days} days later"
