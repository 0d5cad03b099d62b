"""Records of `bench attribute` -> frames: how far explanations of a model show what the market reads. Imports no torch.

The interpretability of a model is what training added to the best of its explanations, on a scale from 0 to 1:

    interpretability = max over methods of (auprc - floor) / (1 - floor), floor = max(chance, control), held to 0 .. 1

- `auprc`: average precision of the (lag, field) cells, ranked by mean attribution, for finding those that the market
  reads; 1 = they all come first;
- `chance`: that of a random ranking;
- `control`: that of networks of the same shape with redrawn weights. It exceeds chance where an architecture favours
  the cells that the market happens to read: recurrent networks respond to recent days before they have learned
  anything.

Methods are those of `bench.attribution.methods` and `native`, what the model itself exposes, if that tells cells apart.
A model that forecasts nothing cannot be explained either: the score judges model and explanation together.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pandas as pd

from bench.attribution.truth import above, finite, mean_of
from bench.columns import FrameRow, Real, means
from bench.records.documents import read_json
from bench.records.store import RunStore

FILE = "attribution.json"


class MethodRow(FrameRow):
    """A model explained by one method; figures are means over the model's measured trials (seeds)."""

    key = ("model", "method")
    model: str = means("registry name")
    method: str = means("of attribution; native is what the model itself exposes")
    n_trials: int = means("trials explained")
    auprc: Real = means("average precision of the (lag, field) cells; null where the method tells none apart")
    auprc_low: Real = means("2.5 % point over days and stocks")
    auprc_high: Real = means("97.5 % point")
    chance: Real = means("average precision of a random ranking")
    normalised: Real = means("(auprc - chance) / (1 - chance)")
    auprc_lag: Real = means("average precision of the days; a day counts if any field is read")
    chance_lag: Real = means("the same of a random ranking")
    auprc_peers: Real = means("average precision of the other stocks")
    chance_peers: Real = means("the same of a random ranking")
    control_auprc: Real = means("auprc of networks with redrawn weights, their mean")
    control_auprc_half: Real = means(
        "how far from it the mean of n_trials more of them falls in 95 % of cases (t distribution)"
    )
    control_lag: Real = means("auprc_lag of networks with redrawn weights")
    control_peers: Real = means("auprc_peers of networks with redrawn weights")
    deletion: Real = means("IC lost beyond that of random deletion, where the inputs ranked first are taken away")
    deletion_low: Real = means("2.5 % point over days and random orders")
    deletion_high: Real = means("97.5 % point")
    seconds_per_day: Real = means("processor time to explain all stocks of a day on one CPU thread, median over days")


class InterpretabilityRow(FrameRow):
    """What explanations of a model show, by its best method."""

    model: str = means("registry name")
    interpretability: Real = means("(auprc - floor) / (1 - floor) of the best method, the floor chance or control")
    # Both ends of auprc joined with those of the control: on the wide side.
    interpretability_low: Real = means("lower end; 0 for what untrained networks could show as well")
    interpretability_high: Real = means("upper end")
    method: str = means("the best method, which the figures below are of")
    native: bool = means("the model itself exposes something about its inputs")
    native_axis: str = means("what that tells apart: cells, lags or peers")
    auprc: Real = means("average precision of the (lag, field) cells")
    chance: Real = means("that of a random ranking")
    control_auprc: Real = means("that of networks with redrawn weights")
    auprc_lag: Real = means("average precision of the days")
    peers: Real = means("the best (auprc_peers - floor) / (1 - floor) of any method, 0 .. 1")
    deletion: Real = means("IC lost beyond that of random deletion")
    seconds_per_day: Real = means("processor time to explain all stocks of a day, seconds")
    n_trials: int = means("trials explained")


class ProfileRow(FrameRow):
    """A share of the mean attribution, by day of the window or by field."""

    model: str = means("registry name")
    method: str = means("of attribution")
    axis: Literal["lag", "field"] = means("what the shares are of")
    position: int = means("along the axis, oldest day first")
    name: str = means("days back, or field")
    share: Real = means("of the whole attribution")
    read: bool = means("the market's signal reads it")


def interpretability_frame(store: RunStore) -> pd.DataFrame:
    """One row per model and method in the run's order, none where nothing was measured."""
    rows = []
    for model, entries in _by_model(store).items():
        for method in dict.fromkeys(name for entry in entries for name in entry["methods"]):
            rows.append(_method_row(model, method, [e for e in entries if method in e["methods"]]))
    return MethodRow.frame(rows)


