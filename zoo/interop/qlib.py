"""A model of this package as qlib's `Model`, trained by the one trainer on the data of a qlib dataset.

    task:
      model:
        class: ZooModel
        module_path: zoo.interop.qlib
        kwargs: {model: gru, lookback: 60, params: {hidden_size: 64}, train: {lr: 1.0e-3, patience: 10}, seed: 0}

Needs the package `pyqlib` (extra `qlib`), which is imported with this module and nowhere else.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from zoo import registry, trainer
from zoo.config import TrainConfig
from zoo.data.windows import Segment
from zoo.errors import ConfigError, ModelError, UnavailableError, did_you_mean
from zoo.interop.rows import Part, RowDataset
from zoo.network import Network

if TYPE_CHECKING:
    Base: Any = object
else:
    try:
        from qlib.model.base import Model as Base
    except ImportError:
        Base = object


class ZooModel(Base):
    """`fit` and `predict` as qlib's workflows call them.

    A row of a `DatasetH` is a window written out field by field, oldest day first, as Alpha360 has it; a `TSDatasetH`
    has windows of `step_len` days. Early stopping goes by the IC of the segment `valid`, as everywhere here, against
    the label before any processor where the handler keeps it. Features that are missing are 0.

    Args:
        model: its name in the registry.
        params: hyper-parameters, those of `python -m bench describe MODEL`.
        train: settings of `TrainConfig` (lr, batch_size, max_epochs, patience, ...).
        lookback: days in a row of a `DatasetH`, 60 for Alpha360, 1 where a row is one day; for a `TSDatasetH`
            its `step_len`, which it need not repeat.
        step_len: another name of `lookback`.
        seed: of weights, dropout and the order of rows.
        device: `cpu` or `cuda`.
        reach: days from a row's day to the last price its label reads; models with a memory lag it by as much.

    Raises:
        ZooError: an unknown model, parameter or setting, or one that needs what a qlib dataset does not hold.
    """

    def __init__(
        self,
        model: str,
        params: dict[str, Any] | None = None,
        train: dict[str, Any] | None = None,
        lookback: int | None = None,
        step_len: int | None = None,
        seed: int = 0,
        device: str = "cpu",
        reach: int = 2,
    ) -> None:
        if Base is object:
            raise UnavailableError("zoo.interop.qlib needs pyqlib: pip install 'alpha-zoo[qlib]'")
        if lookback is not None and step_len is not None and lookback != step_len:
            raise ConfigError(f"ZooModel: lookback {lookback} and step_len {step_len} are two names of one number")
        spec = registry.get_spec(model)
        if spec.needs_concepts:
            raise UnavailableError(f"ZooModel: {model} needs concepts, which a dataset of qlib does not hold")
        for key in train or {}:
            if key not in TrainConfig.model_fields:
                raise ConfigError(f"ZooModel: train has no key '{key}'{did_you_mean(key, TrainConfig.model_fields)}")
        try:
            self.training = TrainConfig.model_validate(train or {})
        except ValidationError as error:
            problem = error.errors()[0]
            raise ConfigError(
                f"ZooModel: train.{problem['loc'][0]}: {problem['msg']}, got {problem['input']!r}"
            ) from None
        self.model, self.params = model, spec.check_params(params or {}, where="ZooModel: params")
        self.lookback = lookback if lookback is not None else step_len
        self.seed, self.device, self.reach = seed, device, reach
        # No leading underscore: what has one is left out when qlib stores a model.
        self.network: Network | None = None
        self.fitted: trainer.FitResult | None = None

    def fit(
        self,
        dataset: Any,
        evals_result: dict[str, list[float]] | None = None,
        save_path: str | Path | None = None,
        reweighter: Any = None,
    ) -> None:
        """Train on the segments `train` and `valid` of a dataset.

        Args:
            evals_result: filled with the loss of train and the IC of valid, per epoch.
            save_path: where the weights are written as safetensors.

        Raises:
            ZooError: weights of rows are asked for, a segment without rows, or as `zoo.trainer.fit`.
        """
        if reweighter is not None:
            raise ConfigError("ZooModel: rows are weighted alike; a reweighter is not supported")
        parts = [self._part(dataset, name, learn=True) for name in ("train", "valid")]
        rows = RowDataset(parts, self.reach, self.device)
        trainer.seed_everything(self.seed)
        self.network = registry.build(self.model, n_features=rows.n_features, lookback=rows.lookback, **self.params)
        scope = registry.get_spec(self.model).scope
        train, valid = (Segment(rows, rows.days_of(k)) for k in range(2))
        self.fitted = trainer.fit(self.network, train, valid, self.training, scope=scope, seed=self.seed)
        if evals_result is not None:
            epochs = self.fitted.history
            evals_result["train"] = [epoch.train_loss for epoch in epochs]
            evals_result["valid"] = [float("nan") if e.valid_ic is None else e.valid_ic for e in epochs]
        if save_path is not None:
            from safetensors.torch import save_file

            save_file({k: v.cpu().contiguous() for k, v in self.network.state_dict().items()}, str(save_path))

    def predict(self, dataset: Any, segment: str | slice = "test") -> pd.Series:
        """Scores of a segment: float32 `score` indexed (datetime, instrument), in the order of the dataset's rows.

        Raises:
            ModelError: not fitted yet, or no rows.
        """
        if self.network is None:
            raise ModelError("ZooModel: not fitted yet; call fit(dataset) first")
        asked = self._part(dataset, segment, learn=False)
        before = []
        if type(self.network).on_epoch is not Network.on_epoch:
            # A memory is rebuilt from the days before.
            before = [self._part(dataset, name, learn=True) for name in ("train", "valid") if name != segment]
        rows = RowDataset([*before, asked], self.reach, self.device)
        self.network.to(rows.device)
        days = rows.days_of(len(before))
        scope = registry.get_spec(self.model).scope
        scores = trainer.predict(self.network, Segment(rows, days), scope=scope)
        day, stock = rows.places_of(len(before))
        return pd.Series(scores[day - days.start, stock], index=asked.index, name="score", dtype=np.float32)

    def _part(self, dataset: Any, segment: str | slice, *, learn: bool) -> Part:
        handler = import_module("qlib.data.dataset.handler").DataHandlerLP
        key = handler.DK_L if learn else handler.DK_I
        data = dataset.prepare(segment, col_set=["feature", "label"], data_key=key)
        if isinstance(data, pd.DataFrame):
            part = Part.of_frame(data, self.lookback or 1, str(segment))
        else:
            data.config(fillna_type="ffill+bfill")
            if self.lookback not in (None, data.step_len):
                raise ConfigError(f"ZooModel: lookback {self.lookback}, but the dataset has step_len {data.step_len}")
            part = Part.of_sampler(data, str(segment))
        return part.with_raw_label(_raw_label(dataset, segment))


def _raw_label(dataset: Any, segment: str | slice) -> pd.Series | None:
    """The label before any processor; None where the handler does not keep it."""
    flat = import_module("qlib.data.dataset").DatasetH(handler=dataset.handler, segments=dataset.segments)
    raw = import_module("qlib.data.dataset.handler").DataHandlerLP.DK_R
    try:
        return flat.prepare(segment, col_set="label", data_key=raw).iloc[:, 0]
    except AttributeError:
        return None
