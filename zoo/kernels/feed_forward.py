"""The feed-forward part of an encoder layer, whose wide hidden layer never leaves the cache.

Its hidden layer is the largest tensor of a Transformer by far: 2048 numbers a step of a row. Written to memory and read
back by five operations it costs more than its products. The kernel makes it a panel at a time, and again for
the gradient.
"""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from zoo.kernels import library
from zoo.kernels.calls import at, loaded
from zoo.kernels.observed import observed


def feed_forward(h: Tensor, inner: nn.Linear, outer: nn.Linear) -> Tensor:
    """`outer(relu(inner(h)))` of `h [..., D]`; on the kernel for float32 on the CPU, with first derivatives only."""
    tensors = (h, inner.weight, inner.bias, outer.weight, outer.bias)
    served = all(t is not None and t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)
    if not served or h.numel() == 0 or observed(h) or library() is None:
        return outer(F.relu(inner(h)))
    found: Any = _FeedForward.apply(h.flatten(0, -2), *tensors[1:])
    return found.view(*h.shape[:-1], -1)


class _FeedForward(torch.autograd.Function):
    """`[N, D]`, weights and biases of the inner and of the outer layer -> `[N, D']`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
        c = loaded()
        x, w1, b1, w2, b2 = (t.contiguous() for t in (x, w1, b1, w2, b2))
        ctx.save_for_backward(x, w1, b1, w2)
        sizes, out = _sizes(x, w2), torch.empty(len(x), len(w2))
        work = torch.empty(c.zoo_feed_forward_floats(sizes))
        c.zoo_feed_forward(sizes, at(x), at(w1), at(b1), at(w2), at(b2), at(out), at(work))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor, ...]:
        c, (x, w1, b1, w2) = loaded(), ctx.saved_tensors
        sizes, d = _sizes(x, w2), d.contiguous()
        d_x, d_w1, d_b1, d_w2 = (torch.empty(t.shape) for t in (x, w1, b1, w2))
        work = torch.empty(c.zoo_feed_forward_floats(sizes))
        given, written = (at(t) for t in (x, w1, b1, w2, d)), (at(t) for t in (d_x, d_w1, d_b1, d_w2))
        c.zoo_feed_forward_backward(sizes, *given, *written, at(work))
        return d_x, d_w1, d_b1, d_w2, d.sum(0)


def _sizes(x: Tensor, w2: Tensor) -> Any:
    return (ctypes.c_int64 * 4)(*x.shape, w2.shape[1], w2.shape[0])
