"""The daily frame of one model: what every statistic of the report is made of."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.metrics.registry import list_metrics
from bench.metrics.scored import Scored
from zoo.shapes import Num


def daily_scores(
    score: Num[np.ndarray, "D N"], raw_label: Num[np.ndarray, "D N"], train_label: Num[np.ndarray, "D N"]
) -> pd.DataFrame:
    """The daily series of one model; all arguments `[D, N]`, NaN = absent.

    Returns:
        float64 frame of D rows and a column per daily metric; NaN where a day has none.

    Raises:
        ConfigError: a metric fails, or does not give one number a day.
    """
    # Labels come in single precision; sums of returns are taken in double.
    scored = Scored(score, np.asarray(raw_label, dtype=np.float64), train_label)
    return pd.DataFrame({m.name: m.series(scored) for m in list_metrics(derived=False)})


def summary(daily: pd.DataFrame) -> dict[str, float]:
    """Every metric of a daily frame, pooled over its days, and `days`, those with an IC."""
    figures = {m.name: m.value(daily) for m in list_metrics() if m.in_frame}
    return {**figures, "days": int(np.isfinite(daily["ic"].to_numpy(dtype=float)).sum())}


def check_metrics() -> None:
    """Compute every metric once on scores made up, some of them missing, so that a faulty one costs no training.

    Raises:
        ConfigError: a metric fails, or gives no number a day.
    """
    rng = np.random.default_rng(0)
    score, raw_label = rng.normal(size=(2, 20, 50))
    score[0], score[1:3, :40], raw_label[3, :20] = np.nan, np.nan, np.nan
    summary(daily_scores(score, raw_label, np.sign(raw_label)))
