"""`python -m bench diff` and `rm`: two runs compared, one run removed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import ResultsOption
from zoo.errors import ConfigError


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A run, or the folder of one.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    results: ResultsOption = Path("results"),
) -> None:
    """Compare two runs: the numbers of each trial, and what differs in settings and tables; exit code 1 if any does."""
    from bench.cli import console
    from bench.records.store import RunStore
    from bench.report.tables.runs import settings_table, side_by_side, trial_table
    from bench.scores.compare import compare_settings, compare_trials, count_line

    one, other = (RunStore.open_any(results, name) for name in (a, b))
    settings = compare_settings(one.run(), other.run())
    trials = compare_trials(one, other)
    console.say(count_line(trials))
    moved = [trial for trial in trials if trial.compared and trial.difference]
    same = all(trial.same for trial in trials)
    for title, table in (
        ("trials whose numbers moved", trial_table(moved) if moved else None),
        ("settings that differ", settings_table(settings, a, b) if settings else None),
        ("results", None if same else side_by_side(one, other, a, b)),
    ):
        if table is not None:
            console.say(f"\n{title}:")
            console.print_table(table)
    raise typer.Exit(0 if same else 1)


def rm(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="The run to remove.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    results: ResultsOption = Path("results"),
) -> None:
    """Remove a run: its records, weights and report. What other runs and results/comparison.* hold stays."""
    from bench.cli import console
    from bench.records.runs import remove_run
    from bench.records.store import RunStore

    store = RunStore.open(results, run_name)
    what = f"{store.folder} with {len(store.keys())} stored trials"
    if not yes:
        if not console.out.is_terminal:
            raise ConfigError(f"rm asks before it removes {what}, and nobody can answer here; --yes removes it")
        typer.confirm(f"Remove {what}?", abort=True)
    remove_run(store)
    console.say(f"removed {what}")
