"""Scores of new data from the models of a finished run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from bench.records.store import RunStore
from zoo import checkpoint
from zoo.checkpoint import Forecaster
from zoo.data.panel import Panel
from zoo.data.sources import open_panel
from zoo.errors import ConfigError, did_you_mean

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def predict_run(
    results: Path,
    name: str,
    model: str,
    source: str,
    *,
    seed: int | None = None,
    fold: int | None = None,
    start: str | None = None,
    end: str | None = None,
    skip_bad_files: bool = False,
) -> pd.Series:
    """Scores of a run's model on new data, mean over its seeds unless one is named; see `mean_scores`.

    Raises:
        ConfigError: no such run, model, seed or fold.
        DataError: the data cannot be read or holds too little history.
    """
    forecasters = load_forecasters(RunStore.open(results, name), model, seed=seed, fold=fold)
    return mean_scores(forecasters.values(), source, start=start, end=end, skip_bad_files=skip_bad_files)


def load_forecasters(
    store: RunStore, model: str, *, seed: int | None = None, fold: int | None = None
) -> dict[int, Forecaster]:
    """The trained models of a run by seed, of one fold (default: the last).

    Raises:
        ConfigError: the run has no such model, or no whole trial of it.
    """
    run = store.run()
    if model not in run["models"]:
        raise ConfigError(f"run '{store.name}' has no model '{model}'{did_you_mean(model, run['models'])}")
    if any(t["model"] == model and t.get("external") for t in run["trials"]):
        trained = [name for name in run["models"] if name not in run["config"].get("scores", {})]
        raise ConfigError(
            f"run '{store.name}': '{model}' is external, scores from a file: there is no network to load; trained are "
            f"{', '.join(trained)}"
        )
    last = max(t["fold"] for t in run["trials"])
    chosen = [
        t
        for t in run["trials"]
        if t["model"] == model and t["fold"] == (last if fold is None else fold) and seed in (None, t["seed"])
    ]
    finished = {t["seed"]: t["key"] for t in chosen if store.is_done(t["key"])}
    if not finished:
        asked = f" with seed {seed}" if seed is not None else ""
        asked += f" in fold {fold}" if fold is not None else ""
        raise ConfigError(f"run '{store.name}' has no whole trial of '{model}'{asked}; run it again to restore it")
    return {number: checkpoint.load(store.trial_folder(key)) for number, key in finished.items()}


def mean_scores(
    forecasters: Iterable[Forecaster],
    source: Panel | pd.DataFrame | str | Path,
    *,
    start: str | None = None,
    end: str | None = None,
    skip_bad_files: bool = False,
) -> pd.Series:
    """The mean of the scores of models of one run and fold on new data, read once.

    Args:
        source: as `Forecaster.predict` takes it.

    Returns:
        float32 Series `score` indexed (datetime, instrument); `attrs["notes"]` holds the notes on the data.

    Raises:
        DataError: as `Forecaster.predict`.
    """
    several = list(forecasters)
    data = several[0].reading
    if not isinstance(source, Panel):
        data = data.model_copy(update={"skip_bad_files": data.skip_bad_files or skip_bad_files})
        source = open_panel(data, source)
    scores = [f.predict(source, start=start, end=end) for f in several]
    mean = pd.concat(scores, axis=1).mean(axis=1).astype("float32").rename("score")
    mean.attrs["notes"] = scores[0].attrs["notes"]
    return mean


def check_output(path: Path) -> None:
    """Find out before the work whether `write_scores` will take the path.

    Raises:
        ConfigError: an ending other than .parquet and .csv, or a folder that does not exist.
    """
    if path.suffix not in (".parquet", ".csv"):
        raise ConfigError(f"--output {path}: must end in .parquet or .csv")
    if not path.parent.is_dir():
        raise ConfigError(f"--output {path}: the folder {path.parent} does not exist")


def executable_names(names: Iterable[str]) -> list[str]:
    """Those that a spreadsheet would execute as formulas: such a beginning, and no number."""
    return [name for name in names if str(name).startswith(_FORMULAS) and not _is_number(str(name))]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def write_scores(scores: pd.Series, path: Path, *, safe: bool = False) -> None:
    """Write scores as parquet or CSV, by the file's ending.

    Args:
        safe: in a CSV put ' before the instruments that a spreadsheet would execute.

    Raises:
        ConfigError: as `check_output`.
    """
    check_output(path)
    frame = scores.reset_index()
    if path.suffix == ".csv":
        if safe:
            unsafe = executable_names(frame["instrument"].unique())
            frame["instrument"] = frame["instrument"].replace({name: f"'{name}" for name in unsafe})
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
