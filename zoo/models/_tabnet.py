"""TabNet's encoder and decoder on flat rows `[S, n]`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import glu

from zoo.models._ghost import GhostBatchNorm
from zoo.models._sparsemax import sparsemax

_HALF_VARIANCE = math.sqrt(0.5)


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
        h = glu(norms[0](linears[0](x)), dim=1)
        for linear, norm in zip(linears[1:], norms[1:], strict=True):
            h = (h + glu(norm(linear(h)), dim=1)) * _HALF_VARIANCE
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
        *,
        n_d: int,
        n_a: int,
        n_steps: int,
        n_shared: int,
        n_ind: int,
        relax: float,
        update_prior: bool,
        virtual_batch_size: int,
    ) -> None:
        super().__init__()
        width = n_d + n_a
        self.n_d, self.relax, self.update_prior = n_d, relax, update_prior
        self.norm = GhostBatchNorm(n)
        self.shared = _gate_layers(n, width, n_shared)
        self.first = FeatureTransformer(n, width, n_shared, n_ind, virtual_batch_size)
        self.transforms = nn.ModuleList(
            FeatureTransformer(n, width, n_shared, n_ind, virtual_batch_size) for _ in range(n_steps - 1)
        )
        self.masks = nn.ModuleList(MaskTransformer(n_a, n, virtual_batch_size) for _ in range(n_steps - 1))
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

    def __init__(
        self, hidden_size: int, n: int, *, n_steps: int, n_shared: int, n_ind: int, virtual_batch_size: int
    ) -> None:
        super().__init__()
        self.shared = _gate_layers(hidden_size, n, n_shared)
        self.transforms = nn.ModuleList(
            FeatureTransformer(hidden_size, n, n_shared, n_ind, virtual_batch_size) for _ in range(n_steps)
        )
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
