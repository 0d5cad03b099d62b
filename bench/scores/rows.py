"""One row of the leaderboard: a model's metrics with their intervals, its capture, its cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bench.metrics.registry import list_metrics, mean_over_days
from bench.records.store import RunStore, read_json
from bench.scores.series import Frames, Records, by_seed
from bench.stats import inference
from zoo.errors import ConfigError

BEFORE_METRICS = {
    "model": "str",
    "title": "str",
    "scope": "str",
    "status": "str",
    "ranked": "bool",
    "n_trials": "int64",
    "n_planned": "int64",
    "n_days": "int64",
}
AFTER_METRICS = {
    "versus_baseline": "float64",
    "versus_baseline_low": "float64",
    "versus_baseline_high": "float64",
    "capture": "float64",
    "capture_low": "float64",
    "capture_high": "float64",
    "n_parameters": "float64",
    "fit_seconds": "float64",
    "latency_ms": "float64",
    "latency_p90_ms": "float64",
    "latency_device": "str",
}
NOT_METRICS = {"datetime", "days", "key", "fold", "seed", *BEFORE_METRICS, *AFTER_METRICS}
"""Names that a metric cannot have: they are columns beside it."""

DRAWS = 2000


def frame_columns() -> dict[str, str]:
    """Columns and dtypes of the frame.

    `*_half` is the half-width of a 95 % block-bootstrap interval over days, `*_seed_sd` the standard deviation over
    seeds of the mean over days; `versus_baseline` the Rank IC minus the baseline's; `capture` the IC as a share of the
    oracle's.

    Raises:
        ConfigError: a metric has the name of another column.
    """
    metrics = [column for metric in list_metrics() if metric.in_frame for column in metric.columns]
    names = [*(m.name for m in list_metrics() if not m.in_frame), *metrics]
    taken = [name for name in names if name in NOT_METRICS or names.count(name) > 1]
    if taken:
        raise ConfigError(f"metric '{taken[0]}': another column of the tables has this name; choose another")
    return BEFORE_METRICS | dict.fromkeys(metrics, "float64") | AFTER_METRICS


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
    """A model's row, columns as `frame_columns`.

    Args:
        daily, draws: by metric with an interval: its days by model, and their bootstrap means.
    """
    planned = [t for t in run["trials"] if t["model"] == model]
    own = {k: r for k, r in records.items() if r["model"] == model}
    row: dict[str, Any] = {name: np.nan for name, kind in frame_columns().items() if kind == "float64"}
    row |= {"model": model, "title": model, "scope": "", "latency_device": "", "ranked": False}
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
    row["fit_seconds"] = float(np.median([r["fit"]["seconds"] for r in own.values()]))
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
            row[f"{metric.name}_half"] = float(inference.half_width(draws[metric.name][model][:, None])[0])
            row[f"{metric.name}_seed_sd"] = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
        else:
            row[metric.name] = float(np.mean(values))
    return row


def _capture(ic: float, draws: np.ndarray, of_oracle: np.ndarray, oracle: pd.DataFrame) -> dict[str, float]:
    low, high = inference.interval((draws / of_oracle)[:, None])
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
    for machine in (read_json(store.folder / "latency.json") or {}).values():
        entries.update(machine)
    return entries


def bootstrap(daily: pd.DataFrame, oracle: pd.DataFrame | None = None) -> dict[str, np.ndarray]:
    """Bootstrap means of every model with shared draws, the oracle's IC among them; by column name."""
    if daily.empty:
        return {}
    table = daily if oracle is None else daily.assign(**{" oracle": oracle["ic"].reindex(daily.index)})
    draws = inference.bootstrap_means(table.to_numpy(), draws=DRAWS, seed=0)
    return {name: draws[:, i] for i, name in enumerate(table.columns)}
