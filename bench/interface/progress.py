"""What a run tells as trials end: a live table on a terminal or in a notebook, one plain line per trial elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape as escape_html
from typing import Any

import numpy as np
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.experiment.events import Done, EpochDone, Event, Failed, Started
from bench.interface.console import out
from bench.records.store import known
from bench.text.cells import digits
from bench.text.printable import printable

HEADERS = ("model", "trials", "failed", "test Rank IC", "fit s", "now")
_REDRAW = 0.25  # s between two drawings of a notebook's bar


class TrialProgress:
    """Counts what ends, model by model; epochs show validation only. Shows nothing itself."""

    def __init__(self, models: list[str]) -> None:
        self.total, self.done = 0, 0
        self._finished: dict[str, list[dict[str, Any]]] = {m: [] for m in models}
        self._failed: dict[str, int] = dict.fromkeys(models, 0)
        self._running: dict[str, str] = {}

    def set_total(self, total: int) -> None:
        self.total = total

    def __call__(self, event: Event) -> None:
        label, model = event.trial.label, event.trial.model
        if isinstance(event, Started):
            self._running[label] = "starting"
        elif isinstance(event, EpochDone):
            e = event.epoch
            self._running[label] = f"epoch {e.epoch}, valid IC {digits(known(e.valid_ic), '.4f')}, {e.seconds:.1f} s"
        else:
            self.done += 1
            self._running.pop(label, None)
            if isinstance(event, Done):
                self._finished[model].append(event.record)
            else:
                self._failed[model] += 1
        self.show(event)

    def show(self, event: Event) -> None:
        """Called after each event has been counted."""

    def rows(self) -> Iterator[tuple[str, ...]]:
        """A row of `HEADERS` per model."""
        for model, records in self._finished.items():
            rank_ic = float(np.mean([known(r["metrics"]["rank_ic"]) for r in records] or np.nan))
            fit = float(np.mean([known(r["fit"]["seconds"]) for r in records] or np.nan))
            now = "; ".join(f"{k}: {v}" for k, v in self._running.items() if k.split(" ")[0] == model)
            failed = str(self._failed[model] or "")
            yield model, str(len(records)), failed, digits(rank_ic, ".4f"), digits(fit, ".1f"), now


class PlainProgress(TrialProgress):
    """One line per finished trial, for logs and pipes."""

    def show(self, event: Event) -> None:
        if isinstance(event, (Done, Failed)):
            print(f"[{self.done}/{self.total}] {_line(event)}", flush=True)


class LiveProgress(TrialProgress):
    """Progress bar and a table of models on a terminal, filled as trials end."""

    def __init__(self, models: list[str], live: Live) -> None:
        super().__init__(models)
        self._live = live
        self._bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._task = self._bar.add_task("trials", total=None)

    def show(self, event: Event) -> None:
        self._bar.update(self._task, total=self.total, completed=self.done)
        if isinstance(event, Failed):
            self._live.console.print(f"[red]{escape(_line(event))}[/red]")
        table = Table(box=None, pad_edge=False)
        for header in HEADERS:
            table.add_column(header, justify="left" if header in ("model", "now") else "right")
        for row in self.rows():
            table.add_row(*map(escape, row))
        self._live.update(Group(table, self._bar))


class NotebookProgress(TrialProgress):
    """The same as HTML below a cell, redrawn in place: a bar and a table that need no widgets."""

    def __init__(self, models: list[str], show: Callable[[str], Callable[[str], Any]]) -> None:
        super().__init__(models)
        self._show, self._update = show, None
        self._failures: list[str] = []
        self._drawn = 0.0

    def show(self, event: Event) -> None:
        if isinstance(event, Failed):
            self._failures.append(_line(event))
        ended = isinstance(event, (Done, Failed))
        if not ended and time.monotonic() - self._drawn < _REDRAW:
            return
        self._drawn = time.monotonic()
        if self._update is None:
            self._update = self._show(self._html())
        else:
            self._update(self._html())

    def _html(self) -> str:
        rows = [
            f"<tr>{''.join(f'<td>{escape_html(printable(text))}</td>' for text in row)}</tr>" for row in self.rows()
        ]
        heads = "".join(f"<th>{header}</th>" for header in HEADERS)
        failures = "".join(f"<div>{escape_html(line)}</div>" for line in self._failures)
        return (
            f"<progress value='{self.done}' max='{max(self.total, 1)}'></progress> {self.done} of {self.total} trials"
            f"<table><tr>{heads}</tr>{''.join(rows)}</table>{failures}"
        )


@contextmanager
def terminal_progress(models: list[str]) -> Iterator[TrialProgress]:
    """The right display for where the output goes."""
    if not out.is_terminal:
        yield PlainProgress(models)
        return
    with Live(console=out, refresh_per_second=4) as live:
        yield LiveProgress(models, live)


def _line(event: Done | Failed) -> str:
    if isinstance(event, Failed):
        return f"{event.trial.label}: FAILED: {printable(event.error)}"
    fit, (rank_ic, ic) = event.record["fit"], (known(event.record["metrics"][name]) for name in ("rank_ic", "ic"))
    epochs = f", best epoch {fit['best_epoch']} of {len(fit['history'])}" if fit["history"] else ""
    how = "external" if fit["seconds"] is None else f"fit {fit['seconds']:.1f} s{epochs}"
    return f"{event.trial.label}: test Rank IC {digits(rank_ic, '.4f')}, IC {digits(ic, '.4f')}, {how}"
