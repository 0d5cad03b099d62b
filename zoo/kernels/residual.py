"""A residual block of two causal convolutions, whose steps stay in the cache from product to product.

In torch a convolution copies its taps side by side and ReLU, dropout and sum are passes over memory of their own:
more time than the products take. The kernel reads every step in place and keeps one activation of the three.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zoo.kernels import library
from zoo.kernels.calls import all_at, at, loaded
from zoo.kernels.observed import observed


class Steps(NamedTuple):
    """Steps that the first and the second convolution of a block compute, the latter every second one."""

    inner: int
    outer: int


class Dropped(NamedTuple):
    """Random 16 bits `[S, inner, C']` and `[S, outer, C']`; elements below `share` - 2^15 are dropped, of 2^16."""

    inner: Tensor
    outer: Tensor
    share: int


def serves(x: Tensor, parameters: Sequence[Tensor], steps: Steps) -> bool:
    """Whether `residual` computes a block of these parameters on `x [S, n, C]`; else torch does."""
    return (
        x.dim() == 3
        and x.numel() > 0
        and x.shape[2] == parameters[0].shape[1]
        and x.shape[1] > 2 * (steps.outer - 1)  # the skip reads as far back
        and all(t.device.type == "cpu" and t.dtype == torch.float32 for t in (x, *parameters))
        and not observed(x)
        and library() is not None
    )


def residual(x: Tensor, parameters: Sequence[Tensor], steps: Steps, dropped: Dropped | None = None) -> Tensor:
    """`relu(h2 + skip(x))`, `h2 = drop(relu(conv2(h1)))`, `h1 = drop(relu(conv1(x)))`: `[S, n, C]` -> `[S, outer, C']`.

    Both convolutions end at the last step; the second one and the skip have stride 2. Before its start x is zero. First
    derivatives only.

    Args:
        parameters: v, g and bias of conv1 and of conv2, whose weight is `g v / norm(v)`, with `v [C', C, k]`,
            `g [C', 1, 1]` and one norm per output channel; then weight `[C', C, 1]` and bias of the skip, without which
            it is the identity.
    """
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in (x, *parameters))
    found: Any = _Residual.apply(steps, dropped, keep, x, *parameters)
    return found


class _Residual(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, steps: Steps, dropped: Dropped | None, keep: bool, x: Tensor, *parameters: Tensor) -> Tensor:
        c, x = loaded(), x.contiguous()
        weights, biases = _weights(parameters), _biases(parameters)
        rows, channels, share = len(x), len(biases[0]), dropped.share if dropped else 0
        sizes = (ctypes.c_int64 * 9)(*x.shape, channels, weights[0].shape[2], *steps, len(weights) > 2, share)
        out = torch.empty(rows, steps.outer, channels)
        h1 = torch.empty(rows, steps.inner, channels) if keep else None
        active = torch.empty(rows, steps.outer, channels, dtype=torch.bool) if keep else None
        work = torch.empty(c.zoo_residual_floats(sizes, ctypes.c_int64(0)))
        bits = (dropped.inner, dropped.outer) if dropped else (None, None)
        given = (at(x), all_at(weights), all_at(biases), *(at(t) for t in bits))
        c.zoo_residual(sizes, *given, at(h1), at(active), at(out), at(work))
        if keep:
            ctx.sizes = sizes
            ctx.save_for_backward(x, h1, active, out, *parameters)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor | None, ...]:
        c, (x, h1, active, out, *parameters) = loaded(), ctx.saved_tensors
        weights, d = _weights(parameters), d.contiguous()
        d_x = torch.empty(x.shape) if ctx.needs_input_grad[3] else None
        d_weights, d_biases = (
            [torch.empty(t.shape) for t in weights],
            [torch.empty(t.shape) for t in _biases(parameters)],
        )
        work = torch.empty(c.zoo_residual_floats(ctx.sizes, ctypes.c_int64(1)))
        given = (at(x), all_at(weights), *(at(t) for t in (h1, active, out, d)))
        c.zoo_residual_backward(ctx.sizes, *given, at(d_x), all_at(d_weights), all_at(d_biases), at(work))
        found = [*_norm_gradient(parameters[0:2], d_weights[0]), d_biases[0]]
        found += [*_norm_gradient(parameters[3:5], d_weights[1]), d_biases[1]]
        return None, None, None, d_x, *found, *d_weights[2:], *d_biases[2:]


def _weights(parameters: Sequence[Tensor]) -> list[Tensor]:
    """Contiguous, `[C', C, k]` each; made again for the gradient rather than kept."""
    normed = [g * v / _norm(v) for v, g in (parameters[0:2], parameters[3:5])]
    return [weight.contiguous() for weight in (*normed, *parameters[6:7])]


def _biases(parameters: Sequence[Tensor]) -> list[Tensor]:
    return [bias.contiguous() for bias in (parameters[2], parameters[5], *parameters[7:8])]


def _norm(v: Tensor) -> Tensor:
    return torch.linalg.vector_norm(v, dim=(1, 2), keepdim=True)


def _norm_gradient(normed: Sequence[Tensor], d: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of v and g from that of `g v / norm(v)`."""
    v, g = normed
    norm = _norm(v)
    d_g = (d * v).sum(dim=(1, 2), keepdim=True) / norm
    return (d - v * (d_g / norm)) * (g / norm), d_g
