"""Stored portfolios -> frames: figures by model with intervals over days, and daily series. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import create_model

from bench.columns import FrameRow, Real, means
from bench.experiment.evidence import Evidence, read_evidence
from bench.portfolio.backtest import DAILY, STORED_AS
from bench.portfolio.costs import COST_RATES, break_even_bp
from bench.portfolio.risk import YEAR_DAYS, performance, published_periods, risk
from bench.records.store import RunStore, known
from bench.stats.bootstrap import bootstrap_means, interval

RATE_COLUMNS = {rate: f"excess_at_{rate * 1e4:.0f}bp" for rate in COST_RATES}


class _Portfolio(FrameRow):
    """The portfolios of a model's scores; fractions, not per cent, unless said otherwise."""

    model: str = means("registry name")
    status: Literal["ok", "incomplete", "missing"] = means("of the simulated portfolios")
    ranked: bool = means("simulated on every fold")
    n_trials: int = means("portfolios simulated")
    n_planned: int = means("trials planned")
    n_days: int = means("days simulated")
    annual_excess: Real = means("238 x mean daily return minus benchmark minus costs, summed; other bars in proportion")
    annual_excess_low: Real = means("2.5 % point of its block bootstrap over days")
    annual_excess_high: Real = means("97.5 % point")
    seed_sd: Real = means("standard deviation (ddof 1) over seeds of annual_excess")
    information_ratio: Real = means("mean / standard deviation of the daily excess after costs x sqrt(238), likewise")
    information_ratio_low: Real = means("2.5 % point")
    information_ratio_high: Real = means("97.5 % point")
    max_drawdown: Real = means("largest fall of the summed excess from its peak, negative")
    annual_excess_before_costs: Real = means("annual_excess without costs")
    compounded_annual_return: Real = means("of the account after costs, compounded, the periods a year of the data")
    bench_annual_return: Real = means("of the benchmark, likewise")
    sharpe: Real = means("of the account after costs, the periods a year of the data, no risk-free rate")
    wealth_drawdown: Real = means("largest fall of the account from its peak, negative")
    win_rate: Real = means("share of days on which the account gains")
    turnover: Real = means("value bought and sold a day as a share of the account")
    cost: Real = means("cost a day as a share of the account")
    break_even_bp: Real = means("one-way cost at which the mean excess is zero, basis points")
    capacity: Real = means("account, in money, up to which 95 % of the orders stay within 5 % of the day's value")
    topk: int = means("names held")
    n_drop: int = means("names replaced a day")


_AT_RATES: dict[str, Any] = {
    name: (Real, means(f"annual_excess at a one-way cost of {rate * 1e4:.0f} basis points"))
    for rate, name in RATE_COLUMNS.items()
}
PortfolioRow = create_model("PortfolioRow", __base__=_Portfolio, **_AT_RATES)


DRAWS = 2000


def portfolio_settings(store: RunStore) -> dict[str, Any]:
    """What the portfolios of a run were simulated with; empty if none were."""
    return read_evidence(store, STORED_AS).settings


def portfolio_periods(settings: dict[str, Any]) -> float:
    """Periods a year of the data; settings stored without it are of daily data."""
    return settings.get("periods_per_year", YEAR_DAYS)


def portfolio_frame(store: RunStore, run: dict[str, Any]) -> pd.DataFrame:
    """A `PortfolioRow` per model of `run` (`store.run()`), best annual_excess first, those without every fold last.

    Figures are those of one seed, its folds one after the other, and then the mean over seeds; the capacity of a seed
    is that of its worst fold. NaN where nothing was measured.
    """
    evidence = read_evidence(store, STORED_AS)
    entries = evidence.current(run)
    wide = _wide(evidence, entries)
    intervals = _intervals(wide["excess"], entries, published_periods(portfolio_periods(evidence.settings)))
    rows = [_row(model, run, evidence, entries, wide, intervals) for model in run["models"]]
    frame = PortfolioRow.frame(rows).sort_values(["ranked", "annual_excess"], ascending=False, kind="stable")
    return frame.reset_index(drop=True)


def portfolio_daily(store: RunStore, run: dict[str, Any]) -> pd.DataFrame:
    """Daily series by model and day, mean over seeds; in the run's order."""
    evidence = read_evidence(store, STORED_AS)
    wide = _wide(evidence, evidence.current(run))
    parts = []
    for model in run["models"]:
        if model in wide["excess"].columns.get_level_values("model"):
            part = pd.DataFrame({name: wide[name][model].mean(axis=1) for name in DAILY}).dropna(how="all")
            parts.append(part.rename_axis("datetime").reset_index().assign(model=model))
    frame: Any = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["model", "datetime", *DAILY])
    frame["net"] = frame["return"] - frame["cost"]
    return frame[["model", "datetime", *DAILY, "net"]]


