"""Additive attention over the steps of a row, whose hidden layer never leaves the cache."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from zoo.kernels import library
from zoo.kernels.calls import at, loaded
from zoo.kernels.observed import observed


def attend(h: Tensor, inner: nn.Linear, score: nn.Linear, dropout: nn.Dropout | None = None) -> tuple[Tensor, Tensor]:
    """Context `[S, H]` of states `h [S, T, H]` and the weights `[S, T]` of their steps, which carry no gradient.

    The weights are the softmax over steps of `score(tanh(dropout(inner(h))))`, `score` without a bias. On the kernel
    for float32 on the CPU without dropout, with first derivatives only.
    """
    tensors = (h, inner.weight, inner.bias, score.weight)
    served = all(t is not None and t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)
    drops = dropout is not None and dropout.training and dropout.p > 0
    # Who has hooks on a layer sees it called.
    hooked = bool(inner._forward_hooks or score._forward_hooks)
    if not served or drops or hooked or h.numel() == 0 or observed(h) or library() is None:
        hidden = inner(h) if dropout is None else dropout(inner(h))
        weights = torch.softmax(score(torch.tanh(hidden))[:, :, 0], dim=1)
        return (weights[:, None] @ h)[:, 0], weights.detach()
    found: Any = _Attention.apply(*tensors)
    return found


class _Attention(torch.autograd.Function):
    """States `[S, T, H]`, weight `[A, H]` and bias of the hidden layer, weight `[1, A]` of the score."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, weight: Tensor, bias: Tensor, score: Tensor) -> tuple[Tensor, Tensor]:
        c = loaded()
        h, weight, bias, score = (t.contiguous() for t in (h, weight, bias, score))
        sizes = (ctypes.c_int64 * 4)(*h.shape, len(bias))
        weights, context = torch.empty(h.shape[:2]), torch.empty(len(h), h.shape[2])
        work = torch.empty(c.zoo_attention_floats(sizes))
        c.zoo_attention(sizes, at(h), at(weight), at(bias), at(score), at(weights), at(context), at(work))
        ctx.save_for_backward(h, weight, bias, score, weights)
        ctx.mark_non_differentiable(weights)
        return context, weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d: Tensor, _: Tensor | None) -> tuple[Tensor, ...]:
        c, (h, weight, bias, score, weights) = loaded(), ctx.saved_tensors
        sizes, d = (ctypes.c_int64 * 4)(*h.shape, len(bias)), d.contiguous()
        found = tuple(torch.empty(t.shape) for t in (h, weight, bias, score))
        work = torch.empty(c.zoo_attention_floats(sizes))
        given = (at(t) for t in (h, weight, bias, score, weights, d))
        c.zoo_attention_backward(sizes, *given, *(at(t) for t in found), at(work))
        return found
