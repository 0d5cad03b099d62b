"""Batches in parts whose activations stay in cache: the same gradient and scores, a fraction of the memory.

What autograd keeps of a step grows with its rows. Once it exceeds the cache every buffer is written to memory and
read back, and fresh ones cost a page fault every 4 KiB; a Transformer spends more time there than on its products.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from zoo.network import Batch, Loss, Network

ACTIVATION_BYTES = 128 * 2**20
"""Most that a part's activations take on the CPU. The same on every machine: it decides the last bits of a sum."""
_PROBE_ROWS = 8
_MULTIPLE = 32  # rows that fill vectors and tiles evenly


def rows_per_part(model: Network, batch: Batch) -> int:
    """Rows of this batch whose activations fit `ACTIVATION_BYTES`; all of them where it is not on the CPU.

    Measured on the first rows, in the model's current mode; torch's generator is left as it was.
    """
    if batch.x.device.type != "cpu":
        return len(batch)
    with torch.enable_grad(), torch.random.fork_rng([]):
        kept = _bytes_kept(model, part(batch, 0, _PROBE_ROWS)) / min(_PROBE_ROWS, len(batch))
    fitting = int(ACTIVATION_BYTES / max(kept, 1))
    return min(len(batch), max(1, fitting // _MULTIPLE * _MULTIPLE or fitting))


def parts(batch: Batch, rows: int) -> Iterator[Batch]:
    """The batch in parts of `rows`, in order; the last may be smaller."""
    for start in range(0, len(batch), rows):
        yield part(batch, start, start + rows)


def part(batch: Batch, start: int, stop: int) -> Batch:
    """Rows `start .. stop - 1`."""
    columns = {f.name: value[start:stop] for f in fields(batch) if (value := getattr(batch, f.name)) is not None}
    return replace(batch, **columns)


def backward(model: Network, batch: Batch, loss: Loss, rows: int) -> Tensor:
    """The loss of a batch, its gradient added to the parameters' own: exact, part by part.

    A part counts by its share of the rows, all of which have a label. With `rows` below the batch's the model must be
    `rows_alone`.
    """
    total = None
    for piece in parts(batch, rows):
        weighted = model.training_loss(piece, loss) * (len(piece) / len(batch))
        weighted.backward()
        total = weighted.detach() if total is None else total + weighted.detach()
    assert total is not None
    return total


def score_parts(model: Network, batch: Batch, rows: int) -> Tensor:
    """Scores `[S]`, part by part."""
    return torch.cat([model.score(piece) for piece in parts(batch, rows)])


def _bytes_kept(model: Network, batch: Batch) -> int:
    """Bytes that autograd keeps of the scores of a batch, each storage once, parameters and the batch left out."""
    known = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers(), batch.x)}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    def unpack(tensor: Tensor) -> Any:
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        scores = model.score(batch)  # held until all is counted: a freed storage's address would be used again
        return sum(kept.values()) if scores.requires_grad else 0
