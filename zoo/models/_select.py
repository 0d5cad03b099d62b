"""Selection of whole models on the valid rows: the same measure by which networks stop early."""

from __future__ import annotations

import torch
from torch import Tensor


class DailyIC:
    """Pearson correlation of scores and labels within each day; what does not depend on the scores is made once.

    Args:
        label: `[S]`; rows with NaN are left out.
        day: `[S]` int64.
    """

    def __init__(self, label: Tensor, day: Tensor) -> None:
        _, group = torch.unique(day, return_inverse=True)
        self._n_days = int(group.max()) + 1 if len(group) else 0
        known = torch.isfinite(label)
        self._known = None if bool(known.all()) else known
        self._group, b = group[known], label[known].double().unsqueeze(1)
        self._count = self._total(torch.ones_like(b)).clamp(min=1)
        self._label = b - (self._total(b) / self._count)[self._group]
        self._spread = self._total(self._label * self._label)
        self._constant_label = self._constant(b)

    def __call__(self, score: Tensor) -> Tensor:
        """`[n_days]` of scores `[S]`, or `[n_days, G]` of G candidates `[S, G]`, float64, days ascending.

        NaN where a day has fewer than two labelled rows or either side is constant.
        """
        columns = score.unsqueeze(1) if score.dim() == 1 else score
        a = (columns if self._known is None else columns[self._known]).double()
        constant = self._constant(a) | self._constant_label
        a = a - (self._total(a) / self._count)[self._group]
        ic = self._total(a * self._label) / (self._total(a * a) * self._spread).sqrt()
        ic = ic.masked_fill(constant, torch.nan)
        return ic.squeeze(1) if score.dim() == 1 else ic

    def _total(self, values: Tensor) -> Tensor:
        return values.new_zeros(self._n_days, values.shape[1]).index_add_(0, self._group, values)

    def _constant(self, values: Tensor) -> Tensor:
        index, bound = self._group.unsqueeze(1).expand_as(values), values.new_zeros(self._n_days, values.shape[1])
        high = bound.scatter_reduce(0, index, values, "amax", include_self=False)
        return high == bound.scatter_reduce(0, index, values, "amin", include_self=False)


def daily_ic(score: Tensor, label: Tensor, day: Tensor) -> Tensor:
    """As `DailyIC`, once."""
    return DailyIC(label, day)(score)
