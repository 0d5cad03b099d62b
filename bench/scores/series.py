"""The daily frames of a run's trials, brought together by model, seed and day."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bench.experiment.formulas import outdated, read_daily
from bench.records.store import RunStore

Records = dict[str, dict[str, Any]]
"""Records by trial key."""

Frames = dict[str, pd.DataFrame]
"""Daily frames by trial key."""


def read_frames(store: RunStore, records: Records) -> Frames:
    """The daily frame of each record."""
    return {key: read_daily(store, record) for key, record in records.items()}


def comparable(records: Records, frames: Frames) -> Frames:
    """The frames, a metric blank in all trials of a model where one of them has it by no or by another formula.

    A mean over what is left would be one of other seeds or days than its neighbours in the table.
    """
    blank: dict[str, set[str]] = {}
    for record in records.values():
        blank.setdefault(record["model"], set()).update(m.name for m in outdated(record))
    return {key: frame.assign(**dict.fromkeys(blank[records[key]["model"]], np.nan)) for key, frame in frames.items()}


def daily_of(models: list[str], records: Records, frames: Frames, column: str) -> pd.DataFrame:
    """One metric per day (index) and model (columns), mean over seeds; folds follow each other."""
    parts = {m: [by_day(frames[k], column) for k, r in records.items() if r["model"] == m] for m in models}
    return pd.DataFrame({model: mean_by_day(series) for model, series in parts.items() if series}).sort_index()


def by_seed(records: Records, frames: Frames) -> dict[int, pd.DataFrame]:
    """The daily frames of each seed of a model's records, all folds in one."""
    parts: dict[int, list[pd.DataFrame]] = {}
    for key, record in records.items():
        parts.setdefault(record["seed"], []).append(frames[key])
    return {seed: pd.concat(folds, ignore_index=True) for seed, folds in parts.items()}


def by_day(frame: pd.DataFrame, column: str) -> pd.Series:
    """A column of a daily frame, the day as its index."""
    return frame.set_index("datetime").loc[:, column]


def mean_by_day(parts: list[pd.Series]) -> pd.Series:
    """The mean of several series over the days that each has."""
    stacked: Any = pd.concat(parts)
    return stacked.groupby(level=0).mean()
