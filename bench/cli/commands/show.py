"""`python -m bench show`: the table of a run, or one of its trials with its figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cli.options import ResultsOption
from zoo.errors import ConfigError


def show(
    target: Annotated[str | None, typer.Argument(metavar="[RUN[/TRIAL]]", help="Run, or run/trial key.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The run's final report, or the trial's record.")] = False,
    figures: Annotated[bool, typer.Option("--figures", help="Draw the trial: training, scores, importance.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the figures; default: figures/TRIAL in the run's folder."),
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="The JSON schema of a run's final report.")] = False,
    results: ResultsOption = Path("results"),
) -> None:
    """Print the table of a run, or one trial: model, data, metrics with intervals, cost."""
    from bench.records.runs import last_run
    from bench.records.store import RunStore

    if schema:
        from bench.report.final import schema as schema_of_report

        _print_json(schema_of_report())
        return
    run_name, slash, start = (target or last_run(results)).partition("/")
    store = RunStore.open(results, run_name)
    if (figures or output is not None) and not slash:
        raise ConfigError("--figures draws one trial: give RUN/TRIAL; those of a run come with: python -m bench report")
    if output is not None and not figures:
        raise ConfigError("--output is the folder of the figures: add --figures")
    if not slash:
        _show_run(results, run_name, as_json)
        return
    key = _find(store, start)
    _show_trial(store, key, as_json, (output or store.folder / "figures" / key) if figures else None)


def _find(store: Any, start: str) -> str:
    """The key of the one trial, finished or failed, that begins so.

    Raises:
        ConfigError: none, or several.
    """
    from zoo.errors import did_you_mean

    known = sorted({*store.keys(), *(path.stem for path in store.failed.glob("*.json"))})
    found = [key for key in known if key.startswith(start)]
    if len(found) != 1:
        why = "no trial" if not found else f"{len(found)} trials"
        raise ConfigError(f"{why} '{start}' in run '{store.name}'{did_you_mean(start, known)}")
    return found[0]


def _show_run(results: Path, name: str, as_json: bool) -> None:
    from bench.advice.facts import gather
    from bench.advice.verdict import setup_line, verdict
    from bench.cli import console
    from bench.records.store import RunStore
    from bench.report.tables.main import main_table
    from bench.text.tables import word_table

    facts = gather(results, name)
    if as_json:
        from bench.report.build import build_document
        from bench.report.final import final_report

        _print_json(final_report(facts, build_document(facts)))
        return
    console.say(setup_line(facts))
    console.say(" ".join(s.text for s in verdict(facts)))
    console.print_table(main_table(facts.board))
    rows = [
        [t["key"], t["model"], str(t["fold"]), str(t["seed"]), _status(facts.board, t["key"])]
        for t in facts.run["trials"]
    ]
    console.print_table(word_table(["trial", "model", "fold", "seed", "status"], rows))
    for why in RunStore(results, name).damages():
        console.say(why)


def _status(board: Any, key: str) -> str:
    if key in board.records:
        return "ok"
    return f"failed: {board.failures[key]['error']}" if key in board.failures else "not run"


def _show_trial(store: Any, key: str, as_json: bool, folder: Path | None) -> None:
    from bench.cli import console
    from bench.report.tables.trials import lines, metrics_table, with_intervals

    if why := store.trial_damage(key):
        raise ConfigError(f"trial '{key}' of run '{store.name}': {why}")
    record = store.record(key)
    if record is None:
        _show_failure(store, key, as_json, folder)
        return
    trial = with_intervals(store, record)
    drawn = _draw(store, key, folder) if folder is not None else []
    if as_json:
        _print_json({**trial, "figures": drawn})
        return
    for line in lines(trial):
        console.say(line)
    console.print_table(metrics_table(trial))
    for path in drawn:
        console.say(f"figure: {path}")


def _draw(store: Any, key: str, folder: Path) -> list[str]:
    """The files of the figures of a trial."""
    from bench.report.figures import draw_trial_figures

    return [
        str(folder / f"{name}.{kind}") for name in draw_trial_figures(store, key, folder) for kind in ("svg", "png")
    ]


def _show_failure(store: Any, key: str, as_json: bool, folder: Path | None) -> None:
    from bench.cli import console
    from bench.records.documents import read_json

    failure = read_json(store.failed / f"{key}.json").unless_damaged() or {}
    if folder is not None:
        raise ConfigError(f"trial '{key}' of run '{store.name}' failed, there is nothing to draw")
    if as_json:
        _print_json(failure)
        return
    console.say(f"{failure.get('model')}, fold {failure.get('fold')}, seed {failure.get('seed')}, trial {key}: failed")
    console.say(str(failure.get("error", "")))
    console.say(str(failure.get("details", "")))


def _print_json(value: Any) -> None:
    import json

    print(json.dumps(value, indent=1, allow_nan=False))