def interpretability_scores(store: RunStore) -> pd.DataFrame:
    """One row per model, the most interpretable first."""
    frame = interpretability_frame(store)
    rows = []
    for model, entries in _by_model(store).items():
        mine: Any = frame[frame["model"] == model]
        methods = [_scored(row) for row in mine.to_dict("records")]
        usable = [m for m in methods if math.isfinite(m["interpretability"])]
        if usable:
            axis = entries[0]["native_axis"]
            peers = [_held(above(m["auprc_peers"], _higher(m["chance_peers"], m["control_peers"]))) for m in methods]
            best = max(usable, key=lambda m: m["interpretability"])
            kept = {name: best[name] for name in InterpretabilityRow.model_fields if name in best}
            bounds = {n: _held(best[n]) for n in best if n.startswith("interpretability")}
            rows.append({**kept, **bounds, "native": bool(axis), "native_axis": axis, "peers": _best(peers)})
    scores = InterpretabilityRow.frame(rows)
    return scores.sort_values("interpretability", ascending=False, kind="stable").reset_index(drop=True)


def attribution_profiles(store: RunStore) -> pd.DataFrame:
    """Where the attribution of each model and method lies."""
    rows = []
    for model, entries in _by_model(store).items():
        lags, fields = entries[0]["lags"], entries[0]["fields"]
        truth = {"lag": {lag for lag, _ in entries[0]["truth"]}, "field": {name for _, name in entries[0]["truth"]}}
        for method in entries[0]["methods"]:
            for axis, names, key in (("lag", lags, "by_lag"), ("field", fields, "by_field")):
                shares = [e["methods"][method][key] for e in entries if e["methods"].get(method, {}).get(key)]
                if shares:
                    rows += [
                        (model, method, axis, i, str(name), float(share), name in truth[axis])
                        for i, (name, share) in enumerate(zip(names, np.mean(shares, axis=0), strict=True))
                    ]
    return ProfileRow.frame(rows)


def _by_model(store: RunStore) -> dict[str, list[dict[str, Any]]]:
    """Measured trials of the run's configuration, by model in its order."""
    measured = (read_json(store.folder / FILE).content or {}).get("trials", {})
    found: dict[str, list[dict[str, Any]]] = {}
    for trial in store.run()["trials"]:
        if trial["key"] in measured:
            found.setdefault(trial["model"], []).append(measured[trial["key"]])
    return found


def _method_row(model: str, method: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    found = [entry["methods"][method] for entry in entries]
    # The same networks are redrawn for every trial: more trials do not make more of them.
    control = finite([mean_of(list(draw)) for draw in zip(*(one["control"]["auprc"] for one in found), strict=False)])
    row: dict[str, Any] = {"model": model, "method": method, "n_trials": len(found)}
    for name in ("auprc", "auprc_low", "auprc_high", "auprc_lag", "auprc_peers"):
        row[name] = mean_of([one[name] for one in found])
    for name in ("chance", "chance_lag", "chance_peers"):
        row[name] = mean_of([entry[name] for entry in entries])
    for name, key in (("control_auprc", "auprc"), ("control_lag", "auprc_lag"), ("control_peers", "auprc_peers")):
        row[name] = mean_of([value for one in found for value in one["control"][key]])
    row["control_auprc_half"] = _reach(control, len(found))
    row["normalised"] = above(row["auprc"], row["chance"])
    deletions = [one["deletion"] or {} for one in found]
    for name, key in (("deletion", "score"), ("deletion_low", "score_low"), ("deletion_high", "score_high")):
        row[name] = mean_of([one.get(key) for one in deletions])
    row["seconds_per_day"] = mean_of([float(np.median(one["seconds_per_day"])) for one in found])
    return row


def _scored(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its unheld interpretability and interval; NaN where the method tells no cells apart."""
    half = row["control_auprc_half"] if math.isfinite(row["control_auprc_half"]) else 0.0
    floor, lowest, highest = (_higher(row["chance"], row["control_auprc"] + shift) for shift in (0.0, -half, half))
    return {
        **row,
        "interpretability": above(row["auprc"], floor),
        # Untrained networks so different that one might reach 1 leave nothing that is surely above them.
        "interpretability_low": above(row["auprc_low"], highest) if highest < 1 else min(row["auprc_low"], 0.0),
        "interpretability_high": above(row["auprc_high"], lowest),
    }


def _reach(control: list[float], n_trials: int) -> float:
    """Half of the 95 % interval of the difference between means of `n_trials` and of the networks in `control`."""
    from scipy.special import stdtrit

    n = len(control)
    if n < 2:
        return math.nan
    return float(stdtrit(n - 1, 0.975) * np.std(control, ddof=1) * math.sqrt(1 / n + 1 / n_trials))


def _higher(chance: float, control: float) -> float:
    """The floor; a model without redrawn twins has chance only."""
    return max(chance, control) if math.isfinite(control) else chance


def _held(value: float) -> float:
    return min(max(value, 0.0), 1.0) if math.isfinite(value) else math.nan


def _best(values: list[float]) -> float:
    return max((value for value in values if math.isfinite(value)), default=math.nan)
