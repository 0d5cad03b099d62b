"""Blocks shared by several networks."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

RnnType = Literal["gru", "lstm"]


def recurrent(
    rnn_type: RnnType, n_features: int, hidden_size: int, num_layers: int, dropout: float
) -> nn.LSTM | nn.GRU:
    """Recurrent encoder of `[S, T, n_features]`; call it as `outputs [S, T, hidden_size], _ = rnn(x)`.

    It is torch's own module, so state keys are `weight_ih_l0` and so on. `dropout` acts between layers only:
    with one layer there is nowhere to drop.
    """
    kind = nn.LSTM if rnn_type == "lstm" else nn.GRU
    between = dropout if num_layers > 1 else 0.0
    return kind(n_features, hidden_size, num_layers, batch_first=True, dropout=between)


def pack_days(rows: Tensor, day: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Group rows by day: B days, N rows on the fullest of them.

    Args:
        rows: `[S, ...]`; those of one day need not be adjacent.
        day: `[S]` integers that say which rows share a day, or None where all of them do.

    Returns:
        packed `[B, N, ...]`, days ascending, rows of a day in the given order, zeros behind them;
        mask `[B, N]`, True at rows; index for `unpack_days`.
    """
    if day is None:
        index = torch.arange(len(rows), device=rows.device)
        return rows[None], torch.ones(1, len(rows), dtype=torch.bool, device=rows.device), index
    _, group, counts = torch.unique(day, return_inverse=True, return_counts=True)
    order = torch.argsort(group, stable=True)
    first = torch.cumsum(counts, 0) - counts
    slot = torch.empty_like(group)
    slot[order] = torch.arange(len(group), device=group.device) - first[group[order]]
    shape = (len(counts), int(counts.max()))
    index = group * shape[1] + slot
    packed = rows.new_zeros(shape[0] * shape[1], *rows.shape[1:]).index_copy(0, index, rows)
    mask = torch.zeros(shape[0] * shape[1], dtype=torch.bool, device=rows.device)
    mask[index] = True
    return packed.unflatten(0, shape), mask.view(shape), index


def unpack_days(packed: Tensor, index: Tensor) -> Tensor:
    """Rows `[S, ...]` in the order given to `pack_days`, from `packed [B, N, ...]`."""
    return packed.flatten(0, 1).index_select(0, index)
