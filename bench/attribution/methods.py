"""Which inputs a score rests on: gradient x input, integrated gradients and occlusion, for any network.

An attribution `a [R, T, F]` says for each of R explained rows how much each (lag, field) cell of the input moved that
row's score away from the baseline 0, which is the median after normalisation:

| method | a |
|---|---|
| `gradient_x_input` | x * d score / d x (Shrikumar et al. 2016, "Not Just a Black Box") |
| `integrated_gradients` | x * mean of d score / d x on the way from 0 to x (Sundararajan et al. 2017) |
| `occlusion` | score(x) - score(x with the cell set to 0) (Zeiler & Fergus 2014) |

The score of a sample-scope network reads its own row only. That of a day-scope network reads all rows of the day, so
its gradients are taken score by score: a cell's attribution is the sum over the day's stocks of |a|, and the sum over
cells of |a| is the attribution of a stock to another, `peers [R, S]`. Occlusion takes the cell from all stocks of the
day at once, and a stock's cells at once for `peers`. Tested against captum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bench.attribution.sampling import take
from zoo.network import Batch, Network

METHODS = ("gradient_x_input", "integrated_gradients", "occlusion")
STEPS = 16
"""Points between the baseline and the input, at the middle of equal intervals."""
MOST_STOCKS = 500
"""Of more stocks on a day, occlusion says nothing about peers: it scores the whole day once for each of them."""


@dataclass(frozen=True)
class Attribution:
    """Absolute attributions of one day's rows.

    Attributes:
        rows: `[R]` positions in the batch of the rows that are explained.
        cells: `[R, T, F]` >= 0; None where the method says nothing about cells.
        lags: `[R, T]` >= 0, for methods that tell days but no fields apart; else None.
        peers: `[R, S]` >= 0, influence of the batch's row j on the score of row `rows[i]`; None for sample scope.
        computed: rows that the work was done for, where it is done row by row; else the size of the batch.
    """

    rows: Tensor
    cells: Tensor | None = None
    lags: Tensor | None = None
    peers: Tensor | None = None
    computed: int = 0


def has_gradient(model: Network, batch: Batch) -> bool:
    """Whether the score can be differentiated by the input: not for trees."""
    x = batch.x.detach().clone().requires_grad_()
    with torch.enable_grad():
        return model.score(replace(batch, x=x)).requires_grad


def attribute(
    model: Network, batch: Batch, method: str, rows: Tensor, *, across: bool, peers: bool = True
) -> Attribution:
    """The attribution of one day.

    Args:
        model: in eval mode.
        batch: all rows of one day.
        method: one of `METHODS`.
        rows: `[R]` positions of the rows to explain.
        across: the network reads other rows of the day (day scope).
        peers: with `across`, also compute `Attribution.peers`.
    """
    if not across:
        return Attribution(rows, cells=_ALONE[method](model, take(batch, rows)).abs(), computed=len(rows))
    if method == "occlusion":
        cells = occlusion(model, batch)[rows].abs()
        peers = peers and len(batch) <= MOST_STOCKS
        return Attribution(
            rows, cells=cells, peers=_occluded_stocks(model, batch, rows) if peers else None, computed=len(batch)
        )
    scales = (1.0,) if method == "gradient_x_input" else _midpoints(STEPS)
    cells, others = [], []
    for row in rows.tolist():
        gradient = sum((_gradient(model, batch, s, row) for s in scales), start=torch.zeros_like(batch.x))
        full = (batch.x * gradient / len(scales)).abs()
        cells.append(full.sum(dim=0))
        others.append(full.sum(dim=(1, 2)))
    return Attribution(rows, cells=torch.stack(cells), peers=torch.stack(others), computed=len(rows))


def gradient_x_input(model: Network, batch: Batch) -> Tensor:
    """Signed `[S, T, F]`, of rows that are scored alone."""
    return batch.x * _gradient(model, batch, 1.0, None)


def integrated_gradients(model: Network, batch: Batch, steps: int = STEPS) -> Tensor:
    """Signed `[S, T, F]`, of rows that are scored alone; sums to score(x) - score(0) as `steps` grow."""
    mean = sum((_gradient(model, batch, s, None) for s in _midpoints(steps)), start=torch.zeros_like(batch.x)) / steps
    return batch.x * mean


@torch.no_grad()
def occlusion(model: Network, batch: Batch) -> Tensor:
    """Signed `[S, T, F]`: the change of each score when a cell is set to 0 in all rows."""
    whole = model.score(batch)
    out = torch.empty_like(batch.x)
    for t in range(batch.x.shape[1]):
        for f in range(batch.x.shape[2]):
            x = batch.x.clone()
            x[:, t, f] = 0
            out[:, t, f] = whole - model.score(replace(batch, x=x))
    return out


_ALONE: dict[str, Callable[[Network, Batch], Tensor]] = {
    "gradient_x_input": gradient_x_input,
    "integrated_gradients": integrated_gradients,
    "occlusion": occlusion,
}


def _midpoints(steps: int) -> tuple[float, ...]:
    return tuple((k + 0.5) / steps for k in range(steps))


def _gradient(model: Network, batch: Batch, scale: float, row: int | None) -> Tensor:
    """d score / d x `[S, T, F]` at `scale * x`, of one row's score or, where rows are alone, of each its own."""
    x = (scale * batch.x).detach().requires_grad_()
    with _differentiable():
        score = model.score(replace(batch, x=x))
        (gradient,) = torch.autograd.grad(score.sum() if row is None else score[row], x)
    return gradient


@contextmanager
def _differentiable() -> Iterator[None]:
    # cuDNN has no backward pass of recurrent nets in eval mode.
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        yield


@torch.no_grad()
def _occluded_stocks(model: Network, batch: Batch, rows: Tensor) -> Tensor:
    """`[R, S]`: |change| of the scores of `rows` when all inputs of row j are set to 0."""
    whole = model.score(batch)[rows]
    out = whole.new_empty(len(rows), len(batch))
    for j in range(len(batch)):
        x = batch.x.clone()
        x[j] = 0
        out[:, j] = (whole - model.score(replace(batch, x=x))[rows]).abs()
    return out
