"""Importance by exchange: how far scores move when a part of the input is that of another stock of the same day.

For any model, differentiable or not, and on any data. A part is a field (a feature column, at all days of the window)
or a lag (a day of the window, all fields). It is exchanged between all stocks of a day at once, in one fixed order in
which no stock keeps its own, so that every value stays one that occurs on that day, and a part that is the same for all
stocks counts for nothing. Two figures come of it:

- change: mean |score - score after the exchange| over the day's stocks, in standard deviations of the day's scores:
  what the model reads (the model reliance of Fisher, Rudin & Dominici 2019, JMLR 20(177), with the model's own scores
  in the place of a loss);
- IC lost: the day's IC less that after the exchange: what of it is of use (the permutation importance of Breiman 2001,
  Machine Learning 45(1), with the IC as the measure of fit).

Correlated fields stand in for each other: a model that reads two alike shares the change between them, and loses little
IC with either. For models that read the whole day, a stock's score is also taken apart by whose row it comes from: its
own row exchanged, all others kept, beside all others exchanged, its own kept. Memberships in concepts are never
exchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from zoo.crosssection import pearson_rows
from zoo.network import Batch, Network


@dataclass(frozen=True)
class Exchanged:
    """One day.

    Attributes:
        fields: `[F]` change by field; `lags`: `[T]` change by lag, oldest day first.
        ic: the day's IC; `fields_ic [F]`, `lags_ic [T]`: IC lost.
        own, others: change of the explained rows' scores by their own row and by all others; NaN for sample scope.
        scored: rows that were scored for it.
    """

    fields: np.ndarray
    lags: np.ndarray
    ic: float
    fields_ic: np.ndarray
    lags_ic: np.ndarray
    own: float
    others: float
    scored: int


def scored_rows(n_rows: int, shape: tuple[int, int], explained: int) -> int:
    """Rows that a day costs: `n_rows` once for each part of `shape` (T, F), twice for each row explained by peers."""
    return n_rows * (1 + sum(shape) + 2 * explained)


def other_stocks(n: int, seed: int) -> Tensor:
    """`[n]` positions: an order in which none of `n >= 2` stocks keeps its place, drawn by the seed."""
    order = np.random.default_rng(seed).permutation(n)
    other = np.empty(n, dtype=np.int64)
    other[order] = np.roll(order, 1)
    return torch.from_numpy(other)


@torch.no_grad()
def exchange(model: Network, batch: Batch, label: np.ndarray, order: Tensor, explained: Tensor | None) -> Exchanged:
    """Importance of the parts of one day's input.

    Args:
        model: in eval mode.
        batch: rows of one day, `x [S, T, F]`.
        label: `[S]` raw label, NaN where unknown.
        order: `[S]` whose value each row takes, as `other_stocks` gives it.
        explained: `[R]` positions of the rows to take apart by whose row they read; None for sample scope.
    """
    whole = model.score(batch)
    # Scores that do not differ have no unit to tell their changes in.
    unit = float(whole.std(correction=0))

    def moved(x: Tensor) -> Tensor:
        return model.score(replace(batch, x=x))

    def part(at: Callable[[Tensor], Tensor]) -> tuple[float, float]:
        x = batch.x.clone()
        at(x)[:] = at(batch.x)[order]
        scores = moved(x)
        return _ratio(float((scores - whole).abs().mean()), unit), ic - _ic(scores, label)

    ic = _ic(whole, label)
    lookback, n_fields = batch.x.shape[1:]
    fields = np.array([part(lambda x, f=f: x[:, :, f]) for f in range(n_fields)])
    lags = np.array([part(lambda x, t=t: x[:, t]) for t in range(lookback)])
    own = others = float("nan")
    if explained is not None:
        swapped, by_own, by_others = batch.x[order], [], []
        for row in explained.tolist():
            alone, rest = batch.x.clone(), swapped.clone()
            alone[row], rest[row] = swapped[row], batch.x[row]
            by_own.append(float((moved(alone)[row] - whole[row]).abs()))
            by_others.append(float((moved(rest)[row] - whole[row]).abs()))
        own, others = _ratio(float(np.mean(by_own)), unit), _ratio(float(np.mean(by_others)), unit)
    scored = scored_rows(len(batch), (lookback, n_fields), 0 if explained is None else len(explained))
    return Exchanged(fields[:, 0], lags[:, 0], ic, fields[:, 1], lags[:, 1], own, others, scored)


def _ratio(change: float, unit: float) -> float:
    return change / unit if unit > 0 else 0.0


def _ic(scores: Tensor, label: np.ndarray) -> float:
    """0 where all scores are the same."""
    return float(np.nan_to_num(pearson_rows(scores.double().numpy()[None], label[None]))[0])
