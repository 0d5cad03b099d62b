"""`python -m bench run` and `check`: train, score and compare, or tell what that would do."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.console import elapsed, print_table, say, status
from bench.cli.options import FiguresOption, ResultsOption, RunOptions
from bench.experiment.executors import Kind

if TYPE_CHECKING:
    from bench.experiment.events import Executor
    from bench.experiment.plan import Plan
    from bench.runner import Outcome


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
    figures: FiguresOption = True,
    results: ResultsOption = Path("results"),
) -> None:
    """Train, score and compare; the report is comparison.md and .html. Stored trials are not trained again."""
    experiment = options.experiment()
    from bench.experiment.config import expand_markets
    from bench.experiment.events import Limits
    from bench.experiment.executors import make_executor
    from bench.experiment.executors.jobs import count_jobs
    from bench.experiment.plan import make_plan

    limits = Limits(trial_timeout, None if trial_memory is None else int(trial_memory * 1e9))
    began = time.perf_counter()
    outcomes: dict[str, Outcome] = {}
    for one in expand_markets(experiment):
        with status("reading the data"):
            plan = _validated(make_plan(one, options.models), options.accept_data)
        workers = min(count_jobs(jobs, plan.panel.values.nbytes, plan.device), len(plan.trials))
        _announce(plan, options.models, workers)
        made = make_executor(executor, workers, limits, address)
        outcomes[one.name] = _train(plan, options, made, fresh, results)
    # Once all are trained: the report of a market tells of the others, too.
    for name, outcome in outcomes.items():
        _report(results, name, figures, outcome)
    say(f"{len(outcomes)} run(s) in {elapsed(began)}; all of them: python -m bench list runs")
    raise typer.Exit(1 if any(outcome.failed for outcome in outcomes.values()) else 0)


def check(options: RunOptions, results: ResultsOption = Path("results")) -> None:
    """Check configuration and data and print what a run would do; trains nothing. Exit code 1: models would fail."""
    experiment = options.experiment()
    from bench.experiment.config import expand_markets
    from bench.experiment.plan import make_plan
    from bench.records.store import RunStore
    from bench.runner import check_run

    failing = 0
    for one in expand_markets(experiment):
        plan = _validated(make_plan(one, options.models), options.accept_data)
        store = RunStore(results, one.name)
        unmet = check_run(plan, store)
        failing += len(unmet)
        for note in plan.panel.notes:
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
            f"{one.name}: {len(plan.trials)} trials ({', '.join(plan.models)}) on {plan.device}, "
            f"{stored} of them stored; config {plan.config_hash}"
        )
    raise typer.Exit(1 if failing else 0)


def _validated(plan: Plan, accept: bool) -> Plan:
    """The plan, once what `data validate` finds is told; what was accepted becomes a note.

    Raises:
        DataError: the returns of the panel are wrong, and that is not accepted.
    """
    from bench.data.validate import find_problems, misleading, verdict
    from zoo.errors import DataError

    source, panel = plan.config.data.source, plan.panel
    if source.startswith(("planted:", "installed:")):
        return plan
    problems = find_problems(panel)
    if told := verdict(problems, panel):
        say(told)
    if not (wrong := misleading(problems, panel)):
        return plan
    what = "; ".join(f"{p.headline}, first {p.line(panel, 0)}" for p in wrong)
    if not accept:
        raise DataError(
            f"{panel.name}: returns would be wrong: {what}. Mend the data (python -m bench data validate {source} "
            f"lists every place), or go on with --accept-data"
        )
    return replace(plan, panel=panel.with_notes(f"accepted with --accept-data: {what}"))


def _train(plan: Plan, options: RunOptions, executor: Executor, fresh: bool, results: Path) -> Outcome:
    from bench.cli.progress import trial_progress
    from bench.runner import execute_plan

    with trial_progress(plan.models) as on_event:

        def on_start(pending: int, stored: int) -> None:
            on_event.set_total(pending)
            if stored:
                say(f"{stored} trial(s) are stored and not trained again (--fresh would)")
            if not pending:
                say("nothing to train: every trial of this run is stored")

        return execute_plan(
            plan,
            results,
            sys.argv[1:],
            executor=executor,
            fresh=fresh,
            plugins=[str(path) for path in options.plugin or ()],
            on_event=on_event,
            on_start=on_start,
            on_damage=say,
        )


def _announce(plan: Plan, models: str | None, workers: int) -> None:
    """What a run will do, with which kernel."""
    from bench.records.machine import recurrence

    for note in (*plan.panel.notes, *filter(None, (fold.note for fold in plan.folds))):
        say(f"note: {note}")
    experiment, panel = plan.config, plan.panel
    say(
        f"{experiment.name}: {', '.join(plan.models)} on {panel.name} "
        f"({panel.n_days} days x {panel.n_stocks} stocks), seeds {','.join(map(str, experiment.seeds))}, "
        f"{len(plan.folds)} fold(s), {plan.device}, {workers} job(s)"
        f"{f'; recurrent nets: {recurrence()}' if plan.device == 'cpu' else ''}"
    )
    if experiment.baseline and models and experiment.baseline == plan.models[-1]:
        say(f"{experiment.baseline} is the baseline that differences are taken to")


def _report(results: Path, name: str, figures: bool, outcome: Outcome) -> None:
    from bench.report import write_report
    from bench.report.tables.main import main_table

    facts, path = write_report(results, name, figures=figures)
    say("")
    print_table(main_table(facts.board))
    say("")
    for failure in facts.board.failures.values():
        say(f"failed: {failure['model']} seed {failure['seed']}: {failure['error']}")
    again = f" ({outcome.recomputed} with metrics computed anew from the scores)" if outcome.recomputed else ""
    say(
        f"{name}: {outcome.trained} trained, {outcome.stored} stored{again}, {outcome.failed} failed; report: {path}, "
        f"as the latest also {results / path.name}"
    )
