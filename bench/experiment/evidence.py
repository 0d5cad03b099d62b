"""Figures measured on finished trials, kept beside them: `<name>.json` by trial key, `<name>.parquet` by key and day.

    {"format": 1, "settings": {...}, "daily": sha256 of the parquet,
     "trials": {key: {"model", "fold", "seed", "scores": sha256, "settings": {...}, "error": null or why, ...}}}

`settings` is what decides the figures besides the trial itself; at the top those of the last measurement. Imports no
torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench.records.documents import read_json, strict, write_json
from bench.records.store import RunStore, digest
from zoo.data.files import whole_file
from zoo.data.panel import Panel
from zoo.data.split import DayRange
from zoo.errors import DataError, ZooError

if TYPE_CHECKING:
    from bench.experiment.plan import Plan
    from bench.experiment.trial import Trial

SCORES = "scores.parquet"

Measurement = tuple[dict[str, Any], pd.DataFrame]
"""Figures of one trial, and its daily series with the column `datetime`."""


@dataclass(frozen=True)
class Evidence:
    """What is stored under one name.

    Attributes:
        settings: of the last measurement; empty where there is none.
        trials: entry by key, whatever its settings.
        daily: `key`, `datetime` and the daily series.
    """

    settings: dict[str, Any]
    trials: dict[str, dict[str, Any]]
    daily: pd.DataFrame

    def current(self, run: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The entries of a run's trials that hold figures under `settings`, in the run's order.

        Others are not comparable with them and count as not measured.
        """
        found = {t["key"]: self.trials[t["key"]] for t in run["trials"] if t["key"] in self.trials}
        return {k: e for k, e in found.items() if e["error"] is None and e["settings"] == self.settings}


def read_evidence(store: RunStore, name: str) -> Evidence:
    """What is stored under `name`; nothing where it is missing, damaged or of another format."""
    nothing = Evidence({}, {}, pd.DataFrame({"key": [], "datetime": pd.to_datetime([])}))
    document = read_json(store.folder / f"{name}.json").content
    path = store.folder / f"{name}.parquet"
    if document is None or not path.is_file():
        return nothing
    # The two are written one after the other; a process killed in between leaves a pair that does not fit.
    if digest(path) != document.get("daily"):
        return nothing
    return Evidence(document["settings"], document["trials"], pd.read_parquet(path))


def write_evidence(store: RunStore, name: str, evidence: Evidence) -> None:
    """Replace what is stored under `name`; the daily series first, so that the figures tell whether they fit."""
    path = store.folder / f"{name}.parquet"
    front = ["key", "datetime"]
    columns = [*front, *(c for c in evidence.daily.columns if c not in front)]
    with whole_file(path) as temporary:
        evidence.daily[columns].to_parquet(temporary, index=False)
    document = {
        "settings": evidence.settings,
        "daily": digest(path),
        "trials": evidence.trials,
    }
    write_json(store.folder / f"{name}.json", document)


def refresh(
    plan: Plan,
    store: RunStore,
    keys: Sequence[str],
    name: str,
    settings: dict[str, Any],
    prepare: Callable[[], Callable[[Trial, np.ndarray], Measurement]],
) -> None:
    """Measure those of the trials `keys` that `name` holds no figures of under `settings`, and store the figures.

    A trial without stored scores keeps the figures it has; those of trials outside the plan are dropped. Nothing is
    written where nothing changes. A `ZooError` of one trial is stored in its entry.

    Args:
        settings: strict JSON; every entry carries them.
        prepare: called once if anything is to be measured; gives `measure(trial, scores [T, N] over the test days)`.
    """
    stored = read_evidence(store, name)
    settings = strict(settings)
    trials = {t.key: t for t in plan.trials}
    entries = {key: entry for key, entry in stored.trials.items() if key in trials}
    scores = {key: _scores_digest(store, key) for key in trials if key in set(keys)}

    def is_measured(key: str) -> bool:
        entry = entries.get(key)
        return entry is not None and (entry["settings"], entry["scores"]) == (settings, scores[key])

    pending = [key for key, found in scores.items() if found is not None and not is_measured(key)]
    if not pending and len(entries) == len(stored.trials):
        return
    kept = [key for key in entries if key not in pending]
    series = [stored.daily[stored.daily["key"].isin(kept)]]
    measure = prepare() if pending else None
    for key in pending:
        trial = trials[key]
        entry: dict[str, Any] = {"model": trial.model, "fold": trial.fold, "seed": trial.seed}
        entry |= {"scores": scores[key], "settings": settings, "error": None}
        try:
            assert measure is not None
            figures, daily = measure(trial, read_scores(store, key, plan.panel, plan.folds[trial.fold].test))
        except ZooError as error:
            entries[key] = entry | {"error": str(error)}
            continue
        entries[key] = entry | strict(figures)
        series.append(daily.assign(key=key))
    daily: Any = pd.concat([frame for frame in series if len(frame)] or series, ignore_index=True)
    ordered = {key: entries[key] for key in trials if key in entries}
    write_evidence(store, name, Evidence(settings if pending else stored.settings, ordered, daily))


def read_scores(store: RunStore, key: str, panel: Panel, days: DayRange) -> np.ndarray:
    """The stored scores of a trial, `[days, N]` float64, NaN where there is none.

    Raises:
        DataError: a day or stock that the panel does not have in `days`.
    """
    import pyarrow.parquet as pq

    path = store.trial_folder(key) / SCORES
    table = pq.read_table(path, columns=["datetime", "instrument", "score"], use_threads=False)
    # Each symbol once: a Python string per row would take longer than the portfolio.
    instrument = table["instrument"].combine_chunks().dictionary_encode()
    names = instrument.dictionary.to_pylist()
    position = {symbol: column for column, symbol in enumerate(panel.symbols.tolist())}
    columns = np.array([position.get(name, -1) for name in names], dtype=np.int64)
    stock = columns[instrument.indices.to_numpy(zero_copy_only=False)]
    when = table["datetime"].to_numpy().astype("datetime64[D]")
    calendar = panel.days[days.start : days.stop]
    day = np.minimum(np.searchsorted(calendar, when), len(calendar) - 1)
    strange = (stock < 0) | (calendar[day] != when)
    if strange.any():
        row = int(strange.argmax())
        raise DataError(
            f"{path}: row {row + 1} scores {table['instrument'][row].as_py()} on {when[row]}, which is no stock and "
            f"day of {panel.name}, {calendar[0]} .. {calendar[-1]}; run the trial again"
        )
    scores = np.full((len(calendar), panel.n_stocks), np.nan)
    scores[day, stock] = table["score"].to_numpy()
    return scores


def _scores_digest(store: RunStore, key: str) -> str | None:
    """The checksum of a trial's scores; None where they are not there."""
    record = store.record(key)
    if record is None or not (store.trial_folder(key) / SCORES).is_file():
        return None
    return record.get("files", {}).get(SCORES)
