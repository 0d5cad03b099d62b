"""What trackers are told of a run and its trials, from records alone. Imports no torch."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.advice.facts import Facts
from bench.records.documents import checksum_of
from bench.records.store import RECORD, RunStore
from bench.report.tables.trials import with_intervals
from bench.text.document import FIGURES

EPOCH = ("train_loss", "valid_ic", "valid_loss", "seconds")
"""Figures of an epoch, as `fit.history` of a record has them."""

REPORT = ("comparison.md", "comparison.html", "final_report.json", "leaderboard.parquet")


@dataclass(frozen=True)
class TrialContent:
    """One trial, finished or failed.

    Attributes:
        key, checksum: of the trial, and of its record (or its failure) as stored.
        name: `gru fold 0 seed 1`.
        parameters: hyper-parameters, training settings, data configuration, flat by dotted key.
        epochs: by figure, (epoch counted over all stages, value).
        metrics: every figure of the trial with `_low` and `_high` of its interval; finite ones only.
        tags: model, key, fold, seed, device, versions.
        error: why it failed; empty where it did not.
    """

    key: str
    checksum: str
    name: str
    parameters: dict[str, Any]
    epochs: dict[str, list[tuple[int, float]]]
    metrics: dict[str, float]
    tags: dict[str, str]
    error: str = ""


@dataclass(frozen=True)
class RunContent:
    """A run.

    Attributes:
        name, folder: of the run.
        parameters: its configuration, flat by dotted key.
        tags: run, data, fingerprint, hash of the configuration, versions.
        metrics: once it is finished, by (model, column): every figure of the leaderboard; finite ones only.
        files: of the report; `figures` the folder of drawn figures, None where there is none.
    """

    name: str
    folder: Path
    parameters: dict[str, Any]
    tags: dict[str, str]
    metrics: dict[tuple[str, str], float] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    figures: Path | None = None


def run_content(store: RunStore, facts: Facts | None = None) -> RunContent:
    """The run as it is described on disk; with `facts`, its figures and its report too."""
    run = store.run()
    tags = {
        "run": run["name"],
        "results": str(store.results.resolve()),
        "data": run["data"]["name"],
        "fingerprint": run["data"]["fingerprint"],
        "config_hash": str(run.get("config_hash", "")),
        **{f"version.{name}": str(value) for name, value in run["versions"].items()},
    }
    begun = RunContent(run["name"], store.folder, dict(flat(run["config"])), tags)
    if facts is None:
        return begun
    rows = facts.board.frame.to_dict("records")
    metrics = {(str(row["model"]), str(name)): v for row in rows for name, v in _finite(row).items()}
    files = tuple(path for name in REPORT if (path := store.folder / name).is_file())
    figures = store.folder / FIGURES
    return RunContent(
        begun.name, begun.folder, begun.parameters, tags, metrics, files, figures if figures.is_dir() else None
    )


def trial_content(store: RunStore, key: str) -> TrialContent | None:
    """A finished trial, or else one that failed; None where neither is stored."""
    record = store.record(key)
    if record is None:
        return _failed(store, key)
    trial = with_intervals(store, record)
    fit = trial["fit"]
    epochs: dict[str, list[tuple[int, float]]] = {}
    for step, epoch in enumerate(fit["history"], start=1):
        for name, value in _finite({name: epoch.get(name) for name in EPOCH}).items():
            epochs.setdefault(name, []).append((step, value))
    parts = {"params": trial["params"], "train": trial["train"], "data": trial["data"]}
    figures = {
        "fit_seconds": fit["seconds"],
        "predict_seconds": trial["predict_seconds"],
        "n_parameters": trial["n_parameters"],
    }
    # Of a model that is fitted as a whole no epoch is the best.
    figures |= {"best_epoch": fit["best_epoch"]} if epochs else {}
    metrics = _finite({**trial["metrics"], **figures})
    parameters = {"model": trial["model"], "fold": trial["fold"], "seed": trial["seed"], **dict(flat(parts))}
    tags = _tags(record) | {"device": str(record["device"]), "title": str(record["title"])}
    tags |= {f"version.{name}": str(value) for name, value in record["versions"].items()}
    return TrialContent(key, checksum_of(record, RECORD), _name(record), parameters, epochs, metrics, tags)


def stored_checksum(store: RunStore, key: str) -> str:
    """That of `trial_content`, without the work of it; empty where nothing is stored."""
    record = store.record(key)
    if record is not None:
        return checksum_of(record, RECORD)
    failure = store.failure(key)
    return "" if failure is None else _digest(failure)


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings by dotted key; lists as JSON, numbers and texts as they are."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            plain = isinstance(value, (str, int, float, bool))
            yield f"{prefix}{name}", value if plain else json.dumps(value, default=str, ensure_ascii=False)


def _failed(store: RunStore, key: str) -> TrialContent | None:
    failure = store.failure(key)
    if failure is None:
        return None
    error = str(failure["error"])
    parameters = {name: failure[name] for name in ("model", "fold", "seed")}
    return TrialContent(key, _digest(failure), _name(failure), parameters, {}, {}, _tags(failure), error)


def _tags(stored: dict[str, Any]) -> dict[str, str]:
    return {"trial_key": str(stored["key"])} | {name: str(stored[name]) for name in ("model", "fold", "seed")}


def _name(stored: dict[str, Any]) -> str:
    return f"{stored['model']} fold {stored['fold']} seed {stored['seed']}"


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()


def _finite(values: Mapping[Any, Any]) -> dict[str, float]:
    """The numbers among the values; yes and no are none."""
    numbers = {str(k): v for k, v in values.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
    return {name: float(value) for name, value in numbers.items() if math.isfinite(value)}
