"""Attributions of one trained model against the planted truth.

What is measured, for each method and for what the model itself exposes:

- mean |a| over the rows of some test days, as a ranking of cells, lags and peers, against the truth;
- the same of networks of the same shape with redrawn weights. What they find is owed to the architecture, which may
  well favour recent days, not to anything learned;
- deletion: the IC lost when the cells that rank first are set to 0, beyond what random cells cost;
- seconds per explained day, of processor time: on one thread that is what a clock shows on a machine with nothing else
  to do.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bench.attribution.deletion import Deletion, measure_deletion
from bench.attribution.methods import METHODS, Attribution, attribute, has_gradient
from bench.attribution.native import native, native_axis
from bench.attribution.sampling import day_batch, labelled_days, prepared, sampled_rows, spread
from bench.attribution.truth import (
    Truth,
    average_precision,
    chance_level,
    peer_chance,
    peer_precision,
    precision_interval,
)
from zoo import checkpoint, registry
from zoo.data.windows import Dataset
from zoo.network import Batch, Network


@dataclass(frozen=True)
class Effort:
    """How much is computed.

    Attributes:
        days: test days explained, spread evenly over those with labels.
        rows: stocks explained a day; the same ones every day, drawn once.
        rows_across: the same for networks that read the whole day: they are explained score by score.
        control_draws: networks with redrawn weights; explained on the same days, because the inputs of a day are common
            to all networks: from one day to the next, what untrained ones find moves by more than they differ.
        control_rows: stocks explained a day of those, the first of the same ones; at most as many as of the model.
        deletion_days: test days, spread evenly, on which the IC without some cells is taken.
        random_orders: random orders of deletion.
    """

    days: int = 5
    rows: int = 100
    rows_across: int = 8
    control_draws: int = 5
    control_rows: int = 20
    deletion_days: int = 40
    random_orders: int = 6


@dataclass(frozen=True)
class _Explained:
    """One method on some days; R rows in all."""

    cells: np.ndarray | None
    lags: np.ndarray | None
    peers: np.ndarray | None
    explained: np.ndarray
    day: np.ndarray
    stock: np.ndarray
    seconds: list[float]


def measure_trial(forecaster: checkpoint.Forecaster, dataset: Dataset, truth: Truth, effort: Effort) -> dict[str, Any]:
    """The entry of a trained model in `attribution.json`, without what names its trial.

    Raises:
        ConfigError: no test day on which an IC can be taken.
    """
    spec = registry.get_spec(forecaster.name)
    across = spec.scope == "day"
    labelled = labelled_days(dataset)
    days = spread(labelled, effort.days)
    peers = truth.peers if across else None
    batches = {day: day_batch(dataset, day) for day in days}
    count = effort.rows_across if across else effort.rows

    def explain(model: Network, method: str, count: int) -> _Explained | None:
        chosen = {day: (batch, sampled_rows(batch, count)) for day, batch in batches.items()}
        return _explain(model, method, chosen, dataset.panel.n_stocks, across, peers)

    model = forecaster.model
    prepared(model, dataset, labelled[-1], spec.scope)
    axis = native_axis(native(model, batches[days[0]], sampled_rows(batches[days[0]], count)))
    methods = [m for m in METHODS if m == "occlusion" or has_gradient(model, batches[days[0]])]
    methods = [*(["native"] if axis else []), *methods]
    found = {method: explain(model, method, count) for method in methods}
    untrained = [m for seed in range(effort.control_draws) if (m := redrawn(forecaster, dataset, seed)) is not None]
    for control in untrained:
        prepared(control, dataset, days[-1], spec.scope)
    few = min(count, effort.control_rows)
    deletion = Deletion(model, dataset, spread(labelled, effort.deletion_days), spec.scope, effort.random_orders)
    result: dict[str, Any] = {}
    for method, one in found.items():
        if one is None:
            continue
        controls = [_scores(c, truth, peers) for m in untrained if (c := explain(m, method, few)) is not None]
        result[method] = {
            **_scores(one, truth, peers, with_interval=True),
            "control": {name: [c[name] for c in controls] for name in ("auprc", "auprc_lag", "auprc_peers")},
            "deletion": measure_deletion(deletion, one.cells, one.lags),
            "seconds_per_day": one.seconds,
            **_profile(one),
        }
    explained = found[methods[-1]]
    return {
        "native_axis": axis,
        "lags": list(range(dataset.lookback - 1, -1, -1)),
        "fields": list(truth.fields),
        "truth": [[dataset.lookback - 1 - int(t), truth.fields[f]] for t, f in np.argwhere(truth.cells)],
        "chance": chance_level(truth.cells),
        "chance_lag": chance_level(truth.lags),
        "chance_peers": math.nan if peers is None or explained is None else peer_chance(explained.explained, peers),
        "methods": result,
    }


def _explain(
    model: Network,
    method: str,
    days: dict[int, tuple[Batch, torch.Tensor]],
    n_stocks: int,
    across: bool,
    truth_peers: np.ndarray | None,
) -> _Explained | None:
    parts: list[tuple[Attribution, Batch]] = []
    seconds: list[float] = []
    for batch, rows in days.values():
        began = time.process_time()
        if method == "native":
            one = native(model, batch, rows)
        else:
            one = attribute(model, batch, method, rows, across=across, peers=truth_peers is not None)
        if one is None:
            return None
        # Where rows are explained one after the other, all of the day would take as many times longer.
        seconds.append((time.process_time() - began) * len(batch) / one.computed)
        parts.append((one, batch))
    stock = np.concatenate([batch.stock[one.rows].numpy() for one, batch in parts])
    cells = _stacked([one.cells for one, _ in parts])
    lags = _stacked([one.lags for one, _ in parts]) if cells is None else cells.sum(axis=2)
    explained = np.unique(stock)
    peers = None
    if truth_peers is not None and all(one.peers is not None for one, _ in parts):
        total, count = np.zeros((2, len(explained), n_stocks))
        for one, batch in parts:
            at = np.ix_(np.searchsorted(explained, batch.stock[one.rows].numpy()), batch.stock.numpy())
            assert one.peers is not None
            total[at] += one.peers.numpy()
            count[at] += 1
        peers = total / np.maximum(count, 1)
    day = np.concatenate([batch.day[one.rows].numpy() for one, batch in parts])
    return _Explained(cells, lags, peers, explained, day, stock, seconds)


def _scores(one: _Explained, truth: Truth, peers: np.ndarray | None, *, with_interval: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {"auprc": math.nan, "auprc_lag": math.nan, "auprc_peers": math.nan}
    low, high = math.nan, math.nan
    if one.cells is not None:
        found["auprc"] = average_precision(one.cells.mean(axis=0), truth.cells)
        # What does not depend on the row has no interval over rows.
        if with_interval and np.ptp(one.cells, axis=0).any():
            low, high = precision_interval(one.cells, truth.cells, one.day, one.stock)
    if one.lags is not None:
        found["auprc_lag"] = average_precision(one.lags.mean(axis=0), truth.lags)
    if one.peers is not None and peers is not None:
        found["auprc_peers"] = peer_precision(one.peers, one.explained, peers)
    return {**found, "auprc_low": low, "auprc_high": high} if with_interval else found


def _profile(one: _Explained) -> dict[str, Any]:
    """Shares of the mean attribution by lag `[T]`, oldest first, by field `[F]`, and by cell `[T][F]`."""

    def shares(values: np.ndarray) -> list[Any]:
        total = values.sum()
        return np.round(values / total if total > 0 else values, 6).tolist()

    by_cell = None if one.cells is None else one.cells.mean(axis=0, dtype=np.float64)
    return {
        "by_lag": None if one.lags is None else shares(one.lags.mean(axis=0, dtype=np.float64)),
        "by_field": None if by_cell is None else shares(by_cell.sum(axis=0)),
        "by_cell": None if by_cell is None else shares(by_cell),
    }


def redrawn(forecaster: checkpoint.Forecaster, dataset: Dataset, seed: int) -> Network | None:
    """A model of the same shape that knows nothing.

    Networks are initialised anew. Models without trained parameters get their fitted numbers in random order; None
    where they have none: trees.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        if any(p.requires_grad for p in forecaster.model.parameters()):
            shape = {"n_features": dataset.n_features, "lookback": dataset.lookback}
            return registry.build(forecaster.name, **shape, **forecaster.params).eval()
        model = copy.deepcopy(forecaster.model)
        buffers = [b for b in model.buffers() if b.is_floating_point() and b.numel() > 1]
        for buffer in buffers:
            buffer.copy_(buffer.flatten()[torch.randperm(buffer.numel())].view_as(buffer))
        return model if buffers else None


def _stacked(parts: list[torch.Tensor | None]) -> np.ndarray | None:
    present = [part.detach().cpu().numpy() for part in parts if part is not None]
    return np.concatenate(present) if len(present) == len(parts) else None
