"""Records on disk: a trial's record is written once, atomically, and found again by its key.

    results/runs/<name>/run.json              what was asked for, on which data
    results/runs/<name>/trials/<key>/         record.json, daily.parquet, scores.parquet,
                                              checkpoint.json, model.safetensors
    results/runs/<name>/failed/<key>.json     why a trial failed; gone once it succeeds
    results/runs/<name>/latency.json          one-day latency samples, by machine
    results/runs/<name>/comparison.md|html    the run's report, with figures/, leaderboard.parquet, final_report.json
    results/comparison.md|html                the report of the latest run, with an index of all

`record.json` lists the checksum of every other file of its folder. A trial counts as done when the record and all
files are whole; anything else is run again. A figure that is not finite is null; records written before that was so
hold NaN there, which a reader takes for the same.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.files import whole_directory
from zoo.errors import ConfigError, did_you_mean

RECORD = "record.json"
FORMAT = 1
LARGE = frozenset({"scores.parquet", "model.safetensors"})
"""Files that a report does not need: a committed run goes without them, and training makes them again."""


def digest(path: Path) -> str:
    """sha256 of a file, hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def key_of(*parts: Any) -> str:
    """16 hex digits of the canonical JSON of `parts`."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_atomic(path: Path, text: str) -> None:
    """Replace a text file so that a reader sees the old or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def strict(value: Any) -> Any:
    """`value` as strict JSON has it: numbers that are not finite become None, tuples lists."""
    if isinstance(value, dict):
        return {key: strict(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def known(value: float | None) -> float:
    """A stored figure as a number, NaN where there is none."""
    return float("nan") if value is None else float(value)


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Replace a JSON file atomically; what is not finite is null, so that any reader can take it."""
    write_atomic(path, json.dumps(strict(document), indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None where the file is missing or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def run_names(results: Path) -> list[str]:
    """The runs under a results folder, in alphabetical order."""
    runs = results / "runs"
    return sorted(p.name for p in runs.iterdir() if p.is_dir() and p.name[0] != ".") if runs.is_dir() else []


class RunStore:
    """The folder of one run."""

    def __init__(self, results: Path, name: str) -> None:
        self.results, self.name = results, name
        self.folder = results / "runs" / name
        self.trials = self.folder / "trials"
        self.failed = self.folder / "failed"

    @classmethod
    def open(cls, results: Path, name: str) -> RunStore:
        """An existing run.

        Raises:
            ConfigError: no such run, naming the nearest.
        """
        store, names = cls(results, name), run_names(results)
        if name not in names:
            there = f"; there are {', '.join(names)}" if names else ""
            raise ConfigError(f"no run '{name}' under {results / 'runs'}{did_you_mean(name, names)}{there}")
        return store

    @classmethod
    def open_any(cls, results: Path, name: str) -> RunStore:
        """An existing run by its name, or by its folder: `elsewhere/runs/quick`.

        Raises:
            ConfigError: as `open`.
        """
        path = Path(name)
        is_folder = path.parent.name == "runs"
        return cls.open(path.parent.parent, path.name) if is_folder else cls.open(results, name)

    def trial_folder(self, key: str) -> Path:
        return self.trials / key

    def is_done(self, key: str) -> bool:
        """True where the record and every file it lists are whole."""
        return self._is_whole(key, frozenset())

    def is_recorded(self, key: str) -> bool:
        """The same, but the `LARGE` files may be missing: enough for a report, not to predict or to resume."""
        return self._is_whole(key, LARGE)

    def _is_whole(self, key: str, may_miss: frozenset[str]) -> bool:
        record = read_json(self.trial_folder(key) / RECORD)
        if record is None or record.get("key") != key or not isinstance(record.get("files"), dict):
            return False
        return all(
            digest(file) == checksum if (file := self.trial_folder(key) / name).is_file() else name in may_miss
            for name, checksum in record["files"].items()
        )

    def write_trial(self, record: dict[str, Any], fill: Callable[[Path], None]) -> None:
        """Store a trial: `fill(folder)` writes its files, then the record with their checksums joins them.

        The folder appears under its key in one rename. A killed process, a full disk or an interrupt leaves no
        record or the one that was there, and never a partial one.
        """
        key = record["key"]
        with whole_directory(self.trial_folder(key)) as temporary:
            fill(temporary)
            files = sorted(p for p in temporary.iterdir() if p.is_file())
            full = {"format": FORMAT, **record, "files": {p.name: digest(p) for p in files}}
            write_json(temporary / RECORD, full)
            for path in files:
                _sync(path)
            _sync(temporary)
        _sync(self.trials)
        (self.failed / f"{key}.json").unlink(missing_ok=True)

    def write_failure(self, key: str, failure: dict[str, Any]) -> None:
        write_json(self.failed / f"{key}.json", {"key": key, **failure})

    def record(self, key: str) -> dict[str, Any] | None:
        return read_json(self.trial_folder(key) / RECORD)

    def failure(self, key: str) -> dict[str, Any] | None:
        return read_json(self.failed / f"{key}.json")

    def keys(self) -> list[str]:
        """Keys of all stored trials, also of those an older configuration left behind."""
        return sorted(p.parent.name for p in self.trials.glob(f"[0-9a-f]*/{RECORD}"))

    def write_run(self, run: dict[str, Any]) -> None:
        write_json(self.folder / "run.json", run)

    def run(self) -> dict[str, Any]:
        """What the run was asked to do.

        Raises:
            ConfigError: the run's description is missing or damaged.
        """
        found = read_json(self.folder / "run.json")
        if found is None:
            raise ConfigError(f"{self.folder / 'run.json'} is missing or damaged; run the experiment again")
        return found

    def sweep(self) -> None:
        """Remove what killed processes left behind."""
        if self.trials.is_dir():
            for path in (p for pattern in (".*.*", ".part-*") for p in self.trials.glob(pattern)):
                shutil.rmtree(path, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
