"""How the scores of a trial relate to what came: deciles, distribution, persistence; kept in `diagnostics.json`.

`diagnostics.parquet` holds the daily series; readers in `bench.scores.frames`. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench.experiment.evidence import Measurement, refresh
from bench.records.store import RunStore
from bench.stats.bootstrap import block_length
from zoo.crosssection import rank_rows, spearman_rows
from zoo.data.labels import raw_label, train_label

if TYPE_CHECKING:
    from bench.experiment.plan import Plan
    from bench.experiment.trial import Trial

DIAGNOSTICS = "diagnostics"
DECILES = 10
DECILE_SERIES = [f"decile_{k}" for k in range(1, DECILES + 1)]
"""Columns of `diagnostics.parquet`: mean raw label of the names in each decile by score, 1 = lowest scores."""

BINS = {"low": -4.0, "high": 4.0, "count": 32}
"""Equal bins of the standardised scores; what lies beyond counts in the outermost."""


def measure_diagnostics(plan: Plan, store: RunStore, keys: Sequence[str]) -> None:
    """Diagnose the scores of the trials `keys` that are not diagnosed yet, and store the figures."""
    settings = {"label": plan.config.data.label.definition, "deciles": DECILES, "bins": BINS}
    refresh(plan, store, keys, DIAGNOSTICS, settings, lambda: _examiner(plan))


def _examiner(plan: Plan) -> Callable[[Trial, np.ndarray], Measurement]:
    label = raw_label(plan.panel, plan.config.data.label)

    def measure(trial: Trial, scores: np.ndarray) -> Measurement:
        test = plan.folds[trial.fold].test
        days = slice(test.start, test.stop)
        overlap = plan.config.data.label.overlap
        figures, daily = diagnose(scores, label[days], plan.panel.member[days], overlap)
        daily.insert(0, "datetime", plan.panel.days[days].astype("datetime64[ns]"))
        return figures, daily

    return measure


def diagnose(
    score: np.ndarray, label: np.ndarray, member: np.ndarray, overlap: int = 1
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Figures and daily series (T rows) of `score`, raw `label` (NaN = none) and `member`, all `[T, N]`.

    Daily, float32: `label`, the mean over the day's names with score and label; `decile_1` .. `decile_10`;
    `rank_autocorrelation`, Spearman's correlation with the scores of the day before over the names scored on both.
    Figures: means over days by decile (score, train_label, names); `histogram`, counts of the scores standardised
    within their day; shares of members without score and without label; block lengths for a bootstrap of the series.
    """
    decile = deciles(score, label)
    both = decile > 0
    mean_label = _grouped(label, decile)
    every = _grouped(label, both.astype(np.int64), groups=1)[:, 0]
    persistence = np.append(np.nan, spearman_rows(score[1:], score[:-1]))
    members = max(int(member.sum()), 1)
    standardised, spread = standardise(score)
    edges = bin_edges(BINS)
    counts, _ = np.histogram(np.clip(standardised[np.isfinite(standardised)], edges[0], edges[-1]), bins=edges)
    days = int(both.any(axis=1).sum())
    figures = {
        "days": days,
        "rows": int(member.sum()),
        "missing_score": float((member & ~np.isfinite(score)).sum() / members),
        "missing_label": float((member & ~np.isfinite(label)).sum() / members),
        "score_sd": _mean(spread),
        "decile_score": [_mean(c) for c in _grouped(score, decile).T],
        "decile_train_label": [_mean(c) for c in _grouped(train_label(label), decile).T],
        "decile_names": (np.bincount(decile.ravel(), minlength=DECILES + 1)[1:] / max(days, 1)).tolist(),
        "histogram": counts.tolist(),
        "block_days": {
            "label": block_length(mean_label, overlap),
            "excess": block_length(mean_label - every[:, None], overlap),
            "rank_autocorrelation": block_length(persistence),
        },
    }
    series = {"label": every, **dict(zip(DECILE_SERIES, mean_label.T, strict=True))}
    return figures, pd.DataFrame(series | {"rank_autocorrelation": persistence}, dtype=np.float32)


def bin_edges(bins: dict[str, Any]) -> np.ndarray:
    """The edges `[count + 1]` of bins as stored."""
    return np.linspace(bins["low"], bins["high"], bins["count"] + 1)


def deciles(score: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Decile by score within the day, `[T, N]` -> `[T, N]` int64: 1 lowest .. 10 highest, 0 = no score or label.

    ceil(10 * average rank / names); tied names share a decile, so few names or many ties leave some empty.
    """
    both = np.isfinite(score) & np.isfinite(label)
    rank = rank_rows(np.where(both, score, np.nan))
    count = np.maximum(both.sum(axis=1), 1)[:, None]
    # 10 x rank is exact, so that a rank on a border stays below it.
    return np.where(both, np.ceil(DECILES * np.where(both, rank, 1.0) / count), 0).astype(np.int64)


def standardise(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(score - mean) / sd within each day `[T, N]`, and that sd (ddof 0) `[T]`; NaN for a day of equal scores."""
    present = np.isfinite(score)
    count = np.where(present.any(axis=1), present.sum(axis=1), np.nan)
    filled = np.where(present, score, 0.0).astype(np.float64)
    gap = np.where(present, filled - (filled.sum(axis=1) / count)[:, None], 0.0)
    spread = np.sqrt((gap**2).sum(axis=1) / count)
    top, bottom = np.where(present, score, -np.inf).max(axis=1), np.where(present, score, np.inf).min(axis=1)
    # Rounding leaves equal scores a sd of 1e-17.
    spread[top == bottom] = 0.0
    scale = np.where(spread > 0, spread, np.nan)
    return np.where(present, gap / scale[:, None], np.nan), spread


def _grouped(values: np.ndarray, group: np.ndarray, groups: int = DECILES) -> np.ndarray:
    """Mean of `values [T, N]` over the names of each group 1 .. groups, `[T, groups]`; NaN where it has none."""
    days = len(values)
    cell = (np.arange(days)[:, None] * (groups + 1) + group).ravel()
    size = days * (groups + 1)
    total = np.bincount(cell, np.where(group > 0, values, 0.0).ravel(), minlength=size)
    count = np.bincount(cell, minlength=size)
    mean = np.divide(total, count, out=np.full(size, np.nan), where=count > 0)
    return mean.reshape(days, groups + 1)[:, 1:]


def _mean(series: np.ndarray) -> float:
    finite = series[np.isfinite(series)]
    return float(finite.mean()) if len(finite) else float("nan")
