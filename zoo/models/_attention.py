"""Additive attention over the rows of a day, `softmax_j LeakyReLU(p_j + q_i)`, dense and by sorting.

B days of N rows; a mask `[B, N]` says which rows there are, at least one a day. What comes out at absent rows
is finite and means nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def dense_weights(
    p: Tensor, q: Tensor, mask: Tensor, slope: float, neighbours: Tensor | None = None
) -> Tensor:
    """Weights `[B, N, N]`: row i attends to the present rows j with `exp(LeakyReLU(p_j + q_i))`.

    Args:
        p, q: `[B, N]` parts of the score that belong to the attended and to the attending row.
        mask: `[B, N]`.
        slope: of the LeakyReLU.
        neighbours: `[B, N, N]`, True where i may attend to j; every row must have one. None: everywhere.
    """
    allowed = mask.unsqueeze(1) if neighbours is None else neighbours & mask.unsqueeze(1)
    score = functional.leaky_relu(p.unsqueeze(1) + q.unsqueeze(2), slope)
    return score.masked_fill(~allowed, -torch.inf).softmax(dim=2)


def sorted_mean(p: Tensor, q: Tensor, value: Tensor, mask: Tensor, slope: float) -> Tensor:
    """`dense_weights(p, q, mask, slope) @ value`, `[B, N, H]`, in O(N log N) time and O(N) memory.

    With p in descending order, row i weighs a prefix (p_j + q_i > 0) with `exp(p_j) exp(q_i)` and the rest
    with `exp(slope p_j) exp(slope q_i)`: two running sums serve all rows. Exponents are relative to the
    largest p and to the row's largest score, so none exceeds 0.
    """
    order = torch.where(mask, -p, torch.inf).argsort(dim=1)
    ranked = p.gather(1, order)
    present = mask.gather(1, order)
    # A softmax does not change with a shift, so no gradient needs to pass through one.
    top = ranked[:, :1].detach()
    prefix = torch.searchsorted(torch.where(present, -ranked.detach(), torch.inf), q.detach().contiguous())
    below = torch.where(present, ranked - top, 0.0)
    ones = torch.ones_like(value[..., :1])
    terms = torch.cat([value, ones], dim=2).gather(1, order.unsqueeze(2).expand(-1, -1, value.shape[2] + 1))
    terms = terms * present.unsqueeze(2)
    steep = functional.pad((terms * below.exp().unsqueeze(2)).cumsum(1), (0, 0, 1, 0))
    flat = (terms * (slope * below).exp().unsqueeze(2)).flip(1).cumsum(1).flip(1)
    flat = functional.pad(flat, (0, 0, 0, 1))
    at = prefix.unsqueeze(2).expand(-1, -1, terms.shape[2])
    largest = functional.leaky_relu(top + q, slope).detach()
    total = steep.gather(1, at) * (top + q - largest).exp().unsqueeze(2)
    total = total + flat.gather(1, at) * (slope * (top + q) - largest).exp().unsqueeze(2)
    return total[..., :-1] / total[..., -1:]
