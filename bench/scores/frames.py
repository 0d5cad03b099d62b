"""Stored diagnostics -> frames by model: deciles, distribution and persistence of scores; no torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bench.columns import FrameRow, Real, means
from bench.experiment.evidence import Evidence, read_evidence
from bench.records.store import RunStore, known
from bench.scores.diagnostics import DECILE_SERIES, DECILES, DIAGNOSTICS, bin_edges
from bench.stats.bootstrap import bootstrap_means, interval


class DecileRow(FrameRow):
    """A tenth of the scores of a model, means over days."""

    model: str = means("registry name")
    decile: int = means("1 = the lowest scores")
    names: Real = means("members a day")
    score: Real = means("on the scale of the train label")
    train_label: Real = means("percentile rank of the label, -0.5, x 3.46")
    label: Real = means("raw label, a fraction")
    label_low: Real = means("2.5 % point of its block bootstrap over days")
    label_high: Real = means("97.5 % point")
    excess: Real = means("label minus the day's mean")
    excess_low: Real = means("2.5 % point of its block bootstrap over days")
    excess_high: Real = means("97.5 % point")


class HistogramRow(FrameRow):
    """A bin of the scores standardised within their day; the outermost hold what lies beyond them too."""

    model: str = means("registry name")
    low: Real = means("edge of the bin")
    high: Real = means("edge of the bin")
    share: Real = means("of all scores; adds up to 1")


class ScoreRow(FrameRow):
    """The scores of a model."""

    model: str = means("registry name")
    n_trials: int = means("trials with stored scores")
    n_days: int = means("days with a correlation")
    rank_autocorrelation: Real = means("Spearman's with the scores of the day before; 1 = no turnover")
    rank_autocorrelation_low: Real = means("2.5 % point of its block bootstrap over days")
    rank_autocorrelation_high: Real = means("97.5 % point")
    score_sd: Real = means("mean standard deviation of the scores within a day")
    missing_score: Real = means("share of member rows without score")
    missing_label: Real = means("share of member rows without label")


DRAWS = 2000


def decile_frame(store: RunStore, run: dict[str, Any]) -> pd.DataFrame:
    """Ten rows per model with stored diagnostics, in the run's order.

    Daily series are means over seeds; the draws of days are shared by all models and deciles.
    """
    evidence = read_evidence(store, DIAGNOSTICS)
    entries = evidence.current(run)
    models = _models(run, entries)
    series = {model: _by_day(evidence, entries, model) for model in models}
    label = {model: frame[DECILE_SERIES] for model, frame in series.items()}
    excess = {model: frame[DECILE_SERIES].sub(frame["label"], axis=0) for model, frame in series.items()}
    figures = {"label": _means(label, entries, "label"), "excess": _means(excess, entries, "excess")}
    parts = []
    for m, model in enumerate(models):
        mine = [entry for entry in entries.values() if entry["model"] == model]
        cells = slice(m * DECILES, (m + 1) * DECILES)
        part: dict[str, Any] = {"model": model, "decile": np.arange(1, DECILES + 1)}
        part |= {name: _pooled(mine, f"decile_{name}") for name in ("names", "score", "train_label")}
        for name, (mean, low, high) in figures.items():
            part |= {name: mean[cells], f"{name}_low": low[cells], f"{name}_high": high[cells]}
        parts.append(pd.DataFrame(part))
    return DecileRow.frame(_joined(parts))


def histogram_frame(store: RunStore, run: dict[str, Any]) -> pd.DataFrame:
    """A row per bin and model, in the run's order; all trials of a model together."""
    evidence = read_evidence(store, DIAGNOSTICS)
    entries = evidence.current(run)
    models = _models(run, entries)
    edges = bin_edges(evidence.settings["bins"]) if models else np.empty(0)
    parts = []
    for model in models:
        counts = np.sum([e["histogram"] for e in entries.values() if e["model"] == model], axis=0)
        share = counts / max(counts.sum(), 1)
        parts.append(pd.DataFrame({"model": model, "low": edges[:-1], "high": edges[1:], "share": share}))
    return HistogramRow.frame(_joined(parts))


def score_frame(store: RunStore, run: dict[str, Any]) -> pd.DataFrame:
    """One row per model with stored diagnostics, in the run's order."""
    evidence = read_evidence(store, DIAGNOSTICS)
    entries = evidence.current(run)
    models = _models(run, entries)
    series = {model: _by_day(evidence, entries, model)[["rank_autocorrelation"]] for model in models}
    means = np.column_stack(_means(series, entries, "rank_autocorrelation"))
    parts = []
    for model, (mean, low, high) in zip(models, means, strict=True):
        mine = [entry for entry in entries.values() if entry["model"] == model]
        row: dict[str, Any] = {"model": model, "n_trials": len(mine)}
        row |= {"n_days": int(series[model]["rank_autocorrelation"].notna().sum())}
        row |= {"rank_autocorrelation": mean, "rank_autocorrelation_low": low, "rank_autocorrelation_high": high}
        row |= {name: float(_pooled(mine, name)) for name in ("score_sd", "missing_score", "missing_label")}
        parts.append(row)
    return ScoreRow.frame(parts)


def _models(run: dict[str, Any], entries: dict[str, dict[str, Any]]) -> list[str]:
    measured = {entry["model"] for entry in entries.values()}
    return [model for model in run["models"] if model in measured]


def _by_day(evidence: Evidence, entries: dict[str, dict[str, Any]], model: str) -> Any:
    """The daily series of a model, mean over seeds, its folds one after the other."""
    mine = [key for key, entry in entries.items() if entry["model"] == model]
    daily: Any = evidence.daily[evidence.daily["key"].isin(mine)].drop(columns="key")
    return (
        daily.astype(dict.fromkeys(["label", *DECILE_SERIES, "rank_autocorrelation"], np.float64))
        .groupby("datetime")
        .mean()
    )


def _means(
    series: dict[str, Any], entries: dict[str, dict[str, Any]], block: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over days and its 95 % interval of every column of every model, one after the other."""
    if not series:
        return np.empty(0), np.empty(0), np.empty(0)
    columns = pd.concat(series, axis=1).sort_index().to_numpy(dtype=np.float64)
    length = max(1.0, float(np.mean([entry["block_days"][block] for entry in entries.values()])))
    present = np.isfinite(columns)
    total = np.where(present, columns, 0.0).sum(axis=0)
    mean = np.where(present.any(axis=0), total / np.maximum(present.sum(axis=0), 1), np.nan)
    low, high = interval(bootstrap_means(columns, draws=DRAWS, seed=0, block=length))
    return mean, low, high


def _pooled(entries: list[dict[str, Any]], name: str) -> Any:
    """A figure or list of figures of several trials, each weighed by its days."""
    figures = [[known(v) for v in e[name]] if isinstance(e[name], list) else known(e[name]) for e in entries]
    return np.average(figures, axis=0, weights=[max(entry["days"], 1) for entry in entries])


def _joined(parts: list[pd.DataFrame]) -> Any:
    return pd.concat(parts, ignore_index=True) if parts else []
