"""The runs under a results folder: what each is, one process at a time in each, and their removal."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.records.documents import read_json
from bench.records.store import RunStore, run_names
from zoo.errors import ConfigError


@dataclass(frozen=True)
class RunSummary:
    """A run at a glance, as `run.json` and the folders of its trials tell it; records hold no dates.

    Attributes:
        data, source: name of the data, and what was read.
        stored, planned: trials with a record, of those that the run consists of.
    """

    name: str
    data: str
    source: str
    models: tuple[str, ...]
    seeds: tuple[int, ...]
    stored: int
    planned: int


def summaries(results: Path) -> list[RunSummary]:
    """The runs by name; one without a whole `run.json` has no data and no planned trials."""
    return [_summary(RunStore(results, name)) for name in run_names(results)]


def _summary(store: RunStore) -> RunSummary:
    stored = read_json(store.folder / "run.json")
    run = stored.content
    if run is None:
        return RunSummary(store.name, f"run.json is {stored.state}", "", (), (), len(store.keys()), 0)
    planned = {trial["key"] for trial in run["trials"]}
    seeds = tuple(run["config"]["seeds"])
    models, stored = tuple(run["models"]), len(planned & set(store.keys()))
    return RunSummary(store.name, run["data"]["name"], run["data"]["source"], models, seeds, stored, len(planned))


def last_run(results: Path) -> str:
    """The run whose description was written last.

    Raises:
        ConfigError: there is none.
    """
    described = list((results / "runs").glob("*/run.json"))
    if not described:
        raise ConfigError(f"no run under {results / 'runs'}; start one with: python -m bench run")
    return max(described, key=lambda path: path.stat().st_mtime).parent.name


@contextmanager
def locked(store: RunStore) -> Iterator[None]:
    """Hold the lock of a run whose folder exists; the kernel drops it when the process ends, however it ends.

    Raises:
        ConfigError: another process holds it.
    """
    with (store.folder / ".lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                f"run '{store.name}' is being run by another process; wait for it or choose another --name"
            ) from None
        yield


def remove_run(store: RunStore) -> None:
    """Remove a run with all that its folder holds, and nothing else.

    Raises:
        ConfigError: another process is running it.
    """
    with locked(store):
        # Gone in one step: a run that starts meanwhile makes a folder of its own.
        leaving = store.folder.with_name(f".{store.name}.removed")
        shutil.rmtree(leaving, ignore_errors=True)
        store.folder.rename(leaving)
    shutil.rmtree(leaving)
