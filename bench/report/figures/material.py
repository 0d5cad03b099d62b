"""What the figures of one report are drawn from; series that several figures share are read once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import pandas as pd

from bench.advice.facts import Facts
from bench.attribution.frames import FILE, attribution_profiles, interpretability_scores
from bench.attribution.importance_frames import input_frame
from bench.portfolio.frames import portfolio_daily
from bench.records.store import RunStore
from bench.scores.frames import decile_frame, histogram_frame


def matching(frame: pd.DataFrame, **values: Any) -> pd.DataFrame:
    """The rows whose columns have these values."""
    keep = np.ones(len(frame), dtype=bool)
    for column, value in values.items():
        keep &= np.asarray(frame[column] == value)
    return rows_where(frame, keep)


def rows_where(frame: pd.DataFrame, keep: Any) -> pd.DataFrame:
    """The rows that `keep` is true for."""
    return cast(pd.DataFrame, frame.iloc[np.flatnonzero(np.asarray(keep))])


@dataclass(frozen=True)
class Material:
    """The facts of a report, and the series that they do not hold, from the records of the run and its neighbours."""

    facts: Facts
    store: RunStore

    @property
    def models(self) -> list[str]:
        """The models of the report in the order of its main table."""
        return self.facts.models

    @cached_property
    def daily_models(self) -> list[str]:
        """Those with a Rank IC on some day."""
        daily = self.facts.board.daily
        return [m for m in self.models if m in daily.columns and bool(np.isfinite(daily[m].to_numpy()).any())]

    @cached_property
    def deciles(self) -> pd.DataFrame:
        return decile_frame(self.store, self.facts.run)

    @cached_property
    def histograms(self) -> pd.DataFrame:
        return histogram_frame(self.store, self.facts.run)

    @cached_property
    def portfolios(self) -> dict[str, pd.DataFrame]:
        """Daily series by day, mean over seeds; by model."""
        frame = portfolio_daily(self.store, self.facts.run)
        return {m: rows.set_index("datetime") for m in self.models if len(rows := matching(frame, model=m))}

    @cached_property
    def explained(self) -> RunStore:
        """The run that was explained: this one, or else the matrix's run in which everything is planted."""
        matrix = self.facts.matrix
        if (self.store.folder / FILE).is_file() or matrix is None or "mixed" not in matrix.boards:
            return self.store
        return RunStore(self.store.results, matrix.boards["mixed"].run["name"])

    @cached_property
    def profiles(self) -> pd.DataFrame:
        return attribution_profiles(self.explained)

    @cached_property
    def inputs(self) -> pd.DataFrame:
        """What the forecasts of the run's models rest on, every field and lag."""
        return input_frame(self.store)

    @cached_property
    def best_method(self) -> dict[str, str]:
        """The method that explains a model best, by model."""
        scores = interpretability_scores(self.explained)
        return dict(zip(scores["model"], scores["method"], strict=True))
