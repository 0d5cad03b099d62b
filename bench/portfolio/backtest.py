"""The TopkDropout portfolio of every finished trial: simulated on its test segment, kept in `portfolio.json`.

`portfolio.parquet` holds the daily series; readers in `bench.portfolio.frames`. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.experiment.config import PortfolioConfig
from bench.experiment.evidence import Measurement, refresh
from bench.portfolio.benchmark import benchmark_return, benchmark_settings
from bench.portfolio.costs import COST_RATES, capacity
from bench.portfolio.orders import Costs, Rules
from bench.portfolio.risk import published_periods, risk
from bench.portfolio.topk_dropout import PortfolioResult, Prices, topk_dropout
from bench.records.store import RunStore
from bench.stats.bootstrap import block_length
from zoo.data.panel import Panel
from zoo.data.split import DayRange
from zoo.shapes import Float

if TYPE_CHECKING:
    from bench.experiment.plan import Plan
    from bench.experiment.trial import Trial

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
    """Raises DataError, as `benchmark_return` does, before the work."""
    if plan.config.portfolio.benchmark is not None:
        _benchmark_return(plan)


def backtest_settings(plan: Plan) -> dict[str, Any]:
    """What decides the figures besides the trial: the configured values, defaults resolved for this universe."""
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
    scores: Float[np.ndarray, "days N"],
    panel: Panel,
    days: DayRange,
    bench: Float[np.ndarray, " D"],
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
    inside = slice(days.start, days.stop)
    unknown = np.full((1, panel.n_stocks), np.nan)
    prices = _prices(panel, inside, config, unknown)
    costs = Costs(config.cost_open, config.cost_close, config.cost_minimum)
    rules = Rules(topk, n_drop, config.initial, costs, config.limit, config.risk_degree, config.lot)

    @cache
    def simulate(costs: Costs) -> PortfolioResult:
        traded_by = replace(rules, costs=costs)
        return topk_dropout(np.vstack([unknown, scores]), prices, traded_by, np.append(np.nan, bench[inside]), start=1)

    def annual_excess(rate: float) -> float:
        excess = simulate(Costs(open=rate, close=rate, minimum=0.0)).column("excess")
        return risk(excess, published_periods(panel.periods_per_year)).annualised

    result, most = simulate(costs), np.nan
    if "volume" in panel.fields:
        traded = panel.field("close")[inside].astype(np.float64) * panel.field("volume")[inside]
        most = capacity(result, np.vstack([unknown, traded]))
    daily: Any = result.daily[list(DAILY)].reset_index(drop=True)
    daily.insert(0, "datetime", panel.days[inside].astype("datetime64[ns]"))
    figures = {
        "days": len(daily),
        "block_days": block_length(result.column("excess")),
        "capacity": most,
        "sensitivity": [{"rate": rate, "excess": {"annualised": annual_excess(rate)}} for rate in COST_RATES],
    }
    return figures, daily


def _prices(panel: Panel, days: slice, config: PortfolioConfig, unknown: np.ndarray) -> Prices:
    """Close and, where the rules ask for them, change and factor of `days`, below a row of the last closes before."""

    def below(past: np.ndarray, name: str) -> np.ndarray:
        return np.vstack([past, panel.field(name)[days]])

    before = panel.field("close")[: days.start]
    finite = np.isfinite(before)
    last = before[len(before) - 1 - finite[::-1].argmax(axis=0), np.arange(panel.n_stocks)]
    return Prices(
        panel.symbols,
        below(np.where(finite.any(axis=0), last, np.nan)[None], "close"),
        change=below(unknown, "change") if config.limit is not None and "change" in panel.fields else None,
        factor=below(unknown, "factor") if config.lot is not None and "factor" in panel.fields else None,
    )
