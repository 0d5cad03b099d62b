"""The feature sets made of the 158 factors: all of them, and the 20 of qlib's time-series models."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from zoo.data.features import _order, _rolling
from zoo.data.features import alpha158 as definitions
from zoo.data.features.alpha158 import ALPHA158_20_NAMES, ALPHA158_NAMES, WINDOWS, alpha158
from zoo.data.features.base import FeatureSet
from zoo.data.features.mapped import mapped_columns
from zoo.data.pages import stock_blocks
from zoo.data.panel import Panel
from zoo.shapes import Bool, Float


class Alpha158(FeatureSet):
    """158 factors of price and volume, over any lookback; published results use them flat (lookback 1).

    A row is missing where the stock is neither a member nor has any value; a member that is suspended has a row, of
    factors that are missing. Windows fill missing rows forward, then backward, as qlib's time-series sampler does.
    """

    name = "alpha158"
    columns: tuple[str, ...] = ALPHA158_NAMES

    def __init__(self, lookback: int = 1) -> None:
        self.lookback = lookback
        self.warmup = lookback - 1 + max(WINDOWS)

    def source(self, panel: Panel) -> Float[np.ndarray, "N D F"]:
        def compute(stocks: slice) -> np.ndarray:
            return alpha158(panel, self.columns, stocks=stocks)

        shape = (panel.n_stocks, panel.n_days, len(self.columns))
        return mapped_columns(self.name, lambda: _key(panel, self.columns), shape, compute)

    def present(self, panel: Panel) -> Bool[np.ndarray, "N D"]:
        present = panel.member.T.copy()
        for stocks in stock_blocks(panel.stock_major):
            present[stocks] |= panel.has_row(stocks)
        return present


class Alpha158Selected(Alpha158):
    """20 selected factors, 20 days of them unless configured."""

    name = "alpha158_20"
    columns = ALPHA158_20_NAMES

    def __init__(self, lookback: int = 20) -> None:
        super().__init__(lookback)


def _key(panel: Panel, columns: Sequence[str]) -> str:
    return hashlib.blake2b("\0".join((panel.fingerprint, _code(), *columns)).encode(), digest_size=12).hexdigest()


@lru_cache
def _code() -> str:
    """Hash of the code that computes factors, so that a corrected factor is not answered by its old values."""
    files = [Path(str(module.__file__)) for module in (definitions, _rolling, _order)]
    return hashlib.blake2b(b"\0".join(file.read_bytes() for file in files), digest_size=12).hexdigest()
