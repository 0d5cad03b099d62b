"""Forward returns and the label networks are trained on."""

from __future__ import annotations

import numpy as np
import pandas as pd

from zoo.config import ColumnLabel, Label
from zoo.crosssection import percentile_rank_rows
from zoo.data.own.asked import LABEL, same_column
from zoo.data.pages import stock_blocks
from zoo.data.panel import Panel
from zoo.errors import DataError
from zoo.shapes import Bool, Float

_USUAL = 60  # days whose median is what is usual, the day itself included
_DAYS = 256  # ranked at once


def raw_label(panel: Panel, config: Label) -> Float[np.ndarray, "D N"]:
    """The label of members at t, `[D, N]` float32, NaN where unknown.

    It is `price(t + lag + horizon) / price(t + lag) - 1`, or a column that is given.
    NaN also where `thin_days` has the day, the day of entry or that of exit: too few of the names can be compared.

    Raises:
        DataError: the panel has no such price.
    """
    if isinstance(config, ColumnLabel):
        return _given_label(panel, config)
    if config.price not in panel.fields:
        raise DataError(f"{panel.name}: the label needs '{config.price}' prices, the panel has none")
    label = np.full(panel.member.shape, np.nan, dtype=np.float32)
    if panel.n_days <= config.reach:
        return label
    for stocks in stock_blocks(panel.stock_major):
        price = panel.series(config.price, stocks)
        entry = price[:, config.lag : panel.n_days - config.horizon]
        # In float32 like the prices: equal moves of equal prices then tie exactly, as in the published labels.
        found = price[:, config.reach :] / entry - 1
        found[~panel.member[: -config.reach, stocks].T | ~np.isfinite(found)] = np.nan
        label[: -config.reach, stocks] = found.T
    thin = thin_days(panel, config.min_breadth)
    if thin.any():
        n = panel.n_days - config.reach
        unscored = thin[:n] | thin[config.lag : config.lag + n] | thin[config.reach :]
        label[:n][unscored] = np.nan
    return label


def _given_label(panel: Panel, config: ColumnLabel) -> Float[np.ndarray, "D N"]:
    """The column of members, NaN on thin days."""
    names = [f"{LABEL}{config.column}", *(name for name in panel.fields if same_column(config.column, name))]
    name = next((name for name in names if name in panel.fields), None)
    if name is None:
        raise DataError(f"{panel.name}: the label needs column {config.column!r}, the panel has none")
    label = np.where(panel.member, panel.field(name), np.float32(np.nan))
    label[thin_days(panel, config.min_breadth)] = np.nan
    return label


def thin_days(panel: Panel, min_breadth: float) -> Bool[np.ndarray, " D"]:
    """`[D]` bool, the days on which too few names trade to be compared with each other.

    Of the members of a day those with a close trade. Thin is a day on which their share is below `min_breadth` of
    what is usual: the median of the shares of the last 60 days, itself included. No later day is looked at.
    """
    members = panel.member.sum(axis=1)
    trading = np.zeros(panel.n_days, dtype=np.int64)
    for stocks in stock_blocks(panel.stock_major):
        trading += (np.isfinite(panel.series("close", stocks)).T & panel.member[:, stocks]).sum(axis=1)
    share = np.where(members > 0, trading / np.maximum(members, 1), np.nan)
    if not min_breadth or not (share < min_breadth).any():
        return np.zeros(panel.n_days, dtype=bool)
    usual = pd.Series(share).rolling(_USUAL, min_periods=1).median().to_numpy()
    return share < min_breadth * usual


def breadth_notes(panel: Panel, config: Label) -> list[str]:
    """What to say of the thin days."""
    thin = thin_days(panel, config.min_breadth)
    if not thin.any():
        return []
    word = "day" if thin.sum() == 1 else "days"
    first, last = panel.days[thin][[0, -1]]
    return [
        f"less than {100 * config.min_breadth:g} % of the usual number of names trade on {int(thin.sum()):,} {word}, "
        f"{first} .. {last}: no label reads a price of theirs and they are not scored (data.label.min_breadth: 0 "
        f"scores them)"
    ]


def train_label(raw: Float[np.ndarray, "D N"], dtype: type[np.floating] = np.float64) -> Float[np.ndarray, "D N"]:
    """Per-day percentile rank (average ranks) of `raw [D, N]`, minus 0.5, times 3.46: unit variance.

    A uniform variable has standard deviation 1 / sqrt(12) = 0.2887 and 3.46 * 0.2887 = 0.9988.
    """
    ranked = np.empty(raw.shape, dtype=dtype)
    for first in range(0, len(raw), _DAYS):
        days = slice(first, first + _DAYS)
        ranked[days] = (percentile_rank_rows(raw[days]) - 0.5) * 3.46
    return ranked
