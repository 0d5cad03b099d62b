"""Additive attention over the rows of a day, `softmax_j LeakyReLU(p_j + q_i)`, dense and by sorting.

B days of N rows; a mask `[B, N]` says which rows there are, at least one a day. What comes out at absent rows
is finite and means nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def dense_weights(p: Tensor, q: Tensor, mask: Tensor, slope: float, neighbours: Tensor | None = None) -> Tensor:
    """Weights `[B, N, N]`: row i attends to the present rows j with `exp(LeakyReLU(p_j + q_i))`.

    Args:
        p, q: `[B, N]` parts of the score that belong to the attended and to the attending row.
        mask: `[B, N]`.
        slope: of the LeakyReLU.
        neighbours: `[B, N, N]`, True where i may attend to j; a present row must have one. None: anywhere.
    """
    score = functional.leaky_relu(p.unsqueeze(1) + q.unsqueeze(2), slope)
    # Added in place: a masked_fill would cost a second N x N tensor here and a third in the gradient.
    score += torch.where(mask, 0.0, -torch.inf).unsqueeze(1)
    if neighbours is not None:
        # An absent row keeps all columns: a row of -inf would put NaN into every gradient.
        score = score.masked_fill(~neighbours & mask.unsqueeze(2), -torch.inf)
    return score.softmax(dim=2)


def sorted_mean(p: Tensor, q: Tensor, value: Tensor, mask: Tensor, slope: float) -> Tensor:
    """`dense_weights(p, q, mask, slope) @ value`, `[B, N, H]`, in O(N log N) time and O(N) memory.

    With p in descending order, row i weighs a prefix (p_j + q_i > 0) with `exp(p_j) exp(q_i)` and the rest
    with `exp(slope p_j) exp(slope q_i)`: two running sums serve all rows. Exponents are relative to the
    largest p and to the row's largest score, so none exceeds 0.
    """
    order = torch.where(mask, -p, torch.inf).argsort(dim=1)
    ranked, present = p.gather(1, order), mask.gather(1, order)
    # A softmax does not change with a shift, so no gradient needs to pass through one.
    top = ranked[:, :1].detach()
    below = torch.where(present, ranked - top, 0.0)
    ascending = torch.where(present, -ranked.detach(), torch.inf)
    prefix = torch.searchsorted(ascending, q.detach().contiguous())
    terms = torch.cat([value, torch.ones_like(value[..., :1])], dim=2)
    largest = functional.leaky_relu(top + q, slope).detach()
    steep = _running_sum(terms, order, below.exp() * present, prefix, (top + q - largest).exp())
    weight = ((slope * below).exp() * present).flip(1)
    flat = _running_sum(terms, order.flip(1), weight, p.shape[1] - prefix, (slope * (top + q) - largest).exp())
    total = steep + flat
    return total[..., :-1] / total[..., -1:]


def _running_sum(rows: Tensor, order: Tensor, weight: Tensor, count: Tensor, scale: Tensor) -> Tensor:
    """`scale` times the sum of the first `count` of `rows[order] * weight`, `[B, N, K]`.

    `rows [B, N, K]`, all others `[B, N]`.
    """
    sums = (_take(rows, order) * weight.unsqueeze(2)).cumsum(dim=1)
    return _take(sums, (count - 1).clamp(min=0)) * (scale * (count > 0)).unsqueeze(2)


def _take(rows: Tensor, index: Tensor) -> Tensor:
    """`rows[b, index[b, i]]` `[B, N, K]`; one flat row lookup, faster than an expanded gather."""
    first = torch.arange(len(rows), device=rows.device).unsqueeze(1) * rows.shape[1]
    return rows.flatten(0, 1).index_select(0, (index + first).flatten()).view_as(rows)
