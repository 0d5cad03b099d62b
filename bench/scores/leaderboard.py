"""Stored records -> one frame: the only input of console, markdown and page. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from bench.metrics.daily import summary
from bench.records.store import RunStore, read_json
from bench.stats import inference
from bench.stats.pairs import PairedDraws, pair_frame, paired_draws, significance_frame
from zoo.errors import ConfigError

COLUMNS = {
    "model": "str",
    "title": "str",
    "scope": "str",
    "status": "str",
    "ranked": "bool",
    "n_trials": "int64",
    "n_planned": "int64",
    "n_days": "int64",
    "ic": "float64",
    "ic_half": "float64",
    "ic_seed_sd": "float64",
    "icir": "float64",
    "rank_ic": "float64",
    "rank_ic_half": "float64",
    "rank_ic_seed_sd": "float64",
    "rank_icir": "float64",
    "mse": "float64",
    "mae": "float64",
    "r2": "float64",
    "long_short": "float64",
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
"""Columns and dtypes of the frame, enforced on writing and reading.

`*_half` is the half-width of a 95 % block-bootstrap interval over days, `*_seed_sd` the standard deviation over seeds
of the mean over days; `versus_baseline` the Rank IC minus the baseline's; `capture` the IC as a share of the oracle's.
"""

VERSUS = ["versus_baseline", "versus_baseline_low", "versus_baseline_high"]
DRAWS = 2000


@dataclass(frozen=True)
class Leaderboard:
    """All a report prints.

    Attributes:
        run: `run.json`.
        frame: one row per model, best Rank IC first, unranked models last; columns as `COLUMNS`.
        folds: one row per model and fold: ic, rank_ic, mse, days.
        records: the records behind it, by key.
        failures: what failed, by key.
        oracle: IC, Rank IC and designed IC of the true signal on the test days; None for real data.
        daily: Rank IC per day and model, mean over seeds; NaN = skipped day.
        daily_by_seed: the same per model and seed, `[day]` each: `(model, seed) -> series`.
        paired: draws of the ranked models' Rank IC, best first, from which every difference is taken.
        capture_draws: bootstrap draws of each model's capture, shared days; empty without an oracle that can be met.
    """

    run: dict[str, Any]
    frame: pd.DataFrame
    folds: pd.DataFrame
    records: dict[str, dict[str, Any]]
    failures: dict[str, dict[str, Any]]
    oracle: dict[str, float] | None
    daily: pd.DataFrame
    daily_by_seed: dict[tuple[str, int], pd.Series]
    paired: PairedDraws
    capture_draws: pd.DataFrame

    def record_of(self, model: str) -> dict[str, Any] | None:
        """The first stored record of a model."""
        return next((r for r in self.records.values() if r["model"] == model), None)

    @property
    def baseline(self) -> str | None:
        return self.run["baseline"]

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """Every pair of ranked models, best first: difference of Rank IC and its test; `PAIR_COLUMNS`."""
        return pair_frame(self._ranked, drawn=self.paired)

    @cached_property
    def significance(self) -> pd.DataFrame:
        """One row per ranked model, best first: what its daily Rank IC can tell apart; `SIGNIFICANCE_COLUMNS`."""
        by_seed = {
            str(model): pd.DataFrame({s: series for (m, s), series in self.daily_by_seed.items() if m == model})
            for model in self._ranked.columns
        }
        return significance_frame(self._ranked, by_seed, pairs=self.pairs)

    @cached_property
    def fold_halves(self) -> pd.DataFrame:
        """Half-widths of the 95 % intervals of the mean Rank IC, by fold (index) and model; shared draws in a fold."""
        found = {}
        for i, fold in enumerate(self.run["folds"]):
            draws = _bootstrap(self.daily.loc[fold["test"][0] : fold["test"][1]].dropna(axis=1, how="all"), None)
            found[i] = {model: float(inference.half_width(means[:, None])[0]) for model, means in draws.items()}
        return pd.DataFrame.from_dict(found, orient="index").reindex(columns=self.daily.columns)

    @property
    def _ranked(self) -> pd.DataFrame:
        return self.daily.reindex(columns=self.frame.loc[self.frame["ranked"], "model"].tolist())


def has_trials(store: RunStore) -> bool:
    """Whether any trial of a run has finished or failed."""
    return any(store.is_recorded(t["key"]) or store.failure(t["key"]) is not None for t in store.run()["trials"])


def build_leaderboard(store: RunStore) -> Leaderboard:
    """The leaderboard of a run: a pure function of its records.

    Raises:
        ConfigError: the run has neither a record nor a failure.
    """
    run = store.run()
    # A damaged trial is no record: it is run again, and until then counts as missing.
    whole = [t["key"] for t in run["trials"] if store.is_recorded(t["key"])]
    records = {key: r for key in whole if (r := store.record(key)) is not None}
    failures = {
        t["key"]: f for t in run["trials"] if t["key"] not in records and (f := store.failure(t["key"])) is not None
    }
    if not records and not failures:
        raise ConfigError(f"run '{store.name}' has no finished trial yet")
    frames = {key: pd.read_parquet(store.trial_folder(key) / "daily.parquet") for key in records}
    oracle_frame = _oracle_frame(store)
    rank_ic = _daily(run, records, frames, "rank_ic")
    ic = _daily(run, records, frames, "ic")
    draws = {
        "ic": _bootstrap(ic, oracle_frame),
        "rank_ic": _bootstrap(rank_ic, None),
    }
    latency = _latency(store)
    rows = [_row(m, run, records, frames, ic, rank_ic, draws, oracle_frame, latency) for m in run["models"]]
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    frame = frame.sort_values(["ranked", "rank_ic"], ascending=False, kind="stable").reset_index(drop=True)
    paired = paired_draws(rank_ic.reindex(columns=frame.loc[frame["ranked"], "model"].tolist()))
    frame[VERSUS] = [
        paired.difference(m, run["baseline"]) if m != run["baseline"] else (np.nan,) * 3 for m in frame["model"]
    ]
    oracle = None
    if oracle_frame is not None:
        oracle = {name: mean_over_days(oracle_frame, name) for name in ("ic", "rank_ic", "designed_ic")}
    return Leaderboard(
        run,
        frame,
        _folds(run, records, frames),
        records,
        failures,
        oracle,
        rank_ic,
        _seed_series(records, frames),
        paired,
        _capture_draws(run, draws["ic"], oracle),
    )


def write_frame(board: Leaderboard, path: Any) -> None:
    """The frame as parquet."""
    board.frame.to_parquet(path, index=False)


def _oracle_frame(store: RunStore) -> pd.DataFrame | None:
    path = store.folder / "oracle.parquet"
    return pd.read_parquet(path).set_index("datetime") if path.is_file() else None


def _latency(store: RunStore) -> dict[str, dict[str, Any]]:
    """Latency entries by trial key; of several machines the one measured last in file order."""
    found: dict[str, dict[str, Any]] = {}
    for machine in (read_json(store.folder / "latency.json") or {}).values():
        found.update(machine)
    return found


def _daily(
    run: dict[str, Any], records: dict[str, dict[str, Any]], frames: dict[str, pd.DataFrame], column: str
) -> pd.DataFrame:
    """One metric per day (index) and model (columns), mean over seeds; folds follow each other."""
    parts = {m: [_by_day(frames[k], column) for k, r in records.items() if r["model"] == m] for m in run["models"]}
    return pd.DataFrame({model: _mean_by_day(found) for model, found in parts.items() if found}).sort_index()


def _seed_series(
    records: dict[str, dict[str, Any]], frames: dict[str, pd.DataFrame]
) -> dict[tuple[str, int], pd.Series]:
    parts: dict[tuple[str, int], list[pd.Series]] = {}
    for key, record in records.items():
        parts.setdefault((record["model"], record["seed"]), []).append(_by_day(frames[key], "rank_ic"))
    return {name: _mean_by_day(found).sort_index() for name, found in parts.items()}


def _by_day(frame: pd.DataFrame, column: str) -> pd.Series:
    """A column of a daily frame, the day as its index."""
    return frame.set_index("datetime").loc[:, column]


def _mean_by_day(parts: list[pd.Series]) -> pd.Series:
    """The mean of several series over the days that each has."""
    stacked: Any = pd.concat(parts)
    return stacked.groupby(level=0).mean()


def _capture_draws(run: dict[str, Any], draws: dict[str, np.ndarray], oracle: dict[str, float] | None) -> pd.DataFrame:
    if oracle is None or not oracle["designed_ic"] > 0:
        return pd.DataFrame()
    return pd.DataFrame({m: draws[m] / draws[" oracle"] for m in run["models"] if m in draws})


def mean_over_days(frame: pd.DataFrame, column: str) -> float:
    """Mean of the finite entries; NaN where there are none."""
    values = frame[column].to_numpy(dtype=float)
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _bootstrap(daily: pd.DataFrame, oracle: pd.DataFrame | None) -> dict[str, np.ndarray]:
    """Bootstrap means of every model with shared draws, the oracle's IC among them; by column name."""
    if daily.empty:
        return {}
    table = daily if oracle is None else daily.assign(**{" oracle": oracle["ic"].reindex(daily.index)})
    draws = inference.bootstrap_means(table.to_numpy(), draws=DRAWS, seed=0)
    return {name: draws[:, i] for i, name in enumerate(table.columns)}


