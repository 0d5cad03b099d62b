"""Scores per day: the daily series every statistic of the report is made of."""

from __future__ import annotations

import numpy as np
import pandas as pd

from zoo.crosssection import pearson_rows, percentile_rank_rows, spearman_rows

DAILY_COLUMNS = {
    "ic": "Pearson correlation of score and raw label over the day's members",
    "rank_ic": "Spearman correlation (average ranks) of score and raw label",
    "mse": "mean squared error of the score against the train label",
    "mae": "mean absolute error of the score against the train label",
    "label_square": "mean square of the train label around its daily mean: the denominator of R^2",
    "long_short": "half the difference of the mean raw labels of the top and bottom 20 % by score",
    "names": "members with a finite score and label",
}
"""The columns of a daily frame, in order."""


def daily_scores(score: np.ndarray, raw_label: np.ndarray, train_label: np.ndarray) -> pd.DataFrame:
    """The daily series of one model; all arguments `[D, N]`, NaN = absent.

    Returns:
        float64 frame of D rows and the columns of `DAILY_COLUMNS`; NaN where a day has fewer than two names or a
        constant side (correlations), or fewer than five names (long_short).
    """
    both = np.isfinite(score) & np.isfinite(raw_label)
    names = both.sum(axis=1)
    error = np.where(both, score - train_label, 0.0)
    count = np.where(names > 0, names, np.nan)
    label = np.where(both, train_label, 0.0)
    centred = np.where(both, label - (label.sum(axis=1) / count)[:, None], 0.0)
    return pd.DataFrame(
        {
            "ic": pearson_rows(score, raw_label),
            "rank_ic": spearman_rows(score, raw_label),
            "mse": (error**2).sum(axis=1) / count,
            "mae": np.abs(error).sum(axis=1) / count,
            "label_square": (centred**2).sum(axis=1) / count,
            "long_short": long_short(score, raw_label),
            "names": names.astype(float),
        },
        columns=list(DAILY_COLUMNS),
    )


def long_short(score: np.ndarray, raw_label: np.ndarray, share: float = 0.2) -> np.ndarray:
    """(mean label of the best `share` by score - mean label of the worst) / 2 per day; `[D, N]` -> `[D]`.

    A side holds the names whose percentile rank is above 1 - share or at most share; ties are in or out together.
    """
    both = np.isfinite(score) & np.isfinite(raw_label)
    rank = percentile_rank_rows(np.where(both, score, np.nan))
    label = np.where(both, raw_label, 0.0)

    def side(inside: np.ndarray) -> np.ndarray:
        count = inside.sum(axis=1)
        total = (label * inside).sum(axis=1)
        return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)

    with np.errstate(invalid="ignore"):
        return (side(rank > 1 - share) - side(rank <= share)) / 2


def summary(daily: pd.DataFrame) -> dict[str, float]:
    """Means over days: ic, icir, rank_ic, rank_icir, mse, mae, r2, long_short, days.

    ICIR = mean / sd over days (ddof 1), not annualised. MSE, MAE and R^2 weigh each (day, stock) alike.
    """
    weight = daily["names"].to_numpy() / max(daily["names"].sum(), 1)
    pooled = {name: float(np.nansum(daily[name].to_numpy() * weight)) for name in ("mse", "mae", "label_square")}
    spread = pooled.pop("label_square")
    return {
        "ic": _mean(daily["ic"]),
        "icir": _ratio(daily["ic"]),
        "rank_ic": _mean(daily["rank_ic"]),
        "rank_icir": _ratio(daily["rank_ic"]),
        **pooled,
        "r2": 1 - pooled["mse"] / spread if spread > 0 else float("nan"),
        "long_short": _mean(daily["long_short"]),
        "days": int(np.isfinite(daily["ic"]).sum()),
    }


def _mean(series: pd.Series) -> float:
    return float(series.mean()) if series.notna().any() else float("nan")


def _ratio(series: pd.Series) -> float:
    deviation = series.std(ddof=1)
    return float(series.mean() / deviation) if deviation > 0 else float("nan")
