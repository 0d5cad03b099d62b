"""What commands print: tables, JSON and, on a terminal, a bar while one waits."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.markup import escape
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
from rich.table import Table as RichTable

from bench.interface.console import out, say
from bench.text.printable import one_line

if TYPE_CHECKING:
    from bench.text.tables import Table

err = Console(stderr=True, soft_wrap=True, highlight=False)
_LONGEST_CELL = 200  # characters that are shown


class Step(Protocol):
    """Tells a bar how far the work is."""

    def __call__(self, done: int, total: int | None, what: str = ...) -> None: ...


@contextmanager
def progress(text: str, *, in_bytes: bool = False) -> Iterator[Step]:
    """A bar, on a terminal only; `what` replaces its text, a total of None shows movement only."""
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


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, allow_nan=False))


def print_table(table: Table | None) -> None:
    """A table, if any: whole when piped, on a terminal the columns that fit."""
    if table is None:
        return
    headers, *rows = [[one_line(text, _LONGEST_CELL) for text in row] for row in (table.headers, *table.texts)]
    if not out.is_terminal:
        from tabulate import tabulate

        print(tabulate(rows, headers, tablefmt="simple", colalign=table.alignment, disable_numparse=True))
    else:
        _print_what_fits(table, headers, rows)


def _print_what_fits(table: Table, headers: list[str], rows: list[list[str]]) -> None:
    # One space on each side of a column; at least two columns.
    widths = accumulate(max(map(len, texts)) + 2 for texts in zip(headers, *rows, strict=True))
    shown = min(max(sum(width <= out.width for width in widths), 2), len(headers))
    rich_table = RichTable(box=None, pad_edge=False)
    for header, column in zip(headers[:shown], table.columns, strict=False):
        rich_table.add_column(escape(header), justify="right" if column.numeric else "left")
    for row in rows:
        rich_table.add_row(*map(escape, row[:shown]))
    out.print(rich_table)
    if shown < len(headers):
        say(f"(no room for: {', '.join(headers[shown:])}; the report has them)")


def elapsed(began: float) -> str:
    """`3 min 12 s` since `began` (time.perf_counter)."""
    minutes, seconds = divmod(round(time.perf_counter() - began), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
