"""Softmax attention by cosine, as HIST has it, in row blocks that stay in cache and record no N x K matrix.

B days, rows `a [B, N, H]` that attend, rows `b [B, K, H]` that are attended, `keep [B, K]` which count.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

EPS = 1e-6
"""Added to the product of lengths, as the reference does."""
_CPU_BLOCK = 1 << 17
_GPU_BLOCK = 1 << 26
"""Elements of a block of the B x N x K matrix: about the second-level cache, or 256 MiB."""


def norm(rows: Tensor) -> Tensor:
    """Length `[B, N, 1]` of rows `[B, N, H]`, with gradient 0 instead of NaN at a zero row."""
    square = rows.square().sum(dim=2, keepdim=True)
    return torch.where(square > 0, square, 1.0).sqrt() * (square > 0)


def cosine_weights(a: Tensor, b: Tensor, keep: Tensor) -> Tensor:
    """Softmax `[B, N, K]` over the kept b of their cosine with a, without gradient; 0 where none is kept."""
    with torch.no_grad():
        return _weights(a, b, norm(a), norm(b), keep)[0] * keep.unsqueeze(1)


def cosine_mean(a: Tensor, b: Tensor, keep: Tensor) -> Tensor:
    """`cosine_weights(a, b, keep) @ b`, `[B, N, H]`; computed again block by block for the gradient."""
    any_kept = keep.any(dim=1)[:, None, None]
    return _CosineMean.apply(a, b, norm(a), norm(b), keep) * any_kept


@torch.no_grad()
def most_similar(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Largest cosines of each row with the others of its day, and where: both `[B, N, min(count, N)]`.

    A row itself counts as -1.
    """
    lengths, found = norm(rows), []
    for block in _blocks(rows, rows.shape[1]):
        cosine = _cosine(rows[:, block], rows, lengths[:, block], lengths)[0]
        cosine.diagonal(offset=block.start, dim1=1, dim2=2).fill_(-1)
        # max is ten times faster than topk.
        found.append(cosine.max(dim=2, keepdim=True) if count == 1 else cosine.topk(min(count, rows.shape[1]), dim=2))
    values, indices = zip(*found, strict=True)
    return torch.cat(values, dim=1), torch.cat(indices, dim=1)


def _cosine(a: Tensor, b: Tensor, a_norm: Tensor, b_norm: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine `[B, N, K]` and the product of lengths it was divided by."""
    scale = (a_norm * b_norm.transpose(1, 2)).add_(EPS)
    return torch.bmm(a, b.transpose(1, 2)).div_(scale), scale


def _weights(a: Tensor, b: Tensor, a_norm: Tensor, b_norm: Tensor, keep: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Softmax weights, cosines and products of lengths, each `[B, N, K]`; nonsense where none is kept."""
    cosine, scale = _cosine(a, b, a_norm, b_norm)
    cosine.masked_fill_(~keep.unsqueeze(1), torch.finfo(cosine.dtype).min)
    return cosine.softmax(dim=2), cosine, scale


def _blocks(a: Tensor, attended: int) -> Iterator[slice]:
    limit = _CPU_BLOCK if a.device.type == "cpu" else _GPU_BLOCK
    rows = max(1, limit // max(1, len(a) * attended))
    for start in range(0, a.shape[1], rows):
        yield slice(start, min(start + rows, a.shape[1]))


class _CosineMean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, a_norm: Tensor, b_norm: Tensor, keep: Tensor) -> Tensor:
        ctx.save_for_backward(a, b, a_norm, b_norm, keep)
        return torch.cat(
            [_weights(a[:, i], b, a_norm[:, i], b_norm, keep)[0] @ b for i in _blocks(a, b.shape[1])], dim=1
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        a, b, a_norm, b_norm, keep = ctx.saved_tensors
        to_a, to_a_norm = torch.empty_like(a), torch.empty_like(a_norm)
        to_b, to_b_norm = torch.zeros_like(b), torch.zeros_like(b_norm)
        for i in _blocks(a, b.shape[1]):
            weights, cosine, scale = _weights(a[:, i], b, a_norm[:, i], b_norm, keep)
            to_b.baddbmm_(weights.transpose(1, 2), grad[:, i])
            to_weights = torch.bmm(grad[:, i], b.transpose(1, 2))
            mean = (to_weights * weights).sum(dim=2, keepdim=True)
            # d cosine / d dot = 1 / scale and d cosine / d scale = -cosine / scale.
            to_dot = to_weights.sub_(mean).mul_(weights).div_(scale)
            to_a[:, i] = torch.bmm(to_dot, b)
            to_b.baddbmm_(to_dot.transpose(1, 2), a[:, i])
            to_scale = to_dot.mul_(cosine).neg_()
            to_a_norm[:, i] = torch.bmm(to_scale, b_norm)
            to_b_norm.baddbmm_(to_scale.transpose(1, 2), a_norm[:, i])
        return to_a, to_b, to_a_norm, to_b_norm, None