def _row(
    model: str,
    run: dict[str, Any],
    records: dict[str, dict[str, Any]],
    frames: dict[str, pd.DataFrame],
    ic: pd.DataFrame,
    rank_ic: pd.DataFrame,
    draws: dict[str, dict[str, np.ndarray]],
    oracle: pd.DataFrame | None,
    latency: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    planned = [t for t in run["trials"] if t["model"] == model]
    mine = {k: r for k, r in records.items() if r["model"] == model}
    row: dict[str, Any] = {name: np.nan for name, kind in COLUMNS.items() if kind == "float64"}
    row |= {"model": model, "title": model, "scope": "", "latency_device": "", "ranked": False}
    row |= {"n_trials": len(mine), "n_planned": len(planned), "n_days": 0, "status": "failed"}
    if not mine:
        return row
    first = next(iter(mine.values()))
    row |= {"title": first["title"], "scope": first["scope"], "n_parameters": first["n_parameters"]}
    folds_done = {r["fold"] for r in mine.values()}
    # Unequal days are never ranked against each other: a model must have every fold at least once.
    row["ranked"] = folds_done == {t["fold"] for t in planned} and bool(np.isfinite(rank_ic[model]).any())
    row["status"] = "ok" if len(mine) == len(planned) else "incomplete"
    # One series a seed, its folds one after the other: a mean of fold means would weigh a short fold like a long one.
    by_seed = _by_seed(mine, frames)
    pooled = [summary(frame) for frame in by_seed.values()]
    row |= {name: float(np.mean([p[name] for p in pooled])) for name in ("mse", "mae", "r2", "long_short")}
    for name, daily in (("ic", ic), ("rank_ic", rank_ic)):
        row[name] = mean_over_days(daily, model)
        row[f"{name}_half"] = float(inference.half_width(draws[name][model][:, None])[0])
        row[f"{name}_seed_sd"] = _seed_sd(by_seed, name)
        ratios = [p["icir" if name == "ic" else "rank_icir"] for p in pooled]
        row["icir" if name == "ic" else "rank_icir"] = float(np.mean(ratios))
    row["n_days"] = int(np.isfinite(rank_ic[model].to_numpy()).sum())
    if oracle is not None and mean_over_days(oracle, "designed_ic") > 0:
        share = draws["ic"][model] / draws["ic"][" oracle"]
        low, high = inference.interval(share[:, None])
        row |= {
            "capture": row["ic"] / mean_over_days(oracle, "ic"),
            "capture_low": float(low[0]),
            "capture_high": float(high[0]),
        }
    row["fit_seconds"] = float(np.median([r["fit"]["seconds"] for r in mine.values()]))
    timed = next((latency[k] for k in mine if k in latency), None)
    if timed is not None:
        samples = np.array(timed["seconds"]) * 1e3
        row |= {
            "latency_ms": float(np.median(samples)),
            "latency_p90_ms": float(np.percentile(samples, 90)),
            "latency_device": timed["device_name"],
        }
    return row


def _by_seed(mine: dict[str, dict[str, Any]], frames: dict[str, pd.DataFrame]) -> dict[int, pd.DataFrame]:
    """The daily frames of each seed, all folds in one."""
    parts: dict[int, list[pd.DataFrame]] = {}
    for key, record in mine.items():
        parts.setdefault(record["seed"], []).append(frames[key])
    return {seed: pd.concat(found, ignore_index=True) for seed, found in parts.items()}


def _seed_sd(by_seed: dict[int, pd.DataFrame], column: str) -> float:
    """Standard deviation (ddof 1) over seeds of the mean over days; NaN for one seed."""
    means = [mean_over_days(frame, column) for frame in by_seed.values()]
    return float(np.std(means, ddof=1)) if len(means) > 1 else float("nan")


def _folds(run: dict[str, Any], records: dict[str, dict[str, Any]], frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    rows = []
    for model in run["models"]:
        for fold in range(len(run["folds"])):
            found = [summary(frames[k]) for k, r in records.items() if r["model"] == model and r["fold"] == fold]
            if found:
                means = {name: float(np.mean([f[name] for f in found])) for name in ("ic", "rank_ic", "mse")}
                rows.append({"model": model, "fold": fold, **means, "days": found[0]["days"]})
    return pd.DataFrame(rows, columns=["model", "fold", "ic", "rank_ic", "mse", "days"])
