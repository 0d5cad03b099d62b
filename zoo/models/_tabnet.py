"""TabNet's encoder and decoder on flat rows `[S, n]`, with ghost batch norm (Hoffer et al. 2017, "Train longer,
generalize better") and sparsemax (Martins & Astudillo 2016, ICML)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional as F

_HALF_VARIANCE = math.sqrt(0.5)
Blocks = tuple[int, int, int]
"""Shared and own gated blocks of a step, and the rows that are normalised together."""


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


class _Sparsemax(Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        # With the largest entry at 0 the threshold lies in [-1, 0): no digits are lost to a common offset.
        z = z - z.amax(-1, keepdim=True)
        ranked = z.sort(-1, descending=True).values
        excess = ranked.cumsum(-1) - 1
        rank = torch.arange(1, z.shape[-1] + 1, device=z.device, dtype=z.dtype)
        size = (rank * ranked > excess).sum(-1, keepdim=True)
        threshold = excess.gather(-1, size - 1) / size
        p = (z - threshold).clamp_min(0)
        ctx.save_for_backward(p > 0)
        return p

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        (support,) = ctx.saved_tensors
        grad = grad_outputs[0] * support
        return grad - support * (grad.sum(-1, keepdim=True) / support.sum(-1, keepdim=True))


def sparsemax(z: Tensor) -> Tensor:
    """The point of the probability simplex nearest to `z` along the last axis; most entries are exactly 0.

    Exact by sorting, O(n log n); the gradient is the exact Jacobian I - 1 1^T / |support| on the support.
    """
    return _Sparsemax.apply(z)  # pyright: ignore[reportReturnType]


def _gate_layers(n: int, width: int, count: int) -> nn.ModuleList:
    return nn.ModuleList(nn.Linear(n if i == 0 else width, 2 * width) for i in range(count))


class FeatureTransformer(nn.Module):
    """Gated blocks, residual from the second on: Linear to 2 `width`, ghost batch norm, gated linear unit.

    The first `n_shared` Linears belong to the caller, who hands the same ones to every step; the norms after
    them and the `n_ind` further blocks belong to this step.
    """

    def __init__(self, n: int, width: int, n_shared: int, n_ind: int, virtual_batch_size: int) -> None:
        super().__init__()
        self.shared_norms = nn.ModuleList(GhostBatchNorm(2 * width, virtual_batch_size) for _ in range(n_shared))
        self.own = _gate_layers(width if n_shared else n, width, n_ind)
        self.own_norms = nn.ModuleList(GhostBatchNorm(2 * width, virtual_batch_size) for _ in range(n_ind))

    def forward(self, x: Tensor, shared: Iterable[nn.Module]) -> Tensor:
        """`x [S, n]` -> `[S, width]`."""
        linears, norms = [*shared, *self.own], [*self.shared_norms, *self.own_norms]
        h = F.glu(norms[0](linears[0](x)), dim=1)
        for linear, norm in zip(linears[1:], norms[1:], strict=True):
            h = (h + F.glu(norm(linear(h)), dim=1)) * _HALF_VARIANCE
        return h


class Encoded(NamedTuple):
    """Summary `[S, H]` of rows; per masked step a mask `[S, n]` and a decision `[S, n_d]`."""

    summary: Tensor
    masks: list[Tensor]
    decisions: list[Tensor]


class MaskTransformer(nn.Module):
    """The sparse mask that the next step reads its columns through."""

    def __init__(self, n_a: int, n: int, virtual_batch_size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_a, n)
        self.norm = GhostBatchNorm(n, virtual_batch_size)

    def forward(self, attention: Tensor, prior: Tensor) -> Tensor:
        """`attention [S, n_a]`, `prior [S, n]` -> mask `[S, n]`, rows sum to 1."""
        return sparsemax(self.norm(self.linear(attention)) * prior)


class Encoder(nn.Module):
    """Sequential attention over columns: each step reads the columns its sparse mask lets through."""

    def __init__(
        self,
        n: int,
        hidden_size: int,
        n_d: int,
        n_a: int,
        n_steps: int,
        blocks: Blocks,
        relax: float,
        update_prior: bool,
    ) -> None:
        super().__init__()
        width = n_d + n_a
        self.n_d, self.relax, self.update_prior = n_d, relax, update_prior
        self.norm = GhostBatchNorm(n)
        self.shared = _gate_layers(n, width, blocks[0])
        self.first = FeatureTransformer(n, width, *blocks)
        self.transforms = nn.ModuleList(FeatureTransformer(n, width, *blocks) for _ in range(n_steps - 1))
        self.masks = nn.ModuleList(MaskTransformer(n_a, n, blocks[2]) for _ in range(n_steps - 1))
        self.summary = nn.Linear(n_d, hidden_size)

    def forward(self, x: Tensor, prior: Tensor | None = None) -> Encoded:
        """`x [S, n]`; `prior [S, n]` scales what the masks are made of (None: all 1)."""
        x = self.norm(x)
        prior = torch.ones_like(x) if prior is None else prior
        attention = self.first(x, self.shared)[:, self.n_d :]
        masks, decisions = [], []
        for make_mask, transform in zip(self.masks, self.transforms, strict=True):
            mask = make_mask(attention, prior)
            if self.update_prior:
                prior = prior * (self.relax - mask)
            h = transform(mask * x, self.shared)
            attention = h[:, self.n_d :]
            masks.append(mask)
            decisions.append(h[:, : self.n_d].relu())
        return Encoded(self.summary(torch.stack(decisions).sum(0)), masks, decisions)


class Decoder(nn.Module):
    """Columns back from the encoder's summary: the sum of what `n_steps` steps reconstruct."""

    def __init__(self, hidden_size: int, n: int, n_steps: int, blocks: Blocks) -> None:
        super().__init__()
        self.shared = _gate_layers(hidden_size, n, blocks[0])
        self.transforms = nn.ModuleList(FeatureTransformer(hidden_size, n, *blocks) for _ in range(n_steps))
        self.outputs = nn.ModuleList(nn.Linear(n, n) for _ in range(n_steps))

    def forward(self, summary: Tensor) -> Tensor:
        """`summary [S, H]` -> `[S, n]`."""
        steps = zip(self.transforms, self.outputs, strict=True)
        return torch.stack([output(transform(summary, self.shared)) for transform, output in steps]).sum(0)


def sparsity(masks: list[Tensor]) -> Tensor:
    """Sum over steps of the mean over all entries of -mask log mask; 0 when each step reads one column."""
    return torch.stack([-(mask * (mask + 1e-10).log()).mean() for mask in masks]).sum()


def reconstruction_loss(found: Tensor, target: Tensor, hidden: Tensor) -> Tensor:
    """Squared error of the hidden entries, each column relative to its spread in the batch.

    Args:
        found: `[S, n]` reconstruction.
        target: `[S, n]`; columns that are constant in the batch do not count.
        hidden: `[S, n]`, 1 where the encoder did not see the entry, else 0.
    """
    spread = (target - target.mean(0)).square().sum(0)
    varies = target.amax(0) > target.amin(0)
    errors = ((found - target) * hidden).square().sum(0)
    return (errors[varies] / spread[varies]).sum()
