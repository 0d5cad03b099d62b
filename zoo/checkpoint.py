"""Trained models on disk: safetensors for numbers, JSON for the rest; nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from zoo import registry, trainer
from zoo.config import ColumnLabel, DataConfig, LabelConfig
from zoo.data.features import features_of, resolved
from zoo.data.normalize import RobustStats
from zoo.data.pages import release, stock_blocks
from zoo.data.panel import Panel
from zoo.data.sources import open_panel
from zoo.data.split import DayRange, Fold
from zoo.data.windows import Dataset
from zoo.errors import DataError, ModelError, did_you_mean
from zoo.network import Network

FORMAT = 1
WEIGHTS, HEADER = "model.safetensors", "checkpoint.json"


@dataclass(frozen=True)
class Forecaster:
    """A trained model with the normalisation it was trained under.

    Attributes:
        name: registry key.
        params: hyper-parameters that differ from the defaults.
        data: the data configuration it was trained on.
        stats: the stored normalisation; never refitted.
        model: the network, in eval mode.
        fields: those that the training data had and the features read; None where an older version did not store it.
    """

    name: str
    params: dict[str, Any]
    data: DataConfig
    stats: RobustStats
    model: Network
    fields: tuple[str, ...] | None = None

    @property
    def reading(self) -> DataConfig:
        """The settings under which new data are read: scores need no label."""
        given = isinstance(self.data.label, ColumnLabel)
        return self.data.model_copy(update={"label": LabelConfig()}) if given else self.data

    def __repr__(self) -> str:
        numbers = sum(p.numel() for p in self.model.parameters())
        trained = f", {numbers:,} parameters" if numbers else ""
        return (
            f"<Forecaster {self.name}: {', '.join(self.data.entries)} features of {self.data.lookback} days{trained}>"
        )

    def predict(
        self,
        panel: Panel | pd.DataFrame | str | Path,
        *,
        start: str | None = None,
        end: str | None = None,
        device: str = "cpu",
    ) -> pd.Series:
        """Scores of all members from `start` to `end` (dates, inclusive; default: all days with a full window).

        Args:
            panel: daily data holding the history each window needs, taken as it is, or a source, read with the
                settings (vwap, volume, suspended, concepts, universe) the model was trained with.
            start, end: first and last day to score, `YYYY-MM-DD`.
            device: where to compute.

        Returns:
            float32 Series `score` indexed (datetime, instrument), sorted. `attrs["notes"]` holds the notes on the data;
            days on which no member has a price are left out, which is one of them.

        Raises:
            DataError: too little history, no day or no price in the range, or a field is missing that training had.
            UnavailableError: the model needs concepts and the panel has none.
        """
        if not isinstance(panel, Panel):
            panel = open_panel(self.reading, panel)
        trainer.check_requirements(self.name, panel.concepts is not None)
        features = features_of(self.data, panel.fields)
        fold = _prediction_fold(panel, features.warmup, start, end)
        _check_fields(panel, self.fields or (), slice(fold.test.start - features.warmup, fold.test.stop))
        panel = _priced_days(panel, fold.test)
        dataset = Dataset(panel, self.reading, fold, device=device, stats=self.stats)
        self.model.to(device)
        scores = trainer.predict(self.model, dataset.test, scope=registry.get_spec(self.name).scope)
        series = score_series(scores, panel, fold.test)
        series.attrs["notes"] = list(panel.notes)
        return series


def score_series(scores: np.ndarray, panel: Panel, days: DayRange) -> pd.Series:
    """Dense scores `[days, N]` as a Series of the member rows, indexed (datetime, instrument)."""
    day, stock = np.nonzero(panel.member[days.start : days.stop])
    index = pd.MultiIndex.from_arrays(
        [
            panel.days[days.start : days.stop][day].astype("datetime64[ns]"),
            panel.symbols[stock].astype(object),
        ],
        names=["datetime", "instrument"],
    )
    return pd.Series(scores[day, stock], index=index, name="score", dtype=np.float32)


def _prediction_fold(panel: Panel, warmup: int, start: str | None, end: str | None) -> Fold:
    if panel.n_days <= warmup:
        raise DataError(f"{panel.name}: {panel.n_days} days, but one score reads {warmup + 1}; give more history")
    first = max(warmup, panel.position(start) if start else 0)
    stop = panel.position(end, side="right") if end else panel.n_days
    if first >= stop:
        raise DataError(
            f"{panel.name}: no day to score between {start or panel.days[warmup]} and {end or panel.days[-1]}; "
            f"days with a full window are {panel.days[warmup]} .. {panel.days[-1]}"
        )
    none = DayRange(0, 0)
    return Fold(0, none, none, DayRange(first, stop), 0)


def known_fields(panel: Panel, names: Iterable[str], days: slice = slice(None)) -> tuple[str, ...]:
    """Those of some fields that have a value on the days."""

    def known(name: str) -> bool:
        return any(np.isfinite(panel.series(name, b)[:, days]).any() for b in stock_blocks(panel.stock_major))

    found = tuple(name for name in names if known(name))
    release(panel.stock_major)
    return found


def _check_fields(panel: Panel, trained: tuple[str, ...], days: slice) -> None:
    lacking = [name for name in trained if name not in known_fields(panel, trained, days)]
    if lacking:
        raise DataError(
            f"{panel.name}: no {' and no '.join(lacking)} from {panel.days[days][0]} to {panel.days[days][-1]}, but "
            f"the model was trained with {', '.join(trained)}; add what is missing, or train a model without"
        )


def _priced_days(panel: Panel, days: DayRange) -> Panel:
    """The panel without members on days to score on which none of them has a price; such days are told."""
    inside = slice(days.start, days.stop)
    priced = np.any(np.isfinite(panel.field("close")[inside]) & panel.member[inside], axis=1)
    if priced.all():
        return panel
    dates = panel.days[inside]
    if not priced.any():
        known = np.flatnonzero((np.isfinite(panel.field("close")) & panel.member).any(axis=1))
        last = f"the last day with prices is {panel.days[known[-1]]}" if len(known) else "nor on any other day"
        raise DataError(f"{panel.name}: no member has a close from {dates[0]} to {dates[-1]}, nothing to score; {last}")
    member = panel.member.copy()
    member[inside] &= priced[:, None]
    empty = dates[~priced]
    note = f"{len(empty)} day{'s' if len(empty) > 1 else ''} without any close, such as {empty[-1]}, not scored"
    return replace(panel, member=member).with_notes(note)


def save(folder: Path, model: Network, name: str, params: dict[str, Any], dataset: Dataset) -> None:
    """Write a trained model and its normalisation into an existing folder."""
    from safetensors.torch import save_file

    tensors = {f"model.{key}": value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    tensors["features.center"] = torch.from_numpy(dataset.stats.center)
    tensors["features.scale"] = torch.from_numpy(dataset.stats.scale)
    # Shared storage would be refused, so tied tensors are written out.
    save_file({key: value.clone() for key, value in tensors.items()}, folder / WEIGHTS)
    header = {
        "format": FORMAT,
        "model": name,
        "params": params,
        "n_features": dataset.n_features,
        "lookback": dataset.lookback,
        "fields": known_fields(dataset.panel, dataset.feature_set.reads),
        # Which columns a glob matched is of the data trained on, not of those scored later.
        "data": {**dataset.config.model_dump(mode="json"), "features": _written_out(dataset)},
    }
    (folder / HEADER).write_text(json.dumps(header, indent=1) + "\n", encoding="utf-8")


def _written_out(dataset: Dataset) -> str | list[str]:
    entries = resolved(dataset.config, dataset.panel.fields)
    return entries[0] if len(entries) == 1 else list(entries)


def load(
    path: str | Path,
    *,
    model: str | None = None,
    seed: int | None = None,
    fold: int | None = None,
    results: str | Path = "results",
) -> Forecaster:
    """A trained model: the one stored in a folder, or one of a finished run.

    Args:
        path: the folder of a trial, or a run: its name, or its folder.
        model, seed: which of the run's; may be left out where there is but one.
        fold: default: the last one.
        results: folder of the runs that have names.

    Raises:
        ModelError: nothing is stored there, it was written by another format version, or its weights do not fit; no
            such run, model, seed or fold, or several.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(path)
    if not (folder / HEADER).is_file():
        folder = _trial_folder(folder, Path(results), {"model": model, "seed": seed, "fold": fold})
    elif (model, seed, fold) != (None, None, None):
        raise ModelError(f"{folder} holds one trained model; model, seed and fold choose of a run")
    try:
        header = json.loads((folder / HEADER).read_text(encoding="utf-8"))
        tensors = load_file(folder / WEIGHTS)
        if header["format"] != FORMAT:
            raise ModelError(f"{folder}: written in format {header['format']}, this version reads {FORMAT}")
        network = registry.build(
            header["model"], n_features=header["n_features"], lookback=header["lookback"], **header["params"]
        )
        state = {key.removeprefix("model."): value for key, value in tensors.items() if key.startswith("model.")}
        network.load_state_dict(state)
        stats = RobustStats(tensors["features.center"].numpy(), tensors["features.scale"].numpy())
        data = DataConfig.model_validate(header["data"])
        fields = None if header.get("fields") is None else tuple(map(str, header["fields"]))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder}: cannot be loaded: {error}") from error
    return Forecaster(header["model"], header["params"], data, stats, network.eval(), fields)


