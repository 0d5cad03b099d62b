"""Sparsemax: Euclidean projection onto the probability simplex (Martins & Astudillo 2016, ICML)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


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
