"""What a metric sees: one model's scores of some days, and what came."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores and labels of D days and N stocks; NaN = absent.

    Attributes:
        score: of the model, `[D, N]`.
        raw_label: the return that was forecast, a fraction, `[D, N]`.
        train_label: what the model was trained on: the day's percentile rank, centred and scaled, `[D, N]`.
    """

    score: np.ndarray
    raw_label: np.ndarray
    train_label: np.ndarray

    @cached_property
    def both(self) -> np.ndarray:
        """`[D, N]` bool: the stock has a score and a label."""
        return np.isfinite(self.score) & np.isfinite(self.raw_label)

    @cached_property
    def names(self) -> np.ndarray:
        """`[D]`: how many stocks of the day have both."""
        return self.both.sum(axis=1)
