"""What the best scores earned over the worst."""

from __future__ import annotations

import numpy as np

from bench.metrics.registry import register_metric
from bench.metrics.scored import Scored

SHARE = 0.2


@register_metric(
    "long_short",
    title="long minus short",
    definition="half the difference of the mean raw labels of the top and bottom fifth by score; the mean over days.",
    shown="frame",
    interval=False,
)
def long_short(day_scores: Scored) -> np.ndarray:
    """(mean label of the best `SHARE` by score - mean label of the worst) / 2 per day, `[D]`.

    Each side holds `SHARE` of the day's names, rounded down; names that tie for its last places have equal parts of
    them. NaN where that is nobody or where the scores or the labels are constant.
    """
    score, label, both = day_scores.score, day_scores.raw_label, day_scores.both
    places = np.floor(day_scores.names * SHARE).astype(np.int64)
    best, worst = (_mean_label(sign * score, label, both, places) for sign in (1, -1))
    return np.where(_varies(score, both) & _varies(label, both), (best - worst) / 2, np.nan)


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
