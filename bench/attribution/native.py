"""What a model itself exposes, brought to the axes of the truth: cells, lags or peers.

| `explain` gives | read as |
|---|---|
| `mask [S, T, F]` | cells |
| `cells [T, F]` | cells, the same for every row: coefficients (inputs are normalised, so they share a unit), gains |
| `time [S, T]` | lags: it tells no field apart and is not scored over cells |
| `attention [S, heads, T]` | lags, mean over heads |
| `attention [S, S]` | peers |
| `concepts [S, C]` | peers: a concept's weight is shared equally by its members |

Other names that `explain` may give, such as TRA's `routing`, concern no input.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bench.attribution.methods import Attribution
from zoo.network import Batch, Network


@torch.no_grad()
def native(model: Network, batch: Batch, rows: Tensor) -> Attribution | None:
    """The model's own explanation of the rows of one day; None where it has none about its inputs."""
    lags = peers = cells = None
    for name, value in model.explain(batch).items():
        match name, value.ndim:
            case "mask", 3:
                cells = value[rows].abs()
            case "cells", 2:
                cells = value.abs().expand(len(rows), -1, -1)
            case "time", 2:
                lags = value[rows].abs()
            case "attention", 3:
                lags = value[rows].abs().mean(dim=1)
            case "attention", 2:
                peers = value[rows].abs()
            case "concepts", 2:
                peers = _through_concepts(value, batch)[rows]
    if cells is None and lags is None and peers is None:
        return None
    return Attribution(rows, cells, lags, peers, computed=len(batch))


def native_axis(found: Attribution | None) -> str:
    """`cells`, `lags` or `peers`, whatever is finest; empty without an explanation."""
    if found is None:
        return ""
    return "cells" if found.cells is not None else "lags" if found.lags is not None else "peers"


def _through_concepts(weight: Tensor, batch: Batch) -> Tensor:
    """`[S, S]` from concept weights `[S, C]`."""
    if batch.concepts is None:
        return weight.new_zeros(len(batch), len(batch))
    member = batch.concepts.to(weight)
    return weight.abs() @ (member / member.sum(dim=0).clamp_min(1)).T
