"""Stored records -> one frame: the only input of console, markdown and page. Imports no torch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from bench.experiment.formulas import outdated
from bench.metrics.daily import summary
from bench.metrics.registry import list_metrics, mean_over_days
from bench.records.store import ORACLE, RunStore
from bench.scores.rows import bootstrap, fold_row, latency_entries, leaderboard_row, model_row, overlap_of
from bench.scores.series import Frames, Records, by_day, comparable, daily_of, mean_by_day, read_frames
from bench.stats.bootstrap import half_width
from bench.stats.pairs import PairedDraws, pair_frame, paired_draws, significance_frame
from zoo.data.files import whole_file
from zoo.errors import ConfigError

VERSUS = ["versus_baseline", "versus_baseline_low", "versus_baseline_high"]


@dataclass(frozen=True)
class Leaderboard:
    """All a report prints.

    Attributes:
        run: `run.json`.
        frame: one row per model, best Rank IC first, unranked models last; `leaderboard_row`.
        folds: one row per model and fold: the daily metrics of the main table, days.
        records: the records behind it, by key, their metrics as the code computes them.
        failures: what failed, by key.
        outdated: metric -> how many of the records lack it or have it by another formula than the code's; it is
            shown of no model with such a trial.
        oracle: IC, Rank IC and designed IC of the true signal on the test days; None for real data.
        daily: Rank IC per day and model, mean over seeds; NaN = skipped day.
        daily_by_seed: the same per model and seed, `[day]` each: `(model, seed) -> series`.
        paired: draws of the ranked models' Rank IC, best first, from which every difference is taken.
        capture_draws: bootstrap draws of each model's capture, shared days; empty without an oracle that can be met.
    """

    run: dict[str, Any]
    frame: pd.DataFrame
    folds: pd.DataFrame
    records: Records
    failures: dict[str, dict[str, Any]]
    outdated: dict[str, int]
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
        """Every pair of ranked models, best first: difference of Rank IC and its test; a `PairRow` each."""
        return pair_frame(self._ranked, drawn=self.paired)

    @cached_property
    def significance(self) -> pd.DataFrame:
        """One row per ranked model, best first: what its daily Rank IC can tell apart; `SignificanceRow`."""
        by_seed = {
            str(model): pd.DataFrame({s: series for (m, s), series in self.daily_by_seed.items() if m == model})
            for model in self._ranked.columns
        }
        return significance_frame(self._ranked, by_seed, pairs=self.pairs, least=overlap_of(self.run))

    @cached_property
    def fold_halves(self) -> pd.DataFrame:
        """Half-widths of the 95 % intervals of the mean Rank IC, by fold (index) and model; shared draws in a fold."""
        halves = {}
        for i, fold in enumerate(self.run["folds"]):
            draws = bootstrap(
                self.daily.loc[fold["test"][0] : fold["test"][1]].dropna(axis=1, how="all"), least=overlap_of(self.run)
            )
            halves[i] = {model: float(half_width(means[:, None])[0]) for model, means in draws.items()}
        return pd.DataFrame.from_dict(halves, orient="index").reindex(columns=self.daily.columns)

    @property
    def _ranked(self) -> pd.DataFrame:
        return self.daily.reindex(columns=self.frame.loc[self.frame["ranked"], "model"].tolist())


def has_trials(store: RunStore) -> bool:
    """Whether any trial of a run has finished or failed."""
    return any(store.is_recorded(t["key"]) or store.failure(t["key"]) is not None for t in store.run()["trials"])


def build_leaderboard(store: RunStore) -> Leaderboard:
    """The leaderboard of a run: a pure function of its records and of the metrics.

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
        damaged = "".join(f"; {why}" for t in run["trials"] if (why := store.trial_damage(t["key"])))
        raise ConfigError(f"run '{store.name}' has no finished trial yet{damaged}")
    own = read_frames(store, records)
    records = {key: {**record, "metrics": summary(own[key])} for key, record in records.items()}
    frames = comparable(records, own)
    oracle = _oracle_frame(store)
    daily = {m.name: daily_of(run["models"], records, frames, m.name) for m in list_metrics() if m.interval}
    least = overlap_of(run)
    draws = {name: bootstrap(table, oracle if name == "ic" else None, least) for name, table in daily.items()}
    latency = latency_entries(store)
    rows = [model_row(model, run, records, frames, daily, draws, oracle, latency) for model in run["models"]]
    frame = leaderboard_row().frame(rows).sort_values(["ranked", "rank_ic"], ascending=False, kind="stable")
    frame = frame.reset_index(drop=True)
    ranked = frame.loc[frame["ranked"], "model"].tolist()
    paired = paired_draws(daily["rank_ic"].reindex(columns=ranked), least=least)
    frame[VERSUS] = [
        paired.difference(m, run["baseline"]) if m != run["baseline"] else (np.nan,) * 3 for m in frame["model"]
    ]
    means = None
    if oracle is not None:
        means = {name: mean_over_days(oracle, name) for name in ("ic", "rank_ic", "designed_ic")}
    return Leaderboard(
        run,
        frame,
        _folds(run, records, frames),
        records,
        failures,
        dict(Counter(m.name for record in records.values() for m in outdated(record))),
        means,
        daily["rank_ic"],
        _seed_series(records, frames),
        paired,
        _capture_draws(run, draws["ic"], means),
    )


def write_frame(board: Leaderboard, path: Any) -> None:
    """The frame as parquet, replaced as a whole."""
    with whole_file(path) as temporary:
        board.frame.to_parquet(temporary, index=False)


def _oracle_frame(store: RunStore) -> pd.DataFrame | None:
    path = store.folder / ORACLE
    if why := store.oracle_damage():
        raise ConfigError(why)
    try:
        return pd.read_parquet(path).set_index("datetime") if path.is_file() else None
    except (OSError, KeyError, ValueError) as error:
        # A run older than the checksum of this file.
        raise ConfigError(f"{path} is damaged ({str(error)[:120]}); the run's command writes it again") from None


def _seed_series(records: Records, frames: Frames) -> dict[tuple[str, int], pd.Series]:
    parts: dict[tuple[str, int], list[pd.Series]] = {}
    for key, record in records.items():
        parts.setdefault((record["model"], record["seed"]), []).append(by_day(frames[key], "rank_ic"))
    return {name: mean_by_day(series).sort_index() for name, series in parts.items()}


def _capture_draws(run: dict[str, Any], draws: dict[str, np.ndarray], oracle: dict[str, float] | None) -> pd.DataFrame:
    if oracle is None or not oracle["designed_ic"] > 0:
        return pd.DataFrame()
    return pd.DataFrame({m: draws[m] / draws[" oracle"] for m in run["models"] if m in draws})


def _folds(run: dict[str, Any], records: Records, frames: Frames) -> pd.DataFrame:
    metrics = [m for m in list_metrics(derived=False) if m.in_table]
    rows = []
    for model in run["models"]:
        for fold in range(len(run["folds"])):
            trials = [frames[k] for k, r in records.items() if r["model"] == model and r["fold"] == fold]
            if trials:
                means = {m.name: float(np.mean([m.value(frame) for frame in trials])) for m in metrics}
                days = int(np.isfinite(trials[0]["rank_ic"].to_numpy()).sum())
                rows.append({"model": model, "fold": fold, **means, "days": days})
    return fold_row().frame(rows)
