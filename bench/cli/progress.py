"""Progress bars for long work, on a terminal only, gone when the work is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class Step(Protocol):
    """Tells a bar how far the work is."""

    def __call__(self, done: int, total: int | None, what: str = ...) -> None: ...


@contextmanager
def progress(text: str, *, in_bytes: bool = False) -> Iterator[Step]:
    """A bar fed by calls `(done, total)`, or `(done, total, what)` where `what` replaces the text.

    A total that is None shows that something moves, not how far it is.
    """
    from bench.cli.console import err

    if not err.is_terminal:
        yield lambda done, total, what=text: None
        return
    kinds: list[ProgressColumn] = [DownloadColumn(), TransferSpeedColumn()] if in_bytes else [MofNCompleteColumn()]
    columns = [TextColumn("{task.description}", markup=False), BarColumn(), *kinds, TimeRemainingColumn()]
    with Progress(*columns, console=err, transient=True) as shown:
        task = shown.add_task(text, total=None)

        def step(done: int, total: int | None, what: str = text) -> None:
            shown.update(task, description=what, completed=done, total=total)

        yield step
