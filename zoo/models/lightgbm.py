"""LightGBM: gradient-boosted trees on the flattened window.

Ke et al. 2017, "LightGBM: A Highly Efficient Gradient Boosting Decision Tree"; grown by the lightgbm package.
The reference holds every row at 4 to 8 bytes a value and stops early on squared error. Here rows are streamed
into lightgbm's binned form, 1 byte a value and nothing else that grows with the segment, and the number of
trees is chosen by mean daily IC of the valid rows, the measure by which networks stop early.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from zoo.errors import ModelError
from zoo.models._select import DailyIC
from zoo.network import Batch, Days, Membership, Rows, Scores, WholeModel, Windows
from zoo.registry import register_model

if TYPE_CHECKING:
    import lightgbm

_log = logging.getLogger(__name__)
_CHUNK = 4096
_BIN_SAMPLE = 100_000
"""Rows from which bins are found; lightgbm warns of fewer."""
_OBJECTIVES = {"mse": "regression", "mae": "regression_l1"}


@register_model(
    "lightgbm",
    title="LightGBM",
    paper="Ke et al. 2017, LightGBM: A Highly Efficient Gradient Boosting Decision Tree",
    packages=("lightgbm",),
    complexity=("trees", "N"),
    published={"num_leaves": 210, "max_depth": 8},
)
class LightGBM(WholeModel):
    """Boosted trees; arguments are lightgbm's own unless said otherwise.

    The published Alpha360 settings (learning_rate 0.0421, num_leaves 210, max_depth 8, lambda_l1 205.6999,
    lambda_l2 580.9768, feature_fraction 0.8879, bagging_fraction 0.8789) penalise sums over the rows of a
    leaf: made for half a million rows, they forbid every split on a few thousand. The defaults suit both.

    Args:
        learning_rate: shrinkage of each tree.
        num_leaves: most leaves of a tree.
        max_depth: most splits from root to leaf.
        min_data_in_leaf: fewest rows of a leaf.
        lambda_l1: L1 penalty on leaf values, against sums over a leaf's rows.
        lambda_l2: L2 penalty on leaf values, likewise.
        feature_fraction: share of the columns each tree may split on, drawn anew for every tree.
        bagging_fraction: share of the rows each tree is grown on, drawn anew for every tree.
        num_rounds: most trees.
        patience: trees without a better valid IC before stopping; the best round is kept.
        max_rows: of more labelled train rows, this many are drawn at random, each day keeping the same
            share of its rows to within one, and `fit` logs it. None: use all.
    """

    booster: Tensor

    def __init__(
        self,
        *,
        n_features: int,
        lookback: int,
        learning_rate: float = 0.05,
        num_leaves: int = 31,
        max_depth: int = 8,
        min_data_in_leaf: int = 50,
        lambda_l1: float = 0.0,
        lambda_l2: float = 1.0,
        feature_fraction: float = 0.8,
        bagging_fraction: float = 0.8,
        num_rounds: int = 1000,
        patience: int = 50,
        max_rows: int | None = 2_000_000,
    ) -> None:
        super().__init__()
        if max_rows is not None and max_rows < 1:
            raise ModelError(f"model 'lightgbm', parameter 'max_rows': must be >= 1, got {max_rows}")
        self.max_rows, self.num_rounds, self.patience = max_rows, num_rounds, patience
        self.params = {
            "learning_rate": learning_rate,
            "num_leaves": num_leaves,
            "max_depth": max_depth,
            "min_data_in_leaf": min_data_in_leaf,
            "lambda_l1": lambda_l1,
            "lambda_l2": lambda_l2,
            "feature_fraction": feature_fraction,
            "bagging_fraction": bagging_fraction,
            "bagging_freq": 1,
        }
        self.register_buffer("booster", torch.zeros(0, dtype=torch.uint8))
        self._parsed: lightgbm.Booster | None = None

    def forward(self, x: Windows, *, day: Days | None = None, concepts: Membership | None = None) -> Scores:
        """Scores `[S]` of rows `x [S, T, F]`; zeros before `fit`."""
        if not len(self.booster):
            return x.new_zeros(len(x))
        scores = self._trees().predict(x.detach().flatten(1).cpu().numpy(), num_threads=1)
        return torch.from_numpy(np.asarray(scores)).to(x)

    def explain(self, batch: Batch) -> dict[str, Tensor]:
        """`cells [T, F]`: gain of the splits on each input, the same for every row."""
        if not len(self.booster):
            return {"cells": torch.zeros(batch.x.shape[1:])}
        gain = self._trees().feature_importance("gain")
        return {"cells": torch.from_numpy(gain).float().view(batch.x.shape[1:])}

    def _trees(self) -> lightgbm.Booster:
        if self._parsed is None:
            import lightgbm

            self._parsed = lightgbm.Booster(model_str=self.booster.cpu().numpy().tobytes().decode())
        return self._parsed

    def fit(self, train: Rows, valid: Rows, config: Any) -> dict[str, Any]:
        """Grow trees on the labelled rows of `train`, keep the round with the best valid IC.

        The seed of row and column draws comes from torch's generator, so that a trial's seed governs it.

        Returns:
            `rounds` kept, their `valid_ic`, labelled `rows` and `rows_used` of the train segment.

        Raises:
            ModelError: no labelled row in the train or the valid segment.
        """
        import lightgbm

        seed = int(torch.randint(2**31 - 1, ()))
        params = {
            **self.params,
            "objective": _OBJECTIVES[config.loss],
            "metric": "None",
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "bin_construct_sample_cnt": _BIN_SAMPLE,
            "verbosity": -1,
        }
        train_set, n_rows = _train_set(train, self.max_rows, seed, params)
        label, day = _labels(valid, "valid")
        valid_set = lightgbm.Dataset(_stream(valid, np.arange(len(label))), label, reference=train_set, params=params)
        valid_set.construct()
        daily_ic = DailyIC(torch.from_numpy(label), torch.from_numpy(day))
        _return_freed_memory()

        def mean_ic(scores: np.ndarray, _: lightgbm.Dataset) -> tuple[str, float, bool]:
            ic = daily_ic(torch.from_numpy(np.asarray(scores))).nanmean()
            return "ic", float(ic.nan_to_num(nan=-1.0)), True

        booster = lightgbm.train(
            params,
            train_set,
            num_boost_round=self.num_rounds,
            valid_sets=[valid_set],
            valid_names=["valid"],
            feval=mean_ic,
            callbacks=[lightgbm.early_stopping(self.patience, verbose=False)],
        )
        text = booster.model_to_string(num_iteration=booster.best_iteration)
        self._parsed = None
        self.booster = torch.from_numpy(np.frombuffer(text.encode(), np.uint8).copy()).to(self.booster.device)
        return {
            "rounds": booster.best_iteration,
            "valid_ic": float(booster.best_score["valid"]["ic"]),
            "rows": n_rows,
            "rows_used": train_set.num_data(),
        }

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """The booster's text may be of any length."""
        if (stored := state_dict.get(f"{prefix}booster")) is not None:
            self.booster = self.booster.new_zeros(stored.shape)
            self._parsed = None
        super()._load_from_state_dict(state_dict, prefix, *args)


