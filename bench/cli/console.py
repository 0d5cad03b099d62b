"""What a run prints: a live table on a terminal, one plain line per trial elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable

from bench.experiment.events import Done, EpochDone, Event, Failed, Started
from bench.records.store import known
from bench.text.cells import digits
from bench.text.printable import one_line, printable
from bench.text.tables import Table

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)
LONGEST_CELL = 200
"""Characters of a cell that are shown."""


class PlainProgress:
    """One line per finished trial, for logs and pipes."""

    def __init__(self) -> None:
        self.total, self.done = 0, 0

    def set_total(self, total: int) -> None:
        self.total = total

    def __call__(self, event: Event) -> None:
        if isinstance(event, (Done, Failed)):
            self.done += 1
            print(f"[{self.done}/{self.total}] {_line(event)}", flush=True)


class LiveProgress:
    """Progress bar and a table of models, filled as trials end; epochs show validation only."""

    def __init__(self, models: list[str], live: Live) -> None:
        self._live = live
        self._bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._task = self._bar.add_task("trials", total=None)
        self._finished: dict[str, list[dict[str, Any]]] = {m: [] for m in models}
        self._failed: dict[str, int] = dict.fromkeys(models, 0)
        self._running: dict[str, str] = {}

    def set_total(self, total: int) -> None:
        self._bar.update(self._task, total=total)

    def __call__(self, event: Event) -> None:
        label, model = event.trial.label, event.trial.model
        if isinstance(event, Started):
            self._running[label] = "starting"
        elif isinstance(event, EpochDone):
            e = event.epoch
            self._running[label] = f"epoch {e.epoch}, valid IC {digits(known(e.valid_ic), '.4f')}, {e.seconds:.1f} s"
        else:
            self._running.pop(label, None)
            self._bar.advance(self._task)
            if isinstance(event, Done):
                self._finished[model].append(event.record)
            else:
                self._failed[model] += 1
                self._live.console.print(f"[red]{escape(_line(event))}[/red]")
        self._live.update(self._render())

    def _render(self) -> Group:
        table = RichTable(box=None, pad_edge=False)
        for header in ("model", "trials", "failed", "test Rank IC", "fit s", "now"):
            table.add_column(header, justify="left" if header in ("model", "now") else "right")
        for model, records in self._finished.items():
            count = max(len(records), 1)
            rank_ic = sum(known(r["metrics"]["rank_ic"]) for r in records) / count if records else float("nan")
            fit = sum(r["fit"]["seconds"] for r in records) / count if records else float("nan")
            now = "; ".join(f"{k}: {v}" for k, v in self._running.items() if k.split(" ")[0] == model)
            table.add_row(
                model,
                str(len(records)),
                str(self._failed[model] or ""),
                digits(rank_ic, ".4f"),
                digits(fit, ".1f"),
                escape(now),
            )
        return Group(table, self._bar)


@contextmanager
def progress(models: list[str]) -> Iterator[PlainProgress | LiveProgress]:
    """The right progress display for where the output goes."""
    if not out.is_terminal:
        yield PlainProgress()
        return
    with Live(console=out, refresh_per_second=4) as live:
        yield LiveProgress(models, live)


def print_table(table: Table | None) -> None:
    """A table, if there is one: whole when piped; a narrow terminal gets the first columns, and is told so."""
    if table is None:
        return
    headers, *rows = [[one_line(text, LONGEST_CELL) for text in row] for row in (table.headers, *table.texts)]
    if not out.is_terminal:
        from tabulate import tabulate

        print(tabulate(rows, headers, tablefmt="simple", colalign=table.alignment, disable_numparse=True))
        return
    shown = _columns_that_fit([headers, *rows], out.width)
    rich_table = RichTable(box=None, pad_edge=False)
    for header, column in zip(headers[:shown], table.columns, strict=False):
        rich_table.add_column(escape(header), justify="right" if column.numeric else "left")
    for row in rows:
        rich_table.add_row(*map(escape, row[:shown]))
    out.print(rich_table)
    if shown < len(headers):
        say(f"(no room for: {', '.join(headers[shown:])}; the report has them)")


def _columns_that_fit(rows: list[list[str]], width: int) -> int:
    """How many of a table's first columns fit side by side, one space apart on each side; at least two."""
    used = 0
    for i, texts in enumerate(zip(*rows, strict=True)):
        used += max(map(len, texts)) + 2
        if used > width:
            return max(i, 2)
    return len(rows[0])


def say(text: str) -> None:
    """Plain text, on a line of its own."""
    out.print(escape(printable(text)))


@contextmanager
def status(text: str) -> Iterator[None]:
    """A spinner on a terminal while something slow happens; silent elsewhere."""
    if out.is_terminal:
        with out.status(escape(printable(text))):
            yield
    else:
        yield


def elapsed(began: float) -> str:
    """`3 min 12 s` since `began` (time.perf_counter)."""
    total = round(time.perf_counter() - began)
    return f"{total // 60} min {total % 60} s" if total >= 60 else f"{total} s"


def _line(event: Done | Failed) -> str:
    if isinstance(event, Failed):
        return f"{event.trial.label}: FAILED: {printable(event.error)}"
    fit, (rank_ic, ic) = event.record["fit"], (known(event.record["metrics"][name]) for name in ("rank_ic", "ic"))
    epochs = f", best epoch {fit['best_epoch']} of {len(fit['history'])}" if fit["history"] else ""
    return (
        f"{event.trial.label}: test Rank IC {digits(rank_ic, '.4f')}, IC {digits(ic, '.4f')}, "
        f"fit {fit['seconds']:.1f} s{epochs}"
    )
