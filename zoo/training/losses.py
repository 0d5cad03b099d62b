"""The training losses; all ignore rows whose label is missing."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.network import Loss
from zoo.shapes import Float


def _present(score: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    keep = torch.isfinite(label)
    return score[keep], label[keep]


def mse(score: Float[Tensor, " S"], label: Float[Tensor, " S"]) -> Float[Tensor, ""]:
    """Mean squared error over labelled rows; `score [S]`, `label [S]` -> scalar (0 if none is labelled)."""
    score, label = _present(score, label)
    return (score - label).square().sum() / max(len(label), 1)


def mae(score: Float[Tensor, " S"], label: Float[Tensor, " S"]) -> Float[Tensor, ""]:
    """Mean absolute error over labelled rows."""
    score, label = _present(score, label)
    return (score - label).abs().sum() / max(len(label), 1)


LOSSES: dict[str, Loss] = {"mse": mse, "mae": mae}
