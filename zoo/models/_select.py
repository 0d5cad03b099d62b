"""Selection of whole models on the valid rows: the same measure by which networks stop early."""

from __future__ import annotations

import torch
from torch import Tensor


def daily_ic(score: Tensor, label: Tensor, day: Tensor) -> Tensor:
    """Pearson correlation of scores and labels within each day.

    Args:
        score: `[S]`, or `[S, G]` for G candidates at once.
        label: `[S]`; rows with NaN are left out.
        day: `[S]` int64.

    Returns:
        `[n_days]` or `[n_days, G]` float64, days ascending; NaN where a day has fewer than two labelled
        rows or either side is constant.
    """
    columns = score.unsqueeze(1) if score.dim() == 1 else score
    _, group = torch.unique(day, return_inverse=True)
    n_days = int(group.max()) + 1 if len(group) else 0
    keep = torch.isfinite(label)
    group, a, b = group[keep], columns[keep].double(), label[keep].double().unsqueeze(1)

    def total(values: Tensor) -> Tensor:
        return values.new_zeros(n_days, values.shape[1]).index_add_(0, group, values)

    def constant(values: Tensor) -> Tensor:
        index, bound = group.unsqueeze(1).expand_as(values), values.new_zeros(n_days, values.shape[1])
        high = bound.scatter_reduce(0, index, values, "amax", include_self=False)
        return high == bound.scatter_reduce(0, index, values, "amin", include_self=False)

    count = total(torch.ones_like(b)).clamp(min=1)
    da, db = a - (total(a) / count)[group], b - (total(b) / count)[group]
    ic = total(da * db) / (total(da * da) * total(db * db)).sqrt()
    ic = ic.masked_fill(constant(a) | constant(b), torch.nan)
    return ic.squeeze(1) if score.dim() == 1 else ic
