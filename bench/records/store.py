"""Records on disk: a trial's record is written once, atomically, and found again by its key.

    results/runs/<name>/run.json              what was asked for, on which data
    results/runs/<name>/trials/<key>/         record.json, daily.parquet, scores.parquet,
                                              checkpoint.json, model.safetensors
    results/runs/<name>/unfinished/<key>/     state of a fit that is under way (`zoo.training.snapshot`)
    results/runs/<name>/failed/<key>.json     why a trial failed; gone once it succeeds
    results/runs/<name>/latency.json          one-day latency samples, by machine
    results/runs/<name>/comparison.md|html    the run's report, with figures/, leaderboard.parquet, final_report.json
    results/comparison.md|html                the report of the latest run, with an index of all

Every JSON file carries a checksum of its own (`bench.records.documents`); `record.json` lists that of every other file
of its folder. A trial counts as done when the record and all files are whole; anything else is run again. A figure that
is not finite is null; records written before that was so hold NaN there, which a reader takes for the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.records.documents import Stored, read_json, write_json
from zoo.data.files import whole_directory
from zoo.errors import ConfigError, did_you_mean

RECORD = "record.json"
FORMAT = 1
ORACLE = "oracle.parquet"
LARGE = frozenset({"scores.parquet", "model.safetensors"})
"""Files that a report does not need: a committed run goes without them, and training makes them again."""


def digest(path: Path) -> str:
    """sha256 of a file, hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of(content: bytes) -> str:
    """sha256 of bytes, hex."""
    return hashlib.sha256(content).hexdigest()


def key_of(*parts: Any) -> str:
    """16 hex digits of the canonical JSON of `parts`."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def known(value: float | None) -> float:
    """A stored figure as a number, NaN where there is none."""
    return float("nan") if value is None else float(value)


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
        self.unfinished = self.folder / "unfinished"

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
        return self.record(key) is not None and not self.trial_damage(key, may_miss)

    def trial_damage(self, key: str, may_miss: frozenset[str] = LARGE) -> str:
        """What is wrong with a stored trial; empty where it is whole, or not there."""
        path = self.trial_folder(key) / RECORD
        stored = read_json(path)
        if stored.content is None:
            return stored.damage
        if stored.content["key"] != key:
            return Stored(path, "damaged", why=f"it is the record of trial {stored.content['key']}").damage
        for name, checksum in stored.content["files"].items():
            file = self.trial_folder(key) / name
            if name not in may_miss and not file.is_file():
                return Stored(path, "damaged", why=f"{name} beside it is missing").damage
            if file.is_file() and digest(file) != checksum:
                return Stored(path, "damaged", why=f"the checksum of {name} beside it does not hold").damage
        return ""

    def damages(self) -> list[str]:
        """What is wrong with the files of this run, and with those beside it that its report rests on."""
        told = [one.damage or _series_damage(one) for one in map(read_json, self._documents())]
        if read_json(self.folder / "run.json").content is not None:
            told.append(self.oracle_damage())
        return [why for why in (*told, *map(self.trial_damage, self.keys())) if why]

    def _documents(self) -> list[Path]:
        kept = [*self.results.glob("runs/*/run.json"), *self.results.glob("timing/*/*.json")]
        kept += [self.results / "calibration.json", *self.folder.glob("*.json"), *self.failed.glob("*.json")]
        # The run's own description is found twice.
        return sorted({path for path in kept if path.name[0] != "."})

    @contextmanager
    def doubting_older(self) -> Iterator[None]:
        """Around what reads documents: what fails on one that nothing vouches for is told of those that it may be.

        Raises:
            ConfigError: it failed, and documents without a checksum are among those that were read.
        """
        try:
            yield
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            stored = [*self._documents(), *(self.trial_folder(key) / RECORD for key in self.keys())]
            older = [str(path) for path in stored if read_json(path).state == "older"]
            if not older:
                raise
            more = f" and {len(older) - 3:,} more" if len(older) > 3 else ""
            raise ConfigError(
                f"run '{self.name}' cannot be read ({type(error).__name__}: {str(error)[:120]}): a file without a "
                f"checksum is not as it was written, one of {', '.join(older[:3])}{more}; put a copy of it back, or "
                f"remove it and give the command that writes it again"
            ) from error

    def write_trial(self, record: dict[str, Any], fill: Callable[[Path], None]) -> None:
        """Store a trial: `fill(folder)` writes its files, then the record with their checksums joins them.

        The folder appears under its key in one rename. A killed process, a full disk or an interrupt leaves no
        record or the one that was there, and never a partial one.
        """
        key = record["key"]
        with whole_directory(self.trial_folder(key)) as temporary:
            fill(temporary)
            files = sorted(p for p in temporary.iterdir() if p.is_file())
            write_json(temporary / RECORD, {**record, "files": {p.name: digest(p) for p in files}})
            for path in files:
                _sync(path)
            _sync(temporary)
        _sync(self.trials)
        (self.failed / f"{key}.json").unlink(missing_ok=True)

    def write_failure(self, key: str, failure: dict[str, Any]) -> None:
        write_json(self.failed / f"{key}.json", {"key": key, **failure})

    def record(self, key: str) -> dict[str, Any] | None:
        return read_json(self.trial_folder(key) / RECORD).content

    def failure(self, key: str) -> dict[str, Any] | None:
        return read_json(self.failed / f"{key}.json").content

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
        run = read_json(self.folder / "run.json").unless_damaged()
        if run is None:
            raise ConfigError(f"{self.folder / 'run.json'} is missing; run the experiment again")
        return run

    def oracle_damage(self) -> str:
        """What is wrong with the file of the true signal; empty where it is as the run's description says."""
        path = self.folder / ORACLE
        checksum = self.run().get("oracle")
        if checksum is None or (path.is_file() and digest(path) == checksum):
            return ""
        why = "its checksum does not hold" if path.is_file() else "missing"
        return f"{path} is damaged ({why}); the run's command writes it again"

    def sweep(self) -> None:
        """Remove what killed processes left behind, save the fits that another one can go on with."""
        left = [p for pattern in (".*.*", ".part-*") for p in self.trials.glob(pattern)]
        left += [p for p in self.unfinished.glob("*") if self.is_done(p.name)]
        for path in left:
            shutil.rmtree(path, ignore_errors=True)


def _series_damage(stored: Stored) -> str:
    """What is wrong with the daily series that a file of figures names the checksum of."""
    path = stored.path.with_suffix(".parquet")
    checksum = (stored.content or {}).get("daily")
    if checksum is None or (path.is_file() and digest(path) == checksum):
        return ""
    return Stored(stored.path, "damaged", why=f"{path.name} beside it is missing or was changed").damage


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
