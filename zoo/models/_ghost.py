"""Ghost batch normalisation (Hoffer et al. 2017, "Train longer, generalize better")."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GhostBatchNorm(nn.BatchNorm1d):
    """Batch norm of `[S, n]` that in training normalises parts of the batch apart.

    A batch of at most `virtual_batch_size` rows is one part; a larger one is cut by `torch.chunk` into
    S // virtual_batch_size, each normalised by its own statistics and counted into the running ones in turn.
    A part of one row has no variance: it is normalised by the running statistics and not counted into them.
    In evaluation the running statistics normalise every row, so a row's result depends on that row only.
    """

    def __init__(self, n: int, virtual_batch_size: int | None = None, momentum: float = 0.01) -> None:
        """`virtual_batch_size` None: the whole batch is one part."""
        super().__init__(n, momentum=momentum)
        self.virtual_batch_size = virtual_batch_size

    def forward(self, input: Tensor) -> Tensor:
        size = self.virtual_batch_size
        if not self.training or size is None or len(input) <= size:
            return self._part(input)
        return torch.cat([self._part(part) for part in input.chunk(len(input) // size)])

    def _part(self, rows: Tensor) -> Tensor:
        if len(rows) > 1 or not self.training:
            return super().forward(rows)
        assert self.running_mean is not None
        assert self.running_var is not None
        # Copies: a later batch moves the running statistics in place before this part's backward needs them.
        mean, variance = self.running_mean.clone(), self.running_var.clone()
        return F.batch_norm(rows, mean, variance, self.weight, self.bias, eps=self.eps)