def _trial_folder(run: Path, results: Path, asked: dict[str, Any]) -> Path:
    """The folder of the one trial of a run that was asked for; of several folds the last."""
    runs = results / "runs"
    folder = next((f for f in (run, runs / run) if (f / "run.json").is_file()), None)
    if folder is None:
        near = did_you_mean(str(run), [f.parent.name for f in runs.glob("*/run.json")])
        raise ModelError(f"{run} holds no trained model ({HEADER} is missing), and is no run under {runs}{near}")
    try:
        trials = json.loads((folder / "run.json").read_text(encoding="utf-8"))["trials"]
        chosen = [trial for trial in trials if all(value in (None, trial[key]) for key, value in asked.items())]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder / 'run.json'} cannot be read: {error}") from error
    for key in ("fold", "model", "seed"):
        known = sorted({trial[key] for trial in trials if key == "model" or asked["model"] in (None, trial["model"])})
        if asked[key] is not None and asked[key] not in known:
            near = did_you_mean(str(asked[key]), map(str, known))
            raise ModelError(
                f"run '{folder.name}' has no {key} {asked[key]!r}{near}; it has {', '.join(map(str, known))}"
            )
    if asked["fold"] is None:
        chosen = [trial for trial in chosen if trial["fold"] == max(t["fold"] for t in chosen)]
    for key in ("model", "seed"):
        if len(several := sorted({trial[key] for trial in chosen})) > 1:
            raise ModelError(f"run '{folder.name}' has several: choose a {key} of {', '.join(map(str, several))}")
    if chosen[0].get("external"):
        raise ModelError(
            f"run '{folder.name}': '{chosen[0]['model']}' is external, scores from a file: there is no network to load"
        )
    found = folder / "trials" / chosen[0]["key"]
    if not (found / HEADER).is_file():
        raise ModelError(f"{found} holds no trained model ({HEADER} is missing): the trial failed or is not run yet")
    return found
