"""Linear: ridge regression on the flattened window.

Hoerl & Kennard 1970, "Ridge Regression: Biased Estimation for Nonorthogonal Problems".
The reference hands all rows to scikit-learn at once. Here only the float64 moments of the rows are kept, in
one pass over the train segment, so memory does not grow with it. The penalty is chosen on the valid segment
by mean daily IC, the measure by which networks stop early.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from zoo.errors import ModelError
from zoo.models._select import daily_ic
from zoo.network import Batch, Days, Membership, Rows, Scores, WholeModel, Windows
from zoo.registry import register_model

_CHUNK = 8192
_GRID = (100.0, 10.0, 1.0, 1e-1, 1e-2, 1e-3, 1e-4)


@register_model(
    "linear",
    title="Linear",
    paper="Hoerl & Kennard 1970, Ridge Regression: Biased Estimation for Nonorthogonal Problems",
    complexity=("T", "N"),
)
class Linear(WholeModel):
    """Ridge regression in closed form, intercept unpenalised.

    Args:
        l2: penalty on the squared weights: minimises `mean((y - x w - b)^2) + l2 * v * |w|^2`, v the mean
            over columns of their train variance. None: the one of 1e-4, 1e-3, ..., 100 with the highest
            mean daily IC on the valid rows; of equals, and where no valid day has an IC, the largest.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, *, n_features: int, lookback: int, l2: float | None = None) -> None:
        super().__init__()
        if l2 is not None and not l2 >= 0:
            raise ModelError(f"model 'linear', parameter 'l2': must be >= 0, got {l2}")
        self.l2 = l2
        self.register_buffer("weight", torch.zeros(lookback * n_features))
        self.register_buffer("bias", torch.zeros(()))

    def forward(self, x: Windows, *, day: Days | None = None, concepts: Membership | None = None) -> Scores:
        """Scores `[S]` of rows `x [S, T, F]`."""
        return x.flatten(1) @ self.weight + self.bias

    def explain(self, batch: Batch) -> dict[str, Tensor]:
        """`cells [T, F]`: coefficients of the normalised inputs, the same for every row."""
        return {"cells": self.weight.view(batch.x.shape[1:])}

    def fit(self, train: Rows, valid: Rows, config: Any) -> dict[str, Any]:
        """Fit on the labelled rows of `train`, choose the penalty on `valid`.

        Returns:
            `l2` chosen, `valid_ic` by penalty (empty if `l2` was given), `rows` and `coefficients`.

        Raises:
            ModelError: no labelled row in the train segment.
        """
        mean, target, covariance, moment, rows = self._moments(train)
        scale = covariance.diagonal().mean()
        values, vectors = torch.linalg.eigh(covariance)
        # Directions without variance carry no information; they would be divided by rounding noise.
        largest = covariance.diagonal().max()
        spread = values > largest * len(values) * torch.finfo(values.dtype).eps
        projected = torch.where(spread, vectors.T @ moment, 0.0)
        grid = _GRID if self.l2 is None else (self.l2,)
        weights = torch.stack(
            [vectors @ (projected / torch.where(spread, values + l2 * scale, 1.0)) for l2 in grid], dim=1
        )
        by_penalty = self._valid_ic(valid, weights) if self.l2 is None else []
        best = max(range(len(grid)), key=lambda i: by_penalty[i] if by_penalty else 0.0)
        self.weight.copy_(weights[:, best])
        self.bias.copy_(target - mean @ weights[:, best])
        return {
            "l2": grid[best],
            "valid_ic": dict(zip(map(str, grid), by_penalty, strict=False)),
            "rows": rows,
            "coefficients": len(mean) + 1,
        }

    def _moments(self, train: Rows) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
        """Mean of x `[P]` and of the label, covariance `[P, P]` and with the label `[P]`, number of rows."""
        size = self.weight.numel() + 1
        gram = self.weight.new_zeros(size, size, dtype=torch.float64)
        total, rows, origin = gram.new_zeros(size), 0, None
        for batch in train.batches(_CHUNK, labelled=True):
            z = torch.cat([batch.x.flatten(1), batch.label.unsqueeze(1)], dim=1).to(gram)
            if not len(z):
                continue
            # Counted from the first row, a constant column is exactly 0. Its square minus its mean squared would be
            # rounding noise that grows with the rows: 4e4 eps after 500,000 of them.
            origin = z[0].clone() if origin is None else origin
            z -= origin
            gram.addmm_(z.T, z)
            total += z.sum(dim=0)
            rows += len(z)
        if origin is None:
            raise ModelError("model 'linear': the train segment has no labelled row; widen it or check the label")
        mean = total / rows
        centred = gram / rows - torch.outer(mean, mean)
        mean += origin
        return mean[:-1], mean[-1], centred[:-1, :-1], centred[:-1, -1], rows

    def _valid_ic(self, valid: Rows, weights: Tensor) -> list[float]:
        """Mean daily IC on the valid rows of each column of `weights [P, G]`; -1 where no day has one."""
        days = [weights.new_empty(0, weights.shape[1])]
        for batch in valid.batches(_CHUNK, scope="day", labelled=True):
            days.append(daily_ic(batch.x.flatten(1).to(weights) @ weights, batch.label, batch.day))
        return torch.cat(days).nanmean(dim=0).nan_to_num(nan=-1.0).tolist()
