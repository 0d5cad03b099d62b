"""`python -m bench diff`, `verify` and `rm`: two runs compared, one run checked, one run removed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import PluginOption, ResultsOption, prepare
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from bench.records.store import RunStore
    from bench.scores.compare import TrialComparison
    from bench.text.tables import Table


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A run, or the folder of one.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    results: ResultsOption = Path("results"),
) -> None:
    """Compare two runs: the numbers of each trial, and what differs in settings and tables; exit code 1 if any does."""
    from bench.cli import console
    from bench.records.store import RunStore
    from bench.scores.compare import compare_settings, compare_trials, count_line
    from bench.text.tables import word_table

    one, other = (RunStore.open_any(results, name) for name in (a, b))
    settings = compare_settings(one.run(), other.run())
    trials = compare_trials(one, other)
    console.say(count_line(trials))
    for why in (*one.damages(), *other.damages()):
        console.say(why)
    moved = [trial for trial in trials if trial.compared and trial.difference]
    same = all(trial.same for trial in trials)
    for title, table in (
        ("trials whose numbers moved", _trial_table(moved) if moved else None),
        ("settings that differ", word_table(["setting", a, b], settings) if settings else None),
        ("results", None if same else _side_by_side(one, other, a, b)),
    ):
        if table is not None:
            console.say(f"\n{title}:")
            console.print_table(table)
    raise typer.Exit(0 if same else 1)


def verify(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="A run, or the folder of one.")],
    retrain: Annotated[int, typer.Option("--retrain", min=0, help="Trials to train anew, spread over the run.")] = 0,
    data: Annotated[str | None, typer.Option("--data", "-d", help="Where the same data are here.")] = None,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Check a run's files, its metrics against its scores, and trials trained anew; exit code 1 if anything differs."""
    prepare(plugin)
    from bench.cli import console
    from bench.records.store import RunStore
    from bench.scores.compare import count_line
    from bench.verify import Retrained, plan_of, recompute
    from bench.verify import retrain as train_anew

    store = RunStore.open_any(results, run_name)
    damages, keys = store.damages(), store.keys()
    for why in damages:
        console.say(why)
    console.say(f"{store.name}: {len(keys)} records, {len(damages)} damaged file(s)")
    plan = plan_of(store, data)
    recomputed = recompute(plan, store)
    if recomputed:
        console.say(f"metrics computed anew from stored scores: {count_line(recomputed)}")
    else:
        console.say("metrics: no scores are stored with this run, so none were computed anew")

    def tell(one: Retrained) -> None:
        trial, code = one.comparison, "" if one.same_code else "; the code has changed since"
        console.say(
            f"trained anew: {trial.model} fold {trial.fold} seed {trial.seed}: {trial.verdict} ({trial.compared}), "
            f"largest difference {trial.difference:.3g}, Rank IC {one.rank_ic[0]:.6f} then, {one.rank_ic[1]:.6f} "
            f"here{code}"
        )

    done = train_anew(plan, store, retrain, tell) if retrain else []
    if done:
        for when, found in (("then", done[0].then), ("here", done[0].now)):
            console.say(f"environment {when}: {', '.join(f'{name} {value}' for name, value in found.items())}")
    same = all(c.same for c in (*recomputed, *(one.comparison for one in done)))
    raise typer.Exit(0 if same and not damages else 1)


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


def _trial_table(trials: list[TrialComparison]) -> Table:
    """What came of each trial."""
    from bench.text.tables import Column, table_of

    names = ["model", "fold", "seed", "verdict", "compared"]
    columns = [*(Column(name, name) for name in names), Column("difference", "largest difference", ".3g")]
    return table_of("diff", columns, (vars(t) for t in trials)) or Table("diff", columns, [])


def _side_by_side(one: RunStore, other: RunStore, a: str, b: str) -> Table:
    """The main tables of two runs: the models of both, each column twice."""
    from bench.report.tables.main import main_table
    from bench.scores.leaderboard import build_leaderboard
    from bench.text.tables import Table

    tables = {name: main_table(build_leaderboard(store)) for store, name in ((one, a), (other, b))}
    cells = {
        name: {(str(row[0]), c.key): entry for row in t.rows for c, entry in zip(t.columns, row, strict=True)}
        for name, t in tables.items()
    }
    models = {str(row[0]): row[0] for t in tables.values() for row in t.rows}
    first, *columns = {c.key: c for t in tables.values() for c in t.columns}.values()
    pairs = [(column, name) for column in columns for name in tables]
    rows = [
        [entry, *(cells[name].get((model, column.key), "–") for column, name in pairs)]
        for model, entry in models.items()
    ]
    return Table("diff", [first, *(replace(c, header=f"{c.title}: {name}") for c, name in pairs)], rows)