def _train_set(rows: Rows, most: int | None, seed: int, params: dict[str, Any]) -> tuple[lightgbm.Dataset, int]:
    """At most `most` labelled rows in binned form, and how many there are in all."""
    import lightgbm

    label, day = _labels(rows, "train")
    kept = _even_share(day, most, np.random.default_rng(seed))
    if len(kept) < len(label):
        used = (len(kept), len(label))
        _log.warning("lightgbm: %d of %d train rows used, the same share of every day (max_rows)", *used)
    return lightgbm.Dataset(_stream(rows, kept), label=label[kept], params=params).construct(), len(label)


def _labels(rows: Rows, segment: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels float32 and days int64 of the labelled rows, in (day, stock) order."""
    batches = [(b.label.cpu().numpy(), b.day.cpu().numpy()) for b in rows.batches(_CHUNK, labelled=True)]
    if not sum(len(label) for label, _ in batches):
        raise ModelError(f"model 'lightgbm': the {segment} segment has no labelled row; widen it")
    label, day = zip(*batches, strict=True)
    return np.concatenate(label), np.concatenate(day)


def _even_share(day: np.ndarray, most: int | None, generator: np.random.Generator) -> np.ndarray:
    """Sorted positions of at most `most` rows, drawn so that every day keeps the same share of its rows."""
    if most is None or len(day) <= most:
        return np.arange(len(day))
    shuffled_within_days = np.lexsort((generator.random(len(day)), day))
    return np.sort(shuffled_within_days[np.arange(most) * len(day) // most])


def _return_freed_memory() -> None:
    """glibc keeps what finding the bins has taken, 240 MB at 120 columns, while training takes as much elsewhere."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _stream(rows: Rows, kept: np.ndarray) -> Any:
    """A `lightgbm.Sequence` of the labelled rows at positions `kept` that holds one batch at a time.

    lightgbm reads rows in ascending order, once in part to find the bins and once in full to fill them.
    Reading backwards starts the segment anew.
    """
    import lightgbm

    class Stream(lightgbm.Sequence):
        batch_size = _CHUNK

        def __init__(self) -> None:
            self.chunks: Iterator[Batch] = iter(())
            self.chunk = np.empty((0, 0), np.float32)
            self.start = self.stop = self.seen = len(kept)

        def __len__(self) -> int:
            return len(kept)

        def advance(self, position: int | np.integer) -> None:
            """Make `chunk` hold positions `start .. stop` of which `position` is one."""
            if position < self.start:
                self.chunks = rows.batches(_CHUNK, labelled=True)
                self.start = self.stop = self.seen = 0
            while position >= self.stop:
                batch = next(self.chunks)
                self.start = self.stop
                self.stop = int(np.searchsorted(kept, self.seen + len(batch)))
                inside = torch.from_numpy(kept[self.start : self.stop] - self.seen).to(batch.x.device)
                self.chunk = batch.x[inside].flatten(1).cpu().numpy()
                self.seen += len(batch)

        def __getitem__(self, idx: Any) -> np.ndarray:
            if not isinstance(idx, slice):
                self.advance(idx)
                return self.chunk[idx - self.start].astype(np.float64)  # lightgbm's rule for bin samples
            parts, position = [], idx.start
            while position < idx.stop:
                self.advance(position)
                parts.append(self.chunk[position - self.start : idx.stop - self.start])
                position += len(parts[-1])
            return np.concatenate(parts)

    return Stream()
