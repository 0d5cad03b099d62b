"""`python -m bench report`, `diff`, `verify` and `rm`: stored runs reported, compared, checked, removed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.console import print_table
from bench.cli.options import FiguresOption, LangOption, LastRunArgument, PluginOption, ResultsOption, prepare
from bench.interface.console import out, say
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from bench.records.store import RunStore
    from bench.scores.compare import TrialComparison
    from bench.text.tables import Column, Entry, Table


def report(
    run_name: LastRunArgument = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the report; default: the run's.")
    ] = None,
    lang: LangOption = "en",
    figures: FiguresOption = True,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Write nothing; exit 1 if the report no longer follows from the records. Without RUN: every run's.",
        ),
    ] = False,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Rebuild the report of a run from its records, without training."""
    from bench.records.runs import last_run
    from bench.records.store import RunStore

    prepare(plugin)
    name = run_name or last_run(results)
    if verify:
        raise typer.Exit(_verify(results, run_name, output, lang))
    from bench.report import write_report
    from bench.report.tables.main import main_table, outdated_sentence

    for why in RunStore.open(results, name).damages():
        say(why)
    facts, path = write_report(results, name, folder=output, lang=lang, figures=figures)
    print_table(main_table(facts.board))
    if (missing := outdated_sentence(facts.board)) is not None:
        say(missing.text)
    say(f"report: {path}")


def _verify(results: Path, name: str | None, output: Path | None, lang: str) -> int:
    from bench.records.store import run_names
    from bench.report.verify import verify_report

    if output is not None and name is None:
        raise ConfigError("--output is the folder of one report: name its run")
    wrong = False
    for one in run_names(results) if name is None else [name]:
        try:
            problems = verify_report(results, one, output, lang)
        except ConfigError as error:
            if name is not None:
                raise
            problems = [str(error)]
        for problem in problems:
            say(problem)
        say(f"{one}: {f'{len(problems)} statements do not hold' if problems else 'every statement holds'}")
        wrong |= bool(problems)
    return int(wrong)


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A run, or the folder of one.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    results: ResultsOption = Path("results"),
) -> None:
    """Compare two runs: the numbers of each trial, and what differs in settings and tables; exit code 1 if any does."""
    from bench.records.store import RunStore
    from bench.scores.compare import compare_settings, compare_trials, count_line
    from bench.text.tables import word_table

    one, other = (RunStore.open_any(results, name) for name in (a, b))
    settings = compare_settings(one.run(), other.run())
    trials = compare_trials(one, other)
    say(count_line(trials))
    for why in (*one.damages(), *other.damages()):
        say(why)
    moved = [trial for trial in trials if trial.compared and trial.difference]
    same = all(trial.same for trial in trials)
    for title, table in (
        ("trials whose numbers moved", _trial_table(moved)),
        ("settings that differ", word_table(["setting", a, b], settings) if settings else None),
        ("results", None if same else _side_by_side(one, other, a, b)),
    ):
        if table is not None:
            say(f"\n{title}:")
            print_table(table)
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
    from bench.records.store import RunStore
    from bench.scores.compare import count_line
    from bench.verify import Retrained, plan_of, recompute
    from bench.verify import retrain as train_anew

    store = RunStore.open_any(results, run_name)
    damages, keys = store.damages(), store.keys()
    for why in damages:
        say(why)
    say(f"{store.name}: {len(keys)} records, {len(damages)} damaged file(s)")
    plan = plan_of(store, data)
    recomputed = recompute(plan, store)
    if recomputed:
        say(f"metrics computed anew from stored scores: {count_line(recomputed)}")
    else:
        say("metrics: no scores are stored with this run, so none were computed anew")

    def tell(one: Retrained) -> None:
        trial, code = one.comparison, "" if one.same_code else "; the code has changed since"
        say(
            f"trained anew: {trial.model} fold {trial.fold} seed {trial.seed}: {trial.verdict} ({trial.compared}), "
            f"largest difference {trial.difference:.3g}, Rank IC {one.rank_ic[0]:.6f} then, {one.rank_ic[1]:.6f} "
            f"here{code}"
        )

    done = train_anew(plan, store, retrain, tell) if retrain else []
    if done:
        for when, found in (("then", done[0].then), ("here", done[0].now)):
            say(f"environment {when}: {', '.join(f'{name} {value}' for name, value in found.items())}")
    same = all(c.same for c in (*recomputed, *(one.comparison for one in done)))
    raise typer.Exit(0 if same and not damages else 1)


def rm(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="The run to remove.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    results: ResultsOption = Path("results"),
) -> None:
    """Remove a run: its records, weights and report. What other runs and results/comparison.* hold stays."""
    from bench.records.runs import remove_run
    from bench.records.store import RunStore

    store = RunStore.open(results, run_name)
    what = f"{store.folder} with {len(store.keys())} stored trials"
    if not yes:
        if not out.is_terminal:
            raise ConfigError(f"rm asks before it removes {what}, and nobody can answer here; --yes removes it")
        typer.confirm(f"Remove {what}?", abort=True)
    remove_run(store)
    say(f"removed {what}")


def _trial_table(trials: list[TrialComparison]) -> Table | None:
    from bench.text.tables import Column, table_of

    columns = [Column(name, name) for name in ("model", "fold", "seed", "verdict", "compared")]
    return table_of("diff", [*columns, Column("difference", "largest difference", ".3g")], map(vars, trials))


def _side_by_side(one: RunStore, other: RunStore, a: str, b: str) -> Table:
    """The main tables of two runs: the models of both, each column twice."""
    from bench.report.tables.main import main_table
    from bench.scores.leaderboard import build_leaderboard
    from bench.text.tables import Table

    columns: dict[str, Column] = {}
    rows: dict[str, dict[Any, Entry]] = {}
    for store, name in ((one, a), (other, b)):
        table = main_table(build_leaderboard(store))
        columns |= {column.key: column for column in table.columns}
        for row in table.rows:
            entries = {(column.key, name): entry for column, entry in zip(table.columns, row, strict=True)}
            rows.setdefault(str(row[0]), {}).update(entries, model=row[0])
    first, *others = columns.values()
    pairs = {
        (column.key, name): replace(column, header=f"{column.title}: {name}") for column in others for name in (a, b)
    }
    cells = [[row["model"], *(row.get(pair, "–") for pair in pairs)] for row in rows.values()]
    return Table("diff", [first, *pairs.values()], cells)
