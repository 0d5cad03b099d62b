"""Files of a directory that cannot be read: all are told at once, or left out where that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from zoo.errors import DataError

T = TypeVar("T")
_NAMED = 5


class BadFiles:
    """Errors of single files, gathered over a directory.

    Attributes:
        skip: go on without them.
        total: files in all; the error of an only file is raised as it is.
        errors: file -> its error, in the order in which they were met.
    """

    def __init__(self, total: int, *, skip: bool) -> None:
        self.skip, self.total = skip, total
        self.errors: dict[str, str] = {}

    def attempt(self, where: str, read: Callable[[], T]) -> T | None:
        """What `read` returns, or None where it fails and the error is kept."""
        try:
            return read()
        except DataError as error:
            if self.total == 1:
                raise
            self.errors.setdefault(where, str(error))
            return None

    def settle(self) -> None:
        """Raise what was gathered, unless it is to be skipped and something is left.

        Raises:
            DataError: naming the first files with their errors, and the number of all.
        """
        n_bad = len(self.errors)
        if not n_bad or (self.skip and n_bad < self.total):
            return
        first = list(self.errors.values())[:_NAMED]
        more = f"; and {n_bad - len(first):,} more: {self._names(_NAMED, 20)}" if n_bad > len(first) else ""
        advice = "" if self.skip else f"; data.skip_bad_files goes on without {'it' if n_bad == 1 else 'them'}"
        count = f"{n_bad:,} of {self.total:,} files cannot be read: " if n_bad > 1 else ""
        raise DataError(f"{count}{'; '.join(first)}{more}{advice}")

    def notes(self) -> list[str]:
        """What was left out."""
        if not self.errors:
            return []
        n_bad = len(self.errors)
        what = "file that cannot be read is" if n_bad == 1 else "files that cannot be read are"
        first = next(iter(self.errors.values()))
        return [f"{n_bad:,} of {self.total:,} {what} left out: {self._names(0, 10)} ({first})"]

    def _names(self, low: int, high: int) -> str:
        names = list(self.errors)
        return ", ".join(names[low:high]) + (", ..." if len(names) > high else "")
