"""`python -m bench run` and `check`: train, score and compare, or tell what that would do."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.console import elapsed, print_table
from bench.cli.options import FiguresOption, ResultsOption, RunOptions
from bench.experiment.executors import Kind
from bench.interface.console import say

if TYPE_CHECKING:
    from bench.interface.run import Finished


def run(
    options: RunOptions,
    jobs: Annotated[
        str, typer.Option("--jobs", "-j", help="Trials at once; auto: as processors and memory allow, on a GPU 1.")
    ] = "auto",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Train stored trials again; other data may replace the run's.")
    ] = False,
    trial_timeout: Annotated[
        float | None, typer.Option("--trial-timeout", min=1.0, help="Seconds that one trial may take.")
    ] = None,
    trial_memory: Annotated[
        float | None, typer.Option("--trial-memory", min=0.1, help="GB that the process of one trial may hold.")
    ] = None,
    executor: Annotated[Kind, typer.Option("--executor", help="Where trials run: processes, or ray.")] = "processes",
    address: Annotated[str | None, typer.Option("--address", help="Of a Ray cluster; default: one of its own.")] = None,
    track: Annotated[
        list[str] | None, typer.Option("--track", help="Also tell mlflow or tensorboard; may be repeated.")
    ] = None,
    figures: FiguresOption = True,
    results: ResultsOption = Path("results"),
) -> None:
    """Train, score and compare; the report is comparison.md and .html. Stored trials are not trained again."""
    experiment = options.experiment()
    for note in options.notes():
        say(f"note: {note}")
    from bench.experiment.events import Limits
    from bench.interface.display import Terminal
    from bench.interface.run import Conduct, run_experiment

    limits = Limits(trial_timeout, None if trial_memory is None else int(trial_memory * 1e9))
    plugins = tuple(map(str, options.plugin or ()))
    conduct = Conduct(jobs, executor, address, limits, fresh, options.accept_data, plugins, figures, tuple(track or ()))
    began, runs, failed = time.perf_counter(), 0, 0
    for finished in run_experiment(experiment, options.models, conduct, results, sys.argv[1:], Terminal()):
        _report(finished, results)
        runs, failed = runs + 1, failed + finished.outcome.failed
    say(f"{runs} run(s) in {elapsed(began)}; all of them: python -m bench list runs")
    raise typer.Exit(1 if failed else 0)


def check(options: RunOptions, results: ResultsOption = Path("results")) -> None:
    """Check configuration and data and print what a run would do; trains nothing. Exit code 1: models would fail."""
    experiment = options.experiment()
    for note in options.notes():
        say(f"note: {note}")
    from bench.interface.run import checked_plan
    from bench.interface.several import expand
    from bench.records.store import RunStore
    from bench.runner import check_run

    failing = 0
    for one in expand(experiment).values():
        plan = checked_plan(one, options.models, options.accept_data, say)
        store = RunStore(results, one.name)
        unmet = check_run(plan, store)
        failing += len(unmet)
        for note in (*plan.panel.notes, *plan.external_notes):
            say(f"note: {note}")
        for fold in plan.folds:
            dates = fold.dates(plan.panel.days)
            spans = ", ".join(f"{name} {a} .. {b}" for name, (a, b) in dates.items())
            say(f"fold {fold.index}: {spans}, embargo {fold.embargo} days")
            if fold.note:
                say(f"note: {fold.note}")
        for model, why in unmet.items():
            say(f"would fail: {model}: {why}")
        stored = sum(store.is_done(t.key) for t in plan.trials)
        say(
            f"{one.name}: {len(plan.trials)} trials ({', '.join(plan.rows)}) on {plan.device}, "
            f"{stored} of them stored; config {plan.config_hash}"
        )
    raise typer.Exit(1 if failing else 0)


def _report(finished: Finished, results: Path) -> None:
    from bench.report.tables.main import main_table

    outcome, board = finished.outcome, finished.facts.board
    say("")
    print_table(main_table(board))
    say("")
    for failure in board.failures.values():
        say(f"failed: {failure['model']} seed {failure['seed']}: {failure['error']}")
    again = f" ({outcome.recomputed} with metrics computed anew from the scores)" if outcome.recomputed else ""
    say(
        f"{finished.name}: {outcome.trained} trained, {outcome.stored} stored{again}, {outcome.failed} failed; report: "
        f"{finished.path}, as the latest also {results / finished.path.name}"
    )
