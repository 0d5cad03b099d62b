"""Scores per day: the daily series every statistic of the report is made of."""

from __future__ import annotations

import numpy as np
import pandas as pd

from zoo.crosssection import pearson_rows, spearman_rows

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
        constant side (correlations, long_short), or fewer than five names (long_short).
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

    Each side holds `share` of the day's names, rounded down; names that tie for its last places have equal parts of
    them. NaN where that is nobody or where the scores or the labels are constant.
    """
    both = np.isfinite(score) & np.isfinite(raw_label)
    places = np.floor(both.sum(axis=1) * share).astype(np.int64)
    best, worst = (_mean_label(sign * score, raw_label, both, places) for sign in (1, -1))
    return np.where(_varies(score, both) & _varies(raw_label, both), (best - worst) / 2, np.nan)


def _mean_label(score: np.ndarray, label: np.ndarray, both: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Mean label `[D]` of the `places [D]` best scores of the entries in `both`; NaN where there is no place."""
    if score.shape[1] == 0:
        return np.full(len(score), np.nan)
    descending = -np.sort(np.where(both, -score, np.inf), axis=1)
    last = np.take_along_axis(descending, np.maximum(places - 1, 0)[:, None], axis=1)
    inside, tied = both & (score > last), both & (score == last)
    label = np.where(both, label, 0.0)
    left = places - inside.sum(axis=1)
    total = (label * inside).sum(axis=1) + left * (label * tied).sum(axis=1) / np.maximum(tied.sum(axis=1), 1)
    return np.divide(total, places, out=np.full(len(total), np.nan), where=places > 0)


def _varies(values: np.ndarray, both: np.ndarray) -> np.ndarray:
    """`[D]` bool: the entries in `both` are not all equal."""
    lowest = np.where(both, values, np.inf).min(axis=1, initial=np.inf)
    return np.where(both, values, -np.inf).max(axis=1, initial=-np.inf) > lowest


def summary(daily: pd.DataFrame) -> dict[str, float]:
    """Means over days: ic, icir, rank_ic, rank_icir, mse, mae, r2, long_short, days.

    ICIR = mean / sd over days (ddof 1), not annualised. MSE, MAE and R^2 weigh each (day, stock) alike.
    """
    columns = {name: daily[name].to_numpy(dtype=float) for name in DAILY_COLUMNS}
    rows = columns["names"].sum()
    weight = columns["names"] / max(rows, 1)
    # A sum over no rows would read as an error of 0, the best there is.
    pooled = {
        name: float(np.nansum(columns[name] * weight)) if rows > 0 else float("nan")
        for name in ("mse", "mae", "label_square")
    }
    spread = pooled.pop("label_square")
    return {
        "ic": _mean(columns["ic"]),
        "icir": _ratio(columns["ic"]),
        "rank_ic": _mean(columns["rank_ic"]),
        "rank_icir": _ratio(columns["rank_ic"]),
        **pooled,
        "r2": 1 - pooled["mse"] / spread if spread > 0 else float("nan"),
        "long_short": _mean(columns["long_short"]),
        "days": int(np.isfinite(columns["ic"]).sum()),
    }


def _mean(series: np.ndarray) -> float:
    finite = series[np.isfinite(series)]
    return float(finite.mean()) if len(finite) else float("nan")


def _ratio(series: np.ndarray) -> float:
    """Mean over standard deviation (ddof 1) of the finite entries."""
    finite = series[np.isfinite(series)]
    # Rounding leaves a constant series a deviation of 1e-17, and with it a ratio of 1e16.
    deviation = finite.std(ddof=1) if len(finite) > 1 and np.ptp(finite) > 0 else 0.0
    return float(finite.mean() / deviation) if deviation > 0 else float("nan")