def _wide(evidence: Evidence, entries: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Each daily series with days as rows and (model, seed) as columns; folds follow each other."""
    daily: Any = evidence.daily[evidence.daily["key"].isin(list(entries))]
    names = ["model", "seed"]
    if daily.empty:
        nothing = pd.DataFrame(columns=pd.MultiIndex.from_arrays([[], []], names=names))
        return dict.fromkeys(DAILY, nothing)
    who = {name: daily["key"].map({key: entry[name] for key, entry in entries.items()}) for name in names}
    table = daily.assign(**who).pivot(index="datetime", columns=names, values=list(DAILY)).sort_index()
    return {name: table[name] for name in DAILY}


def _intervals(excess: pd.DataFrame, entries: dict[str, dict[str, Any]], periods: float) -> dict[str, dict[str, float]]:
    """95 % intervals of both ratios by model, from draws of days shared by all."""
    if excess.empty:
        return {}
    values = excess.to_numpy(dtype=np.float64)
    # Measured when the portfolios were, so that reading needs no estimator; one length for the shared draws.
    block = max(1.0, float(np.mean([entry["block_days"] for entry in entries.values()])))
    daily = np.hstack([periods * values, _ratio_by_day(values, periods)])
    annual, ratio = np.hsplit(bootstrap_means(daily, draws=DRAWS, seed=0, block=block), 2)
    intervals: dict[str, dict[str, float]] = {}
    models = excess.columns.get_level_values("model")
    for model in dict.fromkeys(models):
        seeds = np.asarray(models == model)
        intervals[model] = {}
        for name, draws in (("annual_excess", annual), ("information_ratio", ratio)):
            low, high = interval(draws[:, seeds].mean(axis=1)[:, None])
            intervals[model] |= {f"{name}_low": float(low[0]), f"{name}_high": float(high[0])}
    return intervals


def _ratio_by_day(excess: np.ndarray, periods: float) -> np.ndarray:
    """What each day contributes to the information ratio: `[D, K]` whose mean over days is the ratio of `excess`.

    ratio + influence, with the influence of a day on m / s: z - ratio / 2 (z^2 - 1), z = (x - m) / s (delta method; Lo
    2002). A mean can be resampled; the ratio itself, of draws with few different days, can be anything. NaN without
    spread.
    """
    n = np.isfinite(excess).sum(axis=0)
    mean = np.nansum(excess, axis=0) / n
    spread = np.sqrt(np.nansum((excess - mean) ** 2, axis=0) / n)
    spread[spread <= 1e-12 * np.abs(mean)] = np.nan
    z = (excess - mean) / spread
    ratio = mean / (spread * np.sqrt(n / np.maximum(n - 1, 1)))
    return np.sqrt(periods) * (ratio + z - ratio / 2 * (z**2 - 1))


def _row(
    model: str,
    run: dict[str, Any],
    evidence: Evidence,
    entries: dict[str, dict[str, Any]],
    wide: dict[str, Any],
    intervals: dict[str, dict[str, float]],
) -> dict[str, Any]:
    planned = [t for t in run["trials"] if t["model"] == model]
    mine = [entry for entry in entries.values() if entry["model"] == model]
    row: dict[str, Any] = {"model": model, "status": "missing", "ranked": False, "n_days": 0}
    row |= {"n_trials": len(mine), "n_planned": len(planned)}
    row |= {name: evidence.settings.get(name, 0) for name in ("topk", "n_drop")}
    if not mine:
        return row
    row["status"] = "ok" if len(mine) == len(planned) else "incomplete"
    # Unequal days are never ranked against each other: a model must have every fold at least once.
    row["ranked"] = {entry["fold"] for entry in mine} == {t["fold"] for t in planned}
    row["n_days"] = int(wide["excess"][model].notna().any(axis=1).sum())
    seeds, periods = [], portfolio_periods(evidence.settings)
    for seed in dict.fromkeys(entry["seed"] for entry in mine):
        series = {name: wide[name][model, seed].dropna().to_numpy(dtype=np.float64) for name in DAILY}
        seeds.append(_figures(series, [entry for entry in mine if entry["seed"] == seed], periods))
    for name in seeds[0]:
        row[name] = float(np.mean([figures[name] for figures in seeds]))
    annual = [figures["annual_excess"] for figures in seeds]
    row["seed_sd"] = float(np.std(annual, ddof=1)) if len(annual) > 1 else np.nan
    return row | intervals[model]


def _figures(series: dict[str, np.ndarray], folds: list[dict[str, Any]], periods: float) -> dict[str, float]:
    """The figures of one seed, from daily `series [D]` and entry of its folds."""
    published = risk(series["excess"], periods=published_periods(periods))
    before = series["return"] - series["bench"]
    account = performance(series["return"] - series["cost"], periods)
    bench = performance(series["bench"], periods)
    weights = [entry["days"] for entry in folds]
    figures = {
        "annual_excess": published.annualised,
        "information_ratio": published.ratio,
        "max_drawdown": published.max_drawdown,
        "annual_excess_before_costs": risk(before, periods=published_periods(periods)).annualised,
        "compounded_annual_return": account.annual_return,
        "bench_annual_return": bench.annual_return,
        "sharpe": account.sharpe,
        "wealth_drawdown": account.max_drawdown,
        "win_rate": account.win_rate,
        "turnover": float(series["turnover"].mean()),
        "cost": float(series["cost"].mean()),
        "break_even_bp": break_even_bp(before, series["turnover"]),
        "capacity": float(np.min([known(entry["capacity"]) for entry in folds])),
    }
    for k, name in enumerate(RATE_COLUMNS.values()):
        # Summed returns: the figure of all days is the mean of the folds', each by its days.
        figures[name] = float(
            np.average([known(e["sensitivity"][k]["excess"]["annualised"]) for e in folds], weights=weights)
        )
    return figures
