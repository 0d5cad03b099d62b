"""Robust z-score: fitted on train rows only, one column at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

CLIP = 3.0
_MAD_TO_SD = np.float32(1.4826)  # sd / MAD of a normal variable: 1 / 0.6745
_FLOOR = np.float32(1e-12)


@dataclass(frozen=True)
class RobustStats:
    """Median and scale of each column.

    Attributes:
        center: float32, `[F]`, or `[T, F]` where every lag is a column of its own.
        scale: same shape, `1.4826 * MAD + 1e-12`.
    """

    center: np.ndarray
    scale: np.ndarray

    def to(self, device: torch.device | str) -> Normalizer:
        """The same statistics, ready to apply to tensors on a device."""
        return Normalizer(torch.as_tensor(self.center, device=device), torch.as_tensor(self.scale, device=device))


@dataclass(frozen=True)
class Normalizer:
    """`RobustStats` resident on the device that trains."""

    center: Tensor
    scale: Tensor

    def apply(self, x: Tensor) -> Tensor:
        """`clip((x - center) / scale, -3, 3)`, then NaN -> 0; `x [..., T, F]`, changed in place and returned."""
        return x.sub_(self.center).div_(self.scale).clamp_(-CLIP, CLIP).nan_to_num_(nan=0.0)


def fit_robust(columns: Iterable[np.ndarray], shape: tuple[int, ...]) -> RobustStats:
    """Statistics of columns that are produced one at a time, so that no more than one is ever held.

    Args:
        columns: 1-d float32 arrays, NaN = missing; each is overwritten.
        shape: shape of the result, in the order of `columns`.

    A column without any value gets median 0 and scale 1: it normalises to 0 everywhere.
    """
    pairs = [_median_and_scale(column) for column in columns]
    center, scale = np.array(pairs, dtype=np.float32).T
    return RobustStats(center.reshape(shape).copy(), scale.reshape(shape).copy())


def _median_and_scale(column: np.ndarray) -> tuple[np.float32, np.float32]:
    values = column[~np.isnan(column)]
    if values.size == 0:
        return np.float32(0), np.float32(1)
    median = np.median(values, overwrite_input=True)
    np.abs(np.subtract(values, median, out=values), out=values)
    return median, np.median(values, overwrite_input=True) * _MAD_TO_SD + _FLOOR
