"""`python -m bench show`: the table of a run, or one of its trials with its figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.console import print_json, print_table
from bench.cli.options import ResultsOption
from bench.interface.console import say
from zoo.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from bench.records.store import RunStore
    from bench.scores.leaderboard import Leaderboard


def show(
    target: Annotated[str | None, typer.Argument(metavar="[RUN[/TRIAL]]", help="Run, or run/trial key.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The run's final report, or the trial's record.")] = False,
    figures: Annotated[bool, typer.Option("--figures", help="Draw the trial, or all figures of the run.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder of the figures; default: figures/run or /TRIAL in the run's folder."
        ),
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="The JSON schema of a run's final report.")] = False,
    results: ResultsOption = Path("results"),
) -> None:
    """Print the table of a run, or one trial: model, data, metrics with intervals, cost."""
    from bench.records.runs import last_run
    from bench.records.store import RunStore
    from bench.text.document import FIGURES

    if schema:
        from bench.report.final import schema as schema_of_report

        print_json(schema_of_report())
        return
    run_name, slash, start = (target or last_run(results)).partition("/")
    store = RunStore.open(results, run_name)
    if output is not None and not figures:
        raise ConfigError("--output is the folder of the figures: add --figures")
    if not slash:
        _show_run(store, results, as_json, (output or store.folder / FIGURES / "run") if figures else None)
        return
    key = _find(store, start)
    _show_trial(store, key, as_json, (output or store.folder / "figures" / key) if figures else None)


def _find(store: RunStore, start: str) -> str:
    """The key of the one trial, finished or failed, that begins so."""
    known = sorted({*store.keys(), *(path.stem for path in store.failed.glob("*.json"))})
    keys = [key for key in known if key.startswith(start)]
    if len(keys) != 1:
        why = "no trial" if not keys else f"{len(keys)} trials"
        raise ConfigError(f"{why} '{start}' in run '{store.name}'{did_you_mean(start, known)}")
    return keys[0]


def _show_run(store: RunStore, results: Path, as_json: bool, folder: Path | None) -> None:
    """The table of a run, its figures drawn into a folder if there is one."""
    from bench.advice.facts import gather
    from bench.advice.verdict import setup_line, verdict
    from bench.report.tables.main import main_table
    from bench.text.tables import word_table

    facts = gather(results, store.name)
    files: list[str] = []
    if folder is not None:
        from bench.report.figures import draw_figures

        names = draw_figures(facts, store, folder)
        files = [str(folder / f"{name}.{kind}") for name in names for kind in ("svg", "png")]
    if as_json:
        from bench.report.build import build_document
        from bench.report.final import final_report

        print_json(final_report(facts, build_document(facts)))
        return
    say(setup_line(facts))
    say(" ".join(s.text for s in verdict(facts)))
    print_table(main_table(facts.board))
    rows = [
        [t["key"], t["model"], str(t["fold"]), str(t["seed"]), _status(facts.board, t["key"])]
        for t in facts.run["trials"]
    ]
    print_table(word_table(["trial", "model", "fold", "seed", "status"], rows))
    for why in store.damages():
        say(why)
    for path in files:
        say(f"figure: {path}")


def _status(board: Leaderboard, key: str) -> str:
    if key in board.records:
        return "ok"
    return f"failed: {board.failures[key]['error']}" if key in board.failures else "not run"


def _show_trial(store: RunStore, key: str, as_json: bool, folder: Path | None) -> None:
    """One trial, its figures drawn into a folder if there is one."""
    from bench.report.tables.trials import lines, metrics_table, with_intervals

    if why := store.trial_damage(key):
        raise ConfigError(f"trial '{key}' of run '{store.name}': {why}")
    record = store.record(key)
    if record is None:
        _show_failure(store, key, as_json, folder)
        return
    trial = with_intervals(store, record)
    files = []
    if folder is not None:
        from bench.report.figures import draw_trial_figures

        names = draw_trial_figures(store, key, folder)
        files = [str(folder / f"{name}.{kind}") for name in names for kind in ("svg", "png")]
    if as_json:
        print_json({**trial, "figures": files})
        return
    for line in lines(trial):
        say(line)
    print_table(metrics_table(trial))
    for path in files:
        say(f"figure: {path}")


def _show_failure(store: RunStore, key: str, as_json: bool, folder: Path | None) -> None:
    from bench.records.documents import read_json

    failure = read_json(store.failed / f"{key}.json").unless_damaged() or {}
    if folder is not None:
        raise ConfigError(f"trial '{key}' of run '{store.name}' failed, there is nothing to draw")
    if as_json:
        print_json(failure)
        return
    say(f"{failure.get('model')}, fold {failure.get('fold')}, seed {failure.get('seed')}, trial {key}: failed")
    say(str(failure.get("error", "")))
    say(str(failure.get("details", "")))
