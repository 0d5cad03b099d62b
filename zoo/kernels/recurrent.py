"""`nn.GRU` and `nn.LSTM` that run on the compiled kernel where they can, and are torch's own elsewhere.

The kernel serves float32 on the CPU: batch first, one direction, biases, no projection, zero initial state, first
derivatives. Dropout between layers draws torch's own masks from torch's generator, in torch's order.
"""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from zoo.kernels import library
from zoo.kernels.calls import all_at, at, loaded
from zoo.kernels.observed import observed
from zoo.kernels.stash import borrow


class GRU(nn.GRU):
    """`nn.GRU` with its state keys."""

    def forward(self, input: Any, hx: Tensor | None = None, *, last: bool = False) -> Any:
        """As `nn.GRU`; `last`: only the top layer's last state `[S, H]`, for less work."""
        if hx is None and _serves(self, input):
            outputs, (state,) = _run(self, input, want_outputs=not last)
        else:
            outputs, state = super().forward(input, hx)
        return state[-1] if last else (outputs, state)


class LSTM(nn.LSTM):
    """`nn.LSTM` with its state keys."""

    def forward(self, input: Any, hx: tuple[Tensor, Tensor] | None = None, *, last: bool = False) -> Any:
        """As `nn.LSTM`; `last`: only the top layer's last state `[S, H]`, for less work."""
        if hx is None and _serves(self, input):
            outputs, state = _run(self, input, want_outputs=not last)
        else:
            outputs, state = super().forward(input, hx)
        return state[0][-1] if last else (outputs, state)


def _serves(rnn: nn.RNNBase, x: Any) -> bool:
    """Whether the kernel may compute `rnn(x)`."""
    weights = rnn._flat_weights
    return (
        isinstance(x, Tensor)
        and x.dim() == 3
        and x.numel() > 0
        and x.shape[2] == rnn.input_size
        and all(w is not None and w.dtype == torch.float32 and w.device.type == "cpu" for w in (x, *weights))
        and rnn.batch_first
        and rnn.bias
        and not rnn.bidirectional
        and rnn.proj_size == 0
        and not observed(x)
        and library() is not None
    )


def _run(rnn: nn.RNNBase, x: Tensor, *, want_outputs: bool) -> tuple[Any, Any]:
    weights = cast("list[Tensor]", rnn._flat_weights)
    shape = _Shape(isinstance(rnn, nn.LSTM), x.shape[0], x.shape[1], x.shape[2], rnn.hidden_size, rnn.num_layers)
    mask = _masks(shape, rnn.dropout) if rnn.training and rnn.dropout and rnn.num_layers > 1 else None
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in (x, *weights))
    outputs, *last = _Recurrent.apply(shape, want_outputs, keep, x, mask, *weights)  # type: ignore[misc]
    return outputs, tuple(last)


class _Shape(NamedTuple):
    """The sizes of a call, in the library's order."""

    lstm: bool
    batch: int
    steps: int
    features: int
    hidden: int
    layers: int

    def c(self) -> Any:
        return (ctypes.c_int64 * 6)(*self)


def _masks(shape: _Shape, dropout: float) -> Tensor:
    """Scaled masks `[layers - 1, T, S, H]`: torch draws one a layer, time first."""
    masks = torch.empty(shape.layers - 1, shape.steps, shape.batch, shape.hidden)
    if dropout == 1:
        return masks.zero_()
    for mask in masks:
        mask.bernoulli_(1 - dropout).div_(1 - dropout)
    return masks


class _Recurrent(torch.autograd.Function):
    """(outputs `[S, T, H]` or None, last state `[L, S, H]`, and of an LSTM the last cell) of `x [S, T, F]`."""

    @staticmethod
    def forward(
        ctx: Any, shape: _Shape, want_outputs: bool, keep: bool, x: Tensor, mask: Tensor | None, *weights: Tensor
    ) -> tuple[Tensor | None, ...]:
        c = loaded()
        x = x if x.stride(2) == 1 else x.contiguous()
        weights = tuple(weight.contiguous() for weight in weights)
        outputs = torch.empty(shape.batch, shape.steps, shape.hidden) if want_outputs else None
        last = [torch.empty(shape.layers, shape.batch, shape.hidden) for _ in range(1 + shape.lstm)]
        stash = borrow(c.zoo_stash_floats(shape.c())) if keep else None
        work = torch.empty(c.zoo_forward_floats(shape.c()))
        c.zoo_forward(
            shape.c(), at(x), _long(x.stride(0)), _long(x.stride(1)), all_at(weights), at(mask),
            at(outputs), at(last[0]), at(last[1] if shape.lstm else None), at(stash), at(work),
        )  # fmt: skip
        if keep:
            ctx.save_for_backward(stash, x, mask, *weights)
            ctx.shape = shape
            ctx.set_materialize_grads(False)
        return outputs, *last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *d: Tensor | None) -> tuple[Tensor | None, ...]:
        c, shape = loaded(), cast(_Shape, ctx.shape)
        stash, x, mask, *weights = ctx.saved_tensors
        d_out, d_last, d_cell = (*d, None)[:3]
        if d_out is not None and d_out.stride(2) != 1:
            d_out = d_out.contiguous()
        d_last, d_cell = (None if part is None else part.contiguous() for part in (d_last, d_cell))
        d_x = torch.empty(x.shape) if ctx.needs_input_grad[3] else None
        d_weights = [torch.empty(weight.shape) for weight in weights]
        work = torch.empty(c.zoo_backward_floats(shape.c()))
        row, step = (0, 0) if d_out is None else d_out.stride()[:2]
        c.zoo_backward(
            shape.c(), at(x), _long(x.stride(0)), _long(x.stride(1)), all_at(weights), at(mask), at(stash),
            at(d_out), _long(row), _long(step), at(d_last), at(d_cell), at(d_x), all_at(d_weights), at(work),
        )  # fmt: skip
        return None, None, None, d_x, None, *d_weights


_long = ctypes.c_int64
