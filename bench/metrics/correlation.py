"""How a day's scores and returns go together: Rank IC, IC, and what they are worth against their spread over days."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.metrics.registry import register_metric, register_summary
from bench.metrics.scored import Scored
from zoo.crosssection import pearson_rows, spearman_rows

_OVER = (
    "of score and raw label over that day's members with both; the mean over test days. Days with fewer than two "
    "names or a constant side are skipped."
)
_RATIO = "mean / standard deviation (ddof 1) over days, not annualised; mean over seeds."


@register_metric(
    "rank_ic", title="Rank IC", definition=f"per day the Spearman correlation (average ranks for ties) {_OVER}"
)
def rank_ic(day_scores: Scored) -> np.ndarray:
    return spearman_rows(day_scores.score, day_scores.raw_label)


@register_metric("ic", title="IC", definition=f"per day the Pearson correlation {_OVER}")
def ic(day_scores: Scored) -> np.ndarray:
    return pearson_rows(day_scores.score, day_scores.raw_label)


@register_summary("rank_icir", title="Rank ICIR", definition=f"Rank IC: {_RATIO}")
def rank_icir(daily: pd.DataFrame) -> float:
    return _mean_by_deviation(daily["rank_ic"])


@register_summary("icir", title="ICIR", definition=f"IC: {_RATIO}")
def icir(daily: pd.DataFrame) -> float:
    return _mean_by_deviation(daily["ic"])


def _mean_by_deviation(series: pd.Series) -> float:
    values = series.to_numpy(dtype=float)
    finite = values[np.isfinite(values)]
    # Rounding leaves a constant series a deviation of 1e-17, and with it a ratio of 1e16.
    deviation = finite.std(ddof=1) if len(finite) > 1 and np.ptp(finite) > 0 else 0.0
    return float(finite.mean() / deviation) if deviation > 0 else float("nan")
