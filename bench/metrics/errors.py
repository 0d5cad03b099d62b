"""How far the scores are from what they were trained on; each (day, stock) weighs alike."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.metrics.registry import mean_over_rows, register_metric, register_summary
from bench.metrics.scored import Scored


@register_metric(
    "mse",
    title="MSE",
    definition="mean squared error against the train label: percentile rank of the label within its day, -0.5, x 3.46.",
    direction="lower",
    pooled="rows",
)
def mse(day_scores: Scored) -> np.ndarray:
    return _mean(day_scores, _error(day_scores) ** 2)


@register_metric(
    "mae",
    title="MAE",
    definition="mean absolute error against the train label.",
    direction="lower",
    pooled="rows",
    shown="frame",
)
def mae(day_scores: Scored) -> np.ndarray:
    return _mean(day_scores, np.abs(_error(day_scores)))


@register_metric(
    "label_square",
    title="label square",
    definition="mean square of the train label around its daily mean: the denominator of R2.",
    direction="neither",
    pooled="rows",
    shown="daily",
)
def label_square(day_scores: Scored) -> np.ndarray:
    label = np.where(day_scores.both, day_scores.train_label, 0.0)
    centred = np.where(day_scores.both, label - _mean(day_scores, label)[:, None], 0.0)
    return _mean(day_scores, centred**2)


@register_summary(
    "r2",
    title="R2",
    definition="1 - MSE / mean square of the train label around its daily mean.",
    format=".4f",
    shown="frame",
)
def r2(daily: pd.DataFrame) -> float:
    spread = mean_over_rows(daily, "label_square")
    return 1 - mean_over_rows(daily, "mse") / spread if spread > 0 else float("nan")


@register_metric(
    "names",
    title="names",
    definition="members of the day with a finite score and label.",
    direction="neither",
    format=",.0f",
    shown="daily",
    interval=False,
)
def names(day_scores: Scored) -> np.ndarray:
    return day_scores.names


def _error(day_scores: Scored) -> np.ndarray:
    """Score less train label, `[D, N]`; 0 where one is absent."""
    return np.where(day_scores.both, day_scores.score - day_scores.train_label, 0.0)


def _mean(day_scores: Scored, values: np.ndarray) -> np.ndarray:
    """Mean `[D]` over the day's names of `values [D, N]` that are 0 elsewhere; NaN for a day without names."""
    names = day_scores.names
    return values.sum(axis=1) / np.where(names > 0, names, np.nan)
