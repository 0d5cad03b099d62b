"""Records of `bench.attribution.importance` -> frames: what the forecasts of a model rest on. Imports no torch.

Shares are of the change that all fields, or all lags, make one by one (`bench.attribution.exchange`); each trial's add
up to 1. Over seeds, which are few, the ends of a spread are the lowest and the highest one. A part is above the control
where its share is, with every seed, above what 95 % of untrained networks of the same shape show.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pandas as pd

from bench.attribution.truth import finite, mean_of
from bench.columns import FrameRow, Real, means
from bench.records.documents import read_json
from bench.records.store import RunStore, known

IMPORTANCE = "importance.json"
TOP = 3
"""Fields of a model that a report's table names."""

AXES = (("field", "fields"), ("lag", "lags"))


class InputRow(FrameRow):
    """A field or a lag of a model's input; figures are means over the model's measured trials (seeds)."""

    key = ("model", "axis", "name")
    model: str = means("registry name")
    axis: Literal["field", "lag"] = means("what is exchanged between the stocks of a day")
    position: int = means("along the axis, oldest day first")
    name: str = means("field, or days back")
    rank: int = means("1 = the largest share of the model's axis")
    share: Real = means("of the change that all parts of the axis make one by one")
    share_low: Real = means("of the seed with the lowest; null for one seed")
    share_high: Real = means("of the seed with the highest")
    change: Real = means("mean |change of the score|, in standard deviations of the day's scores")
    control: Real = means("share in networks of the same shape with untrained weights, their mean; null without such")
    control_low: Real = means("2.5 % point of one more of them (t distribution), not below 0")
    control_high: Real = means("97.5 % point, not above 1")
    above: bool = means("the share of every seed lies above control_high")
    ic_lost: Real = means("IC less that after the exchange")
    ic_lost_low: Real = means("2.5 % point over days")
    ic_lost_high: Real = means("97.5 % point")
    n_trials: int = means("trials measured")


class ImportanceRow(FrameRow):
    """What the forecasts of a model rest on, in one row."""

    model: str = means("registry name")
    field: str = means("the field of the largest share")
    share: Real = means("of that field")
    share_low: Real = means("of the seed with the lowest; null for one seed")
    share_high: Real = means("of the seed with the highest")
    control: Real = means("share of that field in untrained networks; null without such")
    above: bool = means("it is above what untrained networks show")
    ic_lost: Real = means("IC lost by its exchange")
    ic_lost_low: Real = means("2.5 % point over days")
    ic_lost_high: Real = means("97.5 % point")
    n_above: Real = means("fields above what untrained networks show; null without such")
    days_back: Real = means("mean days back of the change, weighted by the shares of the lags; null for one lag")
    days_back_low: Real = means("of the seed with the fewest")
    days_back_high: Real = means("of the seed with the most")
    control_days_back: Real = means("the same of untrained networks")
    peers: Real = means("share of the change that comes from other stocks' rows; null for models that read one row")
    peers_low: Real = means("of the seed with the lowest")
    peers_high: Real = means("of the seed with the highest")
    control_peers: Real = means("the same of untrained networks")
    n_trials: int = means("trials measured")
    n_days: int = means("test days looked at, at most")
    n_rows: int = means("rows looked at in one trial, at most")
    n_scored: int = means("rows scored for one trial, at most")
    seconds: Real = means("to measure a trial on one CPU thread, mean")


def input_frame(store: RunStore, top: int | None = None) -> pd.DataFrame:
    """A row per model, axis and part in the run's order; none where nothing was measured.

    Args:
        top: only so many fields of each model, the largest shares first, and no lags.
    """
    rows = []
    for model, entries in measured_trials(store).items():
        for axis, parts in AXES:
            if top is None and (axis == "field" or len(entries[0][parts]) > 1):
                rows += _inputs(model, axis, entries)
            elif axis == "field":
                rows += sorted(_inputs(model, axis, entries), key=lambda row: row["rank"])[:top]
    return InputRow.frame(rows)


