"""A run and its trackers: told as trials end, never in the way of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.experiment.events import Done, Event
from bench.records.store import RunStore
from bench.tracking.content import run_content, stored_checksum, trial_content
from bench.tracking.registry import Tracker

if TYPE_CHECKING:
    from bench.advice.facts import Facts


class Session:
    """The trackers of one run.

    A tracker that fails is told once and left alone for the rest of the run: all that it would be told is stored, and
    the run's command, given again, tells it what is missing.

    Args:
        say: told of trackers that fail.
    """

    def __init__(self, trackers: Sequence[type[Tracker]], results: Path, name: str, say: Callable[[str], None]) -> None:
        self._store, self._say = RunStore(results, name), say
        self._open = [tracker(results) for tracker in trackers]
        self._begun = False

    def begin(self) -> None:
        """The run is described on disk: open it, and tell what was stored before."""
        if self._open:
            content = run_content(self._store)
            self._each(lambda tracker: tracker.open(content))
            self._begun = True
            self._tell(self._keys())

    def on_event(self, event: Event) -> None:
        """Tell a trial that has ended well."""
        if isinstance(event, Done):
            self._tell([event.trial.key])

    def finish(self, facts: Facts) -> None:
        """Tell what is still missing, failures too, and the report."""
        if self._open:
            self._tell(self._keys(), failed=True)
            content = run_content(self._store, facts)
            self._each(lambda tracker: tracker.finish(content))

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Tell of a run that ends before its report."""
        if kind is not None and self._begun:
            self._each(lambda tracker: tracker.stop())

    def _keys(self) -> list[str]:
        return [trial["key"] for trial in self._store.run()["trials"]]

    def _tell(self, keys: list[str], failed: bool = False) -> None:
        for key in keys:
            checksum = stored_checksum(self._store, key)
            # A failure stored before is tried again by the run that begins.
            if not checksum or not (failed or self._store.is_recorded(key)):
                continue
            self._each(lambda tracker, key=key, checksum=checksum: self._tell_one(tracker, key, checksum))

    def _tell_one(self, tracker: Tracker, key: str, checksum: str) -> None:
        if not tracker.knows(key, checksum):
            content = trial_content(self._store, key)
            if content is not None:
                tracker.log_trial(content)

    def _each(self, tell: Callable[[Tracker], None]) -> None:
        for tracker in list(self._open):
            try:
                tell(tracker)
            except Exception as error:  # noqa: BLE001 - whatever a foreign program does, the run goes on
                self._open.remove(tracker)
                first = (str(error).strip().splitlines() or [""])[0][:300]
                self._say(
                    f"warning: tracker {tracker.name} failed and is told no more of run '{self._store.name}' "
                    f"({type(error).__name__}: {first}); nothing is lost: the same command tells it what is missing"
                )
