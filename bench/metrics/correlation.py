"""How a day's scores and returns go together: Rank IC, IC, and what they are worth against their spread over days."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.metrics.registry import register_metric, register_summary
from bench.metrics.scored import Scored
from zoo.crosssection import pearson_rows, spearman_rows


@register_metric(
    "rank_ic",
    title="Rank IC",
    definition=(
        "per day Spearman's correlation (average ranks for ties) of score and raw label over that day's members with "
        "both; the mean over test days. Days with fewer than two names or a constant side are skipped."
    ),
)
def rank_ic(day_scores: Scored) -> np.ndarray:
    return spearman_rows(day_scores.score, day_scores.raw_label)


@register_metric(
    "ic",
    title="IC",
    definition=(
        "per day Pearson's correlation of score and raw label over that day's members with both; the mean over test "
        "days. Days with fewer than two names or a constant side are skipped."
    ),
)
def ic(day_scores: Scored) -> np.ndarray:
    return pearson_rows(day_scores.score, day_scores.raw_label)


@register_summary(
    "rank_icir",
    title="Rank ICIR",
    definition="mean / standard deviation (ddof 1) of the daily Rank IC, not annualised; mean over seeds.",
)
def rank_icir(daily: pd.DataFrame) -> float:
    return _mean_by_deviation(daily["rank_ic"].to_numpy(dtype=float))


@register_summary(
    "icir",
    title="ICIR",
    definition="mean / standard deviation (ddof 1) of the daily IC, not annualised; mean over seeds.",
)
def icir(daily: pd.DataFrame) -> float:
    return _mean_by_deviation(daily["ic"].to_numpy(dtype=float))


def _mean_by_deviation(series: np.ndarray) -> float:
    finite = series[np.isfinite(series)]
    # Rounding leaves a constant series a deviation of 1e-17, and with it a ratio of 1e16.
    deviation = finite.std(ddof=1) if len(finite) > 1 and np.ptp(finite) > 0 else 0.0
    return float(finite.mean() / deviation) if deviation > 0 else float("nan")
