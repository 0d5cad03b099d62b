"""The TopkDropout portfolio of every finished trial: simulated on its test segment, kept in `portfolio.json`.

`portfolio.parquet` holds the daily series; readers in `bench.portfolio.frames`. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.experiment.evidence import Measurement, refresh
from bench.portfolio.benchmark import benchmark_return, benchmark_settings
from bench.portfolio.costs import COST_RATES, annual_excess_at, capacity
from bench.portfolio.market import Prices
from bench.portfolio.orders import Costs, Rules
from bench.portfolio.risk import published_periods
from bench.portfolio.topk_dropout import PortfolioResult, topk_dropout
from bench.records.store import RunStore
from bench.stats.bootstrap import block_length

if TYPE_CHECKING:
    from bench.experiment.config import PortfolioConfig
    from bench.experiment.plan import Plan
    from bench.experiment.trial import Trial
    from zoo.data.panel import Panel
    from zoo.data.split import DayRange

STORED_AS = "portfolio"
DAILY = ("return", "bench", "cost", "turnover", "excess")
"""Daily series of `portfolio.parquet`, as `PortfolioResult.daily` has them: `return` before costs."""

LARGEST, SELECTED, REPLACED = 50, 5, 10
"""By default 50 names are held, of small universes a fifth, and a tenth of those held are replaced a day."""


def measure_backtests(plan: Plan, store: RunStore, keys: Sequence[str]) -> None:
    """Simulate the portfolios of the trials `keys` that are not stored under the same settings, and store them.

    Raises:
        DataError: the benchmark cannot be read, or does not cover the test days.
    """
    refresh(plan, store, keys, STORED_AS, backtest_settings(plan), lambda: _simulator(plan))


def check_benchmark(plan: Plan) -> None:
    """Find out before the work whether the benchmark can be used.

    Raises:
        DataError: as `benchmark_return`.
    """
    if plan.config.portfolio.benchmark is not None:
        _benchmark_return(plan)


def backtest_settings(plan: Plan) -> dict[str, Any]:
    """What decides the figures besides the trial: the configured values, defaults resolved for this universe.

    `median_names` is the median number of members over the test days of all folds.
    """
    config = plan.config.portfolio
    members = [plan.panel.member[f.test.start : f.test.stop].sum(axis=1) for f in plan.folds]
    median = int(np.median(np.concatenate(members)))
    topk = config.topk if config.topk is not None else min(LARGEST, max(1, median // SELECTED))
    n_drop = config.n_drop if config.n_drop is not None else max(1, topk // REPLACED)
    resolved = {"topk": topk, "n_drop": n_drop, "median_names": median, "rates": COST_RATES}
    resolved["periods_per_year"] = plan.panel.periods_per_year
    return config.model_dump(mode="json") | resolved | benchmark_settings(config.benchmark, plan.config.data.source)


def _benchmark_return(plan: Plan) -> np.ndarray:
    config = plan.config
    return benchmark_return(config.portfolio.benchmark, config.data.source, plan.panel, plan.folds)


def _simulator(plan: Plan) -> Callable[[Trial, np.ndarray], Measurement]:
    bench = _benchmark_return(plan)
    settings = backtest_settings(plan)

    def measure(trial: Trial, scores: np.ndarray) -> Measurement:
        test = plan.folds[trial.fold].test
        return backtest(scores, plan.panel, test, bench, plan.config.portfolio, settings["topk"], settings["n_drop"])

    return measure


def backtest(
    scores: np.ndarray,
    panel: Panel,
    days: DayRange,
    bench: np.ndarray,
    config: PortfolioConfig,
    topk: int,
    n_drop: int,
) -> Measurement:
    """The portfolio of `scores [days, N]` over `days` of a panel: figures, and the daily series.

    The first day holds cash, because the day before it has no scores. `block_days` is the block length that the
    excess asks of a bootstrap.

    Args:
        bench: `[D]` on the panel's calendar.
    """
    score, prices = _inputs(scores, panel, days, config)
    costs = Costs(config.cost_open, config.cost_close, config.cost_minimum)
    rules = Rules(topk, n_drop, config.initial, costs, config.limit, config.risk_degree, config.lot)
    of_days = np.append(np.nan, bench[days.start : days.stop])

    @cache
    def simulate(costs: Costs) -> PortfolioResult:
        return topk_dropout(score, prices, replace(rules, costs=costs), bench=of_days, start=1)

    result, traded = simulate(costs), _dollar_volume(panel, days)
    periods = published_periods(panel.periods_per_year)
    daily: Any = result.daily[list(DAILY)].reset_index(drop=True)
    daily.insert(0, "datetime", panel.days[days.start : days.stop].astype("datetime64[ns]"))
    figures = {
        "days": len(daily),
        "block_days": block_length(result.column("excess")),
        "capacity": np.nan if traded is None else capacity(result, traded),
        "sensitivity": [
            {"rate": rate, "excess": {"annualised": annual_excess_at(simulate, rate, periods)}} for rate in COST_RATES
        ],
    }
    return figures, daily


def _inputs(scores: np.ndarray, panel: Panel, days: DayRange, config: PortfolioConfig) -> tuple[np.ndarray, Prices]:
    """Score, close and, where the rules ask for them, change and factor of `days`, below a row for the past.

    That row carries the last close of every stock before the first day; all that a simulation reads of it.
    """
    unknown = np.full((1, panel.n_stocks), np.nan)

    def below(past: np.ndarray, name: str) -> np.ndarray:
        return np.vstack([past, panel.field(name)[days.start : days.stop]])

    return np.vstack([unknown, scores]), Prices(
        panel.symbols,
        close=below(_last_present(panel.field("close")[: days.start]), "close"),
        change=below(unknown, "change") if config.limit is not None and "change" in panel.fields else None,
        factor=below(unknown, "factor") if config.lot is not None and "factor" in panel.fields else None,
    )


def _last_present(close: np.ndarray) -> np.ndarray:
    """The last finite entry of each column of `close [D, N]`, `[1, N]`; NaN where there is none."""
    finite = np.isfinite(close)
    last = len(close) - 1 - finite[::-1].argmax(axis=0) if len(close) else np.zeros(close.shape[1], dtype=np.int64)
    found = close[last, np.arange(close.shape[1])] if len(close) else np.full(close.shape[1], np.nan)
    return np.where(finite.any(axis=0), found, np.nan)[None]


def _dollar_volume(panel: Panel, days: DayRange) -> np.ndarray | None:
    """Close x volume of `days` below a row for the past, in money; None where the panel has no volume."""
    if "volume" not in panel.fields:
        return None
    rows = slice(days.start, days.stop)
    traded = panel.field("close")[rows].astype(np.float64) * panel.field("volume")[rows]
    return np.vstack([np.full((1, panel.n_stocks), np.nan), traded])
