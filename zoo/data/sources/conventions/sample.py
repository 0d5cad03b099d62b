"""The values that a convention is decided from."""

from __future__ import annotations

import numpy as np

from zoo.data.panel import Panel

_VALUES = 4_000_000  # of one field: a whole market decides as well by every k-th stock


def sampled(panel: Panel, field: str) -> np.ndarray:
    """`[n, D]` float64 values of one field of all stocks, of every k-th in a large panel."""
    step = max(1, panel.n_stocks * panel.n_days // _VALUES)
    return panel.stock_major[::step, :, panel.fields.index(field)].astype(np.float64)
