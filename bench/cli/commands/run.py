"""`python -m bench run`: train, score and compare."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cli.options import (
    ConceptsOption,
    ConfigArgument,
    DataOption,
    DeviceOption,
    FiguresOption,
    ModelsOption,
    NameOption,
    NoCacheOption,
    PluginOption,
    ResultsOption,
    SeedsOption,
    SetOption,
    experiment_of,
    prepare,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)


def run(
    config: ConfigArgument = None,
    models: ModelsOption = None,
    seeds: SeedsOption = None,
    data: DataOption = None,
    concepts: ConceptsOption = None,
    device: DeviceOption = None,
    overrides: SetOption = None,
    name: NameOption = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Worker processes; default: cores, on a GPU 1.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Train stored trials again.")] = False,
    no_cache: NoCacheOption = False,
    figures: FiguresOption = True,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Train, score and compare; writes results/comparison.md and .html. Stored trials are not trained again."""
    prepare(plugin, no_cache)
    experiment = experiment_of(config, seeds, data, concepts, device, overrides, name)
    from bench.cli import console
    from bench.experiment.config import expand_markets

    began = time.perf_counter()
    failed = 0
    try:
        runs = expand_markets(experiment)
        for one in runs:
            # A report shows the last run: figures of those before it would be drawn over.
            failed += _run_one(one, models, jobs, fresh, plugin, results, figures and one is runs[-1])
    except KeyboardInterrupt:
        console.say("interrupted; finished trials are stored, the same command goes on from here")
        raise typer.Exit(130) from None
    if experiment.markets:
        console.say(f"{len(experiment.markets)} markets in {console.elapsed(began)}")
    raise typer.Exit(1 if failed else 0)


def _run_one(
    experiment: Any,
    models: str | None,
    jobs: int | None,
    fresh: bool,
    plugin: list[Path] | None,
    results: Path,
    figures: bool,
) -> int:
    """One run from plan to report; the number of failed trials."""
    from bench.cli import console
    from bench.experiment.plan import make_plan
    from bench.report import write_report
    from bench.report.tables.main import main_table
    from bench.runner import execute_plan

    began = time.perf_counter()
    with console.status("reading the data"):
        plan = make_plan(experiment, models)
    for note in plan.panel.notes:
        console.say(f"note: {note}")
    workers = jobs or (1 if plan.device == "cuda" else os.cpu_count() or 1)
    seeds_text = ",".join(map(str, experiment.seeds))
    console.say(
        f"{experiment.name}: {', '.join(plan.models)} on {plan.panel.name} "
        f"({plan.panel.n_days} days x {plan.panel.n_stocks} stocks), seeds {seeds_text}, "
        f"{len(plan.folds)} fold(s), {plan.device}, {workers} job(s)"
    )
    if experiment.baseline and models and experiment.baseline == plan.models[-1]:
        console.say(f"{experiment.baseline} is the baseline that differences are taken to")
    with console.progress(plan.models) as on_event:

        def on_start(pending: int, stored: int) -> None:
            on_event.set_total(pending)
            if stored:
                console.say(f"{stored} trial(s) are stored and not trained again (--fresh would)")
            if not pending:
                console.say("nothing to train: every trial of this run is stored")

        outcome = execute_plan(
            plan,
            results,
            sys.argv[1:],
            jobs=workers,
            fresh=fresh,
            plugins=[str(p) for p in plugin or []],
            on_event=on_event,
            on_start=on_start,
        )
    facts, path = write_report(results, experiment.name, figures=figures)
    board = facts.board
    console.say("")
    console.print_table(main_table(board))
    console.say("")
    for failure in board.failures.values():
        console.say(f"failed: {failure['model']} seed {failure['seed']}: {failure['error']}")
    again = f" ({outcome.recomputed} with metrics computed anew from the scores)" if outcome.recomputed else ""
    console.say(
        f"{outcome.trained} trained, {outcome.stored} stored{again}, {outcome.failed} failed in "
        f"{console.elapsed(began)}; report: {path}"
    )
    return outcome.failed