def importance_frame(store: RunStore) -> pd.DataFrame:
    """A row per model in the run's order."""
    rows = []
    for model, entries in measured_trials(store).items():
        fields = _inputs(model, "field", entries)
        first = min(fields, key=lambda row: row["rank"])
        back = _spread_of([_days_back(one) for one in _shares(entries, "lag")], "days_back")
        back["control_days_back"] = mean_of([_days_back(_share(one)) for one in entries[0]["control"]["lags"]])
        peers = _spread_of([known(entry["peers"]) for entry in entries], "peers")
        control = entries[0]["control"]
        rows.append(
            {name: first[name] for name in ImportanceRow.model_fields if name in first}
            | {"field": first["name"]}
            | {"n_above": float(sum(row["above"] for row in fields)) if control["fields"] else math.nan}
            | (back if len(entries[0]["lags"]) > 1 else {})
            | peers
            | {"control_peers": mean_of([known(value) for value in control["peers"]])}
            | {"n_days": max(len(e["days"]) for e in entries), "n_rows": max(e["rows"] for e in entries)}
            | {"n_scored": max(e["scored"] for e in entries), "seconds": mean_of([e["seconds"] for e in entries])}
        )
    return ImportanceRow.frame(rows)


def measured_trials(store: RunStore) -> dict[str, list[dict[str, Any]]]:
    """Entries of the run's measured trials, by model in its order."""
    measured = (read_json(store.folder / IMPORTANCE).content or {}).get("trials", {})
    found: dict[str, list[dict[str, Any]]] = {}
    for trial in store.run()["trials"]:
        if trial["key"] in measured:
            found.setdefault(trial["model"], []).append(measured[trial["key"]])
    return found


def _inputs(model: str, axis: str, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    shares = np.array(_shares(entries, axis))
    names = [str(name) for name in entries[0]["fields" if axis == "field" else "lags"]]
    control = np.array([_share(one) for one in entries[0]["control"]["fields" if axis == "field" else "lags"]])
    mean = shares.mean(axis=0)
    order = np.argsort(-np.nan_to_num(mean), kind="stable")
    rank = np.empty(len(order), dtype=int)
    rank[order] = np.arange(len(order)) + 1
    found = [entry[f"by_{axis}"] for entry in entries]
    rows = []
    for i, name in enumerate(names):
        row = {"model": model, "axis": axis, "position": i, "name": name, "rank": int(rank[i])}
        row |= _spread_of(shares[:, i].tolist(), "share")
        row |= _untrained(control[:, i].tolist() if len(control) else [])
        for figure in ("change", "ic_lost", "ic_lost_low", "ic_lost_high"):
            row[figure] = mean_of([one[figure][i] for one in found])
        lowest = row["share_low"] if math.isfinite(row["share_low"]) else row["share"]
        rows.append(row | {"above": bool(lowest > row["control_high"]), "n_trials": len(entries)})
    return rows


def _shares(entries: list[dict[str, Any]], axis: str) -> list[np.ndarray]:
    """By trial, `[parts]`."""
    return [_share(entry[f"by_{axis}"]["change"]) for entry in entries]


def _share(change: list[float | None]) -> np.ndarray:
    values = np.array([known(value) for value in change])
    total = values.sum()
    return values / total if total > 0 else np.full(len(values), np.nan)


def _days_back(shares: np.ndarray) -> float:
    return float(shares @ np.arange(len(shares))[::-1])


def _spread_of(values: list[float], name: str) -> dict[str, float]:
    """Mean, lowest and highest over seeds."""
    numbers = finite(values)
    several = len(numbers) > 1
    low, high = (min(numbers), max(numbers)) if several else (math.nan, math.nan)
    return {name: mean_of(numbers), f"{name}_low": low, f"{name}_high": high}


def _untrained(values: list[float]) -> dict[str, float]:
    """Mean over untrained networks, and where one more of them falls in 95 % of cases."""
    from scipy.special import stdtrit

    numbers = finite(values)
    n = len(numbers)
    half = float(stdtrit(n - 1, 0.975)) * np.std(numbers, ddof=1) * math.sqrt(1 + 1 / n) if n > 1 else math.nan
    mean = mean_of(numbers)
    low, high = np.clip(np.array([mean - half, mean + half]), 0, 1)
    return {"control": mean, "control_low": float(low), "control_high": float(high)}
