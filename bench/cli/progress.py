"""What a run prints as its trials end: a live table on a terminal, one plain line per trial elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.cli.console import out
from bench.experiment.events import Done, EpochDone, Event, Failed, Started
from bench.records.store import known
from bench.text.cells import digits
from bench.text.printable import printable


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
        table = Table(box=None, pad_edge=False)
        for header in ("model", "trials", "failed", "test Rank IC", "fit s", "now"):
            table.add_column(header, justify="left" if header in ("model", "now") else "right")
        for model, records in self._finished.items():
            rank_ic = float(np.mean([known(r["metrics"]["rank_ic"]) for r in records] or np.nan))
            fit = float(np.mean([r["fit"]["seconds"] for r in records] or np.nan))
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
def trial_progress(models: list[str]) -> Iterator[PlainProgress | LiveProgress]:
    """The right display for where the output goes."""
    if not out.is_terminal:
        yield PlainProgress()
        return
    with Live(console=out, refresh_per_second=4) as live:
        yield LiveProgress(models, live)


def _line(event: Done | Failed) -> str:
    if isinstance(event, Failed):
        return f"{event.trial.label}: FAILED: {printable(event.error)}"
    fit, (rank_ic, ic) = event.record["fit"], (known(event.record["metrics"][name]) for name in ("rank_ic", "ic"))
    epochs = f", best epoch {fit['best_epoch']} of {len(fit['history'])}" if fit["history"] else ""
    return (
        f"{event.trial.label}: test Rank IC {digits(rank_ic, '.4f')}, IC {digits(ic, '.4f')}, "
        f"fit {fit['seconds']:.1f} s{epochs}"
    )
