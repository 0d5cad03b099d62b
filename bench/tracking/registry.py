"""The tracker registry: one file and one decorator add a tracker.

Every module of this room is imported on first use; a file from elsewhere is added by `zoo.registry.load_plugin`. The
package that a tracker tells is imported when a run is opened, not before.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar, TypeVar

from bench.tracking.content import RunContent, TrialContent
from zoo.errors import ConfigError, did_you_mean


class Tracker(ABC):
    """Tells one program of one run.

    All that is told comes from stored records, in the process that drives the run: what is lost here can be told again.
    Methods may raise anything; `bench.tracking.session` makes a warning of it.

    Attributes:
        name: as `--track` takes it, and the extra of this package that installs what it needs.
        packages: modules that must be there.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]

    def __init__(self, results: Path) -> None:
        self.results = results.resolve()

    @classmethod
    def needed(cls) -> tuple[str, ...]:
        """The modules that must be there as this process is set up."""
        return cls.packages

    @abstractmethod
    def open(self, run: RunContent) -> None:
        """Begin the run, or go on with it where it was told before."""

    @abstractmethod
    def knows(self, key: str, checksum: str) -> bool:
        """Whether the trial was told whole, as stored now; what was told of it otherwise is removed."""

    @abstractmethod
    def log_trial(self, trial: TrialContent) -> None:
        """Tell a trial that it does not know."""

    @abstractmethod
    def finish(self, run: RunContent) -> None:
        """Tell the figures of the whole run, its report and figures, in place of those told before."""

    @abstractmethod
    def stop(self) -> None:
        """The run ended before its report."""


_Class = TypeVar("_Class", bound=type[Tracker])
_trackers: dict[str, type[Tracker]] = {}
_scanned = False


def register_tracker(name: str, *, packages: tuple[str, ...]) -> Callable[[_Class], _Class]:
    """Decorator of a `Tracker`; see its attributes for the arguments."""

    def register(tracker: _Class) -> _Class:
        if name in _trackers and _trackers[name].__module__ != tracker.__module__:
            raise ConfigError(f"tracker '{name}' is registered twice, by {_trackers[name].__module__} too")
        tracker.name, tracker.packages = name, packages
        _trackers[name] = tracker
        return tracker

    return register


def list_trackers() -> list[str]:
    """Names in alphabetical order."""
    global _scanned
    if not _scanned:
        for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
            importlib.import_module(f"bench.tracking.{module.name}")
        _scanned = True
    return sorted(_trackers)


def find_trackers(names: str | Iterable[str]) -> list[type[Tracker]]:
    """The trackers of a comma list or of several names, each once.

    Raises:
        ConfigError: an unknown name, or a package that is missing, with the command that installs it.
    """
    several = names.split(",") if isinstance(names, str) else [part for name in names for part in name.split(",")]
    chosen = []
    for name in dict.fromkeys(part.strip() for part in several):
        known = list_trackers()
        if name not in known:
            raise ConfigError(f"no tracker '{name}'{did_you_mean(name, known)}; there are {', '.join(known)}")
        missing = [package for package in _trackers[name].needed() if not _is_there(package)]
        if missing:
            raise ConfigError(
                f"--track {name} needs {' and '.join(missing)}, which this Python does not have: "
                f"pip install 'alpha-zoo[{name}]'"
            )
        chosen.append(_trackers[name])
    return chosen


def _is_there(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False
