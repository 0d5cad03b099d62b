"""Optimal transport between rows and predictors: the training target of TRA's router.

S rows, K predictors, R remembered days. Everything here is a target: callers run it without gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

_TEMPERATURE = 0.1
_ROUNDS = 3


def squared_errors(predictions: Tensor, label: Tensor) -> Tensor:
    """`[S, K]` squared errors of `predictions [S, K]` against `label [S]`; 0 where the label is missing."""
    present = torch.isfinite(label).unsqueeze(1)
    return torch.where(present, predictions - label.unsqueeze(1), 0.0).square()


def min_max(values: Tensor) -> Tensor:
    """`values [S, K]` scaled to 0..1 within each row; a constant row becomes 1."""
    low, high = values.amin(1, keepdim=True), values.amax(1, keepdim=True)
    return torch.where(high > low, (values - low) / (high - low + 1e-12), 1.0)


def transport(losses: Tensor, memory: Tensor, alpha: float) -> Tensor:
    """How rows should be spread over predictors: cheap for each row, equal load for each predictor.

    Args:
        losses: `[S, K]` scaled errors of the rows, `min_max(squared_errors(...))`.
        memory: `[S, R, K]` scaled errors of each row's stock on earlier days.
        alpha: weight of `losses` against the mean of `memory`.

    Returns:
        P `[S, K]`, rows sum to 1: three Sinkhorn rounds on exp(-cost / 0.1).
    """
    cost = min_max(alpha * losses + (1 - alpha) * min_max(memory.mean(1)))
    plan = torch.exp(-cost / _TEMPERATURE)
    for _ in range(_ROUNDS):
        plan = plan / plan.sum(0, keepdim=True)
        plan = plan / plan.sum(1, keepdim=True)
    return plan
