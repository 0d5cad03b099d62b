"""Forward returns and the label networks are trained on."""

from __future__ import annotations

import numpy as np

from zoo.config import LabelConfig
from zoo.crosssection import percentile_rank_rows
from zoo.data.panel import Panel
from zoo.errors import DataError


def raw_label(panel: Panel, config: LabelConfig) -> np.ndarray:
    """`price(t + lag + horizon) / price(t + lag) - 1` for members at t; `[D, N]` float64, NaN where unknown.

    Raises:
        DataError: the panel has no such price.
    """
    if config.price not in panel.fields:
        raise DataError(f"{panel.name}: the label needs '{config.price}' prices, the panel has none")
    price = panel.field(config.price)
    label = np.full(price.shape, np.nan)
    if panel.n_days > config.reach:
        entry = price[config.lag : panel.n_days - config.horizon]
        # In float32 like the prices: equal moves of equal prices then tie exactly, as in the published labels.
        label[: -config.reach] = price[config.reach :] / entry - 1
    label[~panel.member | ~np.isfinite(label)] = np.nan
    return label


def train_label(raw: np.ndarray) -> np.ndarray:
    """Per-day percentile rank (average ranks) of `raw [D, N]`, minus 0.5, times 3.46: unit variance, float64.

    A uniform variable has standard deviation 1 / sqrt(12) = 0.2887 and 3.46 * 0.2887 = 0.9988.
    """
    return (percentile_rank_rows(raw) - 0.5) * 3.46
