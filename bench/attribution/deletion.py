"""Deletion: what a model's IC loses when the inputs that an attribution ranks first are taken away.

Inputs are set to 0, the median after normalisation, for all rows alike: 0, 5, 10, 25 and 50 % of the cells in the
order of their mean attribution, or in random order. The score is the mean distance of the two curves over removed
shares from 0 to 50 %, in units of IC (trapezoids): positive where the attribution names inputs that the model needs
more than others. An attribution that tells lags but no fields apart removes whole lags, and so does its random order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from bench.attribution.truth import resampled_means
from bench.stats.bootstrap import interval
from zoo.crosssection import pearson_rows
from zoo.data.windows import Dataset
from zoo.network import Network
from zoo.registry import Scope

SHARES = (0.0, 0.05, 0.1, 0.25, 0.5)
_ROWS = 4096


class Deletion:
    """A model and the days on which its IC is taken.

    Args:
        days: positions in the calendar.
        random_orders: how many there are; the same for every attribution of the model.
    """

    def __init__(self, model: Network, dataset: Dataset, days: list[int], scope: Scope, random_orders: int) -> None:
        self._model, self._orders, self._scope = model, random_orders, scope
        self.shape = (dataset.lookback, dataset.n_features)
        n = dataset.panel.n_stocks
        member = dataset.panel.member[days]
        self._label = dataset.raw_label[days]
        self._where = np.flatnonzero(member)
        per_batch = max(1, _ROWS // max(int(member.sum(axis=1).max()), 1))
        self._batches = []
        for at in range(0, len(days), per_batch):
            some = [np.flatnonzero(dataset.panel.member[day]) + day * n for day in days[at : at + per_batch]]
            self._batches.append(dataset.batch(torch.from_numpy(np.concatenate(some))))
        self._random: dict[int, np.ndarray] = {}
        self._whole = self.daily_ic(np.zeros(self.shape, dtype=bool))

    @torch.no_grad()
    def daily_ic(self, removed: np.ndarray) -> np.ndarray:
        """IC `[D]` with the cells `removed [T, F]` set to 0; 0 on a day whose scores are all the same."""
        kept = torch.from_numpy(~removed)
        scores = np.full(self._label.shape, np.nan)
        parts = [self._model.score(replace(b, x=torch.where(kept, b.x, 0.0))).numpy() for b in self._batches]
        scores.ravel()[self._where] = np.concatenate(parts)
        return np.nan_to_num(pearson_rows(scores, self._label))

    def curve(self, order: np.ndarray) -> np.ndarray:
        """Daily IC `[shares, D]`, removing in the `order` of cells (T x F of them) or of lags (T)."""
        lookback, n_features = self.shape
        daily = [self._whole]
        for share in SHARES[1:]:
            removed = np.zeros(len(order), dtype=bool)
            removed[order[: round(share * len(order))]] = True
            daily.append(self.daily_ic(np.repeat(removed, lookback * n_features // len(order)).reshape(self.shape)))
        return np.stack(daily)

    def random_curves(self, units: int) -> np.ndarray:
        """Daily IC `[orders, shares, D]` of the random orders."""
        if units not in self._random:
            rng = np.random.default_rng(0)
            self._random[units] = np.stack([self.curve(rng.permutation(units)) for _ in range(self._orders)])
        return self._random[units]


def measure_deletion(deletion: Deletion, cells: np.ndarray | None, lags: np.ndarray | None) -> dict[str, Any] | None:
    """Curves and score of an attribution `cells [R, T, F]` or, without those, `lags [R, T]`; None without either.

    The interval of the score is a bootstrap over days, which lie apart and so are drawn one by one, and over the random
    orders: where few cells matter, it is luck how soon a random order meets them.
    """
    values = cells if cells is not None else lags
    if values is None:
        return None
    mean = values.mean(axis=0, dtype=np.float64).ravel()
    # Ties in random order: their position is no part of the attribution.
    shuffled = np.random.default_rng(1).permutation(len(mean))
    curve = deletion.curve(shuffled[np.argsort(-mean[shuffled], kind="stable")])
    random = deletion.random_curves(len(mean))
    gap = random - curve
    area = np.diff(SHARES) @ (gap[:, 1:] + gap[:, :-1]) / 2 / SHARES[-1]
    order, day = np.indices(area.shape)
    low, high = interval(resampled_means(area.reshape(-1, 1), day.ravel(), order.ravel(), draws=1000))
    return {
        "unit": "cell" if cells is not None else "lag",
        "shares": list(SHARES),
        "ic": curve.mean(axis=1).tolist(),
        "ic_random": random.mean(axis=(0, 2)).tolist(),
        "score": float(area.mean()),
        "score_low": float(low[0]),
        "score_high": float(high[0]),
    }
