"""One row of the leaderboard: a model's metrics with their intervals, its capture, its cost."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import create_model

from bench.columns import FrameRow, Real, means
from bench.metrics.registry import list_metrics, mean_over_days
from bench.records.documents import read_json
from bench.records.store import RunStore, known
from bench.scores.series import Frames, Records, by_seed
from bench.stats.bootstrap import block_length, bootstrap_means, half_width, interval
from zoo.config import DataConfig
from zoo.errors import ConfigError


class _Front(FrameRow):
    model: str = means("registry name")
    title: str = means("printed name")
    scope: Literal["sample", "day", ""] = means("sample: scores each row alone; day: the rows of a day together")
    status: Literal["ok", "incomplete", "failed"] = means("ok: every planned trial finished; failed: none")
    ranked: bool = means("has a Rank IC on every fold; only such models are compared with each other")
    n_trials: int = means("trials finished")
    n_planned: int = means("trials planned")
    n_days: int = means("test days with a Rank IC")


class _Beside(FrameRow):
    versus_baseline: Real = means("rank_ic minus that of the baseline, mean of daily differences")
    versus_baseline_low: Real = means("2.5 % point of its paired bootstrap")
    versus_baseline_high: Real = means("97.5 % point")
    capture: Real = means("ic / ic of the oracle on the same days; null on data without a planted signal")
    capture_low: Real = means("2.5 % point of its paired bootstrap")
    capture_high: Real = means("97.5 % point")
    n_parameters: Real = means("trained numbers")
    fit_seconds: Real = means("median wall time of a fit in seconds, validation included")
    latency_ms: Real = means("median time from panel to scores of one day, milliseconds")
    latency_p90_ms: Real = means("90th percentile of the same, milliseconds")
    latency_device: str = means("device it was timed on; empty where it was not")


NOT_METRICS = {"datetime", "days", "key", "fold", "seed", *_Front.model_fields, *_Beside.model_fields}
"""Names that a metric cannot have: they are columns beside it."""

DRAWS = 2000


def leaderboard_row() -> type[FrameRow]:
    """The type of the frame's rows: a model with every metric that is registered.

    Raises:
        ConfigError: a metric has the name of another column.
    """
    shown = [metric for metric in list_metrics() if metric.in_frame]
    names = [*(m.name for m in list_metrics() if not m.in_frame), *(name for m in shown for name in m.columns)]
    taken = [name for name in names if name in NOT_METRICS or names.count(name) > 1]
    if taken:
        raise ConfigError(f"metric '{taken[0]}': another column of the tables has this name; choose another")
    metrics: dict[str, Any] = {}
    for metric in shown:
        meanings = (metric.definition, "half-width of its 95 % block-bootstrap interval over days")
        meanings += ("standard deviation (ddof 1) over seeds of the mean over days",)
        metrics |= {name: (Real, means(meaning)) for name, meaning in zip(metric.columns, meanings, strict=False)}
    return create_model("LeaderboardRow", __base__=(_Beside, create_model("_Measured", __base__=_Front, **metrics)))


def fold_row() -> type[FrameRow]:
    """The type of the rows of a model and fold: the daily metrics of the main table."""
    shown = [metric for metric in list_metrics(derived=False) if metric.in_table]
    metrics: dict[str, Any] = {m.name: (Real, means(m.definition)) for m in shown}
    return create_model(
        "FoldRow",
        model=(str, means("registry name")),
        fold=(int, means("index")),
        **metrics,
        days=(int, means("test days with a Rank IC")),
        __base__=FrameRow,
    )


def frame_columns() -> dict[str, str]:
    """Columns and dtypes of the frame; raises as `leaderboard_row`."""
    return leaderboard_row().dtypes()


def model_row(
    model: str,
    run: dict[str, Any],
    records: Records,
    frames: Frames,
    daily: dict[str, pd.DataFrame],
    draws: dict[str, dict[str, np.ndarray]],
    oracle: pd.DataFrame | None,
    latency: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """What is known of a `leaderboard_row`; figures that are not measured are missing.

    Args:
        daily, draws: by metric with an interval: its days by model, and their bootstrap means.
    """
    planned = [t for t in run["trials"] if t["model"] == model]
    own = {k: r for k, r in records.items() if r["model"] == model}
    row: dict[str, Any] = {"model": model, "title": model, "scope": "", "latency_device": "", "ranked": False}
    row |= {"n_trials": len(own), "n_planned": len(planned), "n_days": 0, "status": "failed"}
    if not own:
        return row
    first = next(iter(own.values()))
    row |= {"title": first["title"], "scope": first["scope"], "n_parameters": first["n_parameters"]}
    row["status"] = "ok" if len(own) == len(planned) else "incomplete"
    row["n_days"] = int(np.isfinite(daily["rank_ic"][model].to_numpy()).sum())
    # Unequal days are never ranked against each other: a model must have every fold at least once.
    row["ranked"] = {r["fold"] for r in own.values()} == {t["fold"] for t in planned} and row["n_days"] > 0
    row |= _metrics(model, by_seed(own, frames), daily, draws)
    if oracle is not None and mean_over_days(oracle, "designed_ic") > 0:
        row |= _capture(row["ic"], draws["ic"][model], draws["ic"][" oracle"], oracle)
    row["fit_seconds"] = float(np.median([known(r["fit"]["seconds"]) for r in own.values()]))
    timed = next((latency[k] for k in own if k in latency), None)
    return row if timed is None else row | _latency(timed)


def _metrics(
    model: str,
    seeds: dict[int, pd.DataFrame],
    daily: dict[str, pd.DataFrame],
    draws: dict[str, dict[str, np.ndarray]],
) -> dict[str, float]:
    """Every metric of a model; `seeds` are its frames, the folds of a seed in one.

    A mean of fold means would weigh a short fold like a long one.
    """
    row: dict[str, float] = {}
    for metric in (m for m in list_metrics() if m.in_frame):
        values = [metric.value(frame) for frame in seeds.values()]
        if metric.interval:
            row[metric.name] = mean_over_days(daily[metric.name], model)
            row[f"{metric.name}_half"] = float(half_width(draws[metric.name][model][:, None])[0])
            row[f"{metric.name}_seed_sd"] = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
        else:
            row[metric.name] = float(np.mean(values))
    return row


def _capture(ic: float, draws: np.ndarray, of_oracle: np.ndarray, oracle: pd.DataFrame) -> dict[str, float]:
    low, high = interval((draws / of_oracle)[:, None])
    return {
        "capture": ic / mean_over_days(oracle, "ic"),
        "capture_low": float(low[0]),
        "capture_high": float(high[0]),
    }


def _latency(timed: dict[str, Any]) -> dict[str, Any]:
    samples = np.array(timed["seconds"]) * 1e3
    return {
        "latency_ms": float(np.median(samples)),
        "latency_p90_ms": float(np.percentile(samples, 90)),
        "latency_device": timed["device_name"],
    }


def latency_entries(store: RunStore) -> dict[str, dict[str, Any]]:
    """Latency entries by trial key; of several machines the one measured last in file order."""
    entries: dict[str, dict[str, Any]] = {}
    for machine in (read_json(store.folder / "latency.json").content or {}).get("machines", {}).values():
        entries.update(machine)
    return entries


def overlap_of(run: dict[str, Any]) -> int:
    """Days in a row whose labels share returns."""
    data = run.get("config", {}).get("data", {})
    return DataConfig.model_validate({"label": data.get("label", {})}).label.overlap


def bootstrap(daily: pd.DataFrame, oracle: pd.DataFrame | None = None, least: float = 1.0) -> dict[str, np.ndarray]:
    """Bootstrap means of every model with shared draws, the oracle's IC among them; by column name.

    Args:
        least: days of a block, at least.
    """
    if daily.empty:
        return {}
    table = daily if oracle is None else daily.assign(**{" oracle": oracle["ic"].reindex(daily.index)})
    draws = bootstrap_means(table.to_numpy(), draws=DRAWS, seed=0, block=block_length(table.to_numpy(), least))
    return {name: draws[:, i] for i, name in enumerate(table.columns)}
