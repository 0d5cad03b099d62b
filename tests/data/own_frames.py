"""Frames of prices with columns of their own."""

from __future__ import annotations

import numpy as np
import pandas as pd


def priced(n_days: int = 120, stocks: tuple[str, ...] = ("A", "B", "C", "D"), seed: int = 0) -> pd.DataFrame:
    """Rows date, symbol, close, volume and `PE Ratio`, `alpha_1`, `alpha_2`, `y` (numbers) and `rating` (text)."""
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-01", periods=n_days)
    index = pd.MultiIndex.from_product([days, stocks], names=["date", "symbol"])
    frame = pd.DataFrame(index=index)
    frame["close"] = np.exp(rng.normal(0, 0.02, (n_days, len(stocks))).cumsum(axis=0)).ravel() * 100
    frame["volume"] = rng.integers(1_000, 9_000, len(index))
    for name in ("PE Ratio", "alpha_1", "alpha_2", "y"):
        frame[name] = rng.normal(size=len(index)).astype(np.float32)
    frame["rating"] = "AAA"
    return frame.reset_index()
