"""`python -m bench report`: rebuild a run's report from its records, or check that it still holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import FiguresOption, PluginOption, ResultsOption, last_run, load_plugins


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(report)


def report(
    run_name: Annotated[str | None, typer.Argument(metavar="[RUN]", help="Run; default: the last one.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the report; default: the results folder.")
    ] = None,
    lang: Annotated[str, typer.Option("--lang", help="en or zh.")] = "en",
    figures: FiguresOption = True,
    verify: Annotated[
        bool, typer.Option("--verify", help="Write nothing; exit 1 if the report no longer follows from the records.")
    ] = False,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Rebuild the report of a run from its records, without training."""
    from bench.cli import console

    load_plugins(plugin)
    name = run_name or last_run(results)
    if verify:
        from bench.report.verify import verify_report

        problems = verify_report(results, name, output, lang)
        for problem in problems:
            console.say(problem)
        console.say(f"{name}: {f'{len(problems)} statements do not hold' if problems else 'every statement holds'}")
        raise typer.Exit(1 if problems else 0)
    from bench.report import write_report
    from bench.report.definitions import outdated_sentence
    from bench.report.tables.main import main_table

    facts, path = write_report(results, name, folder=output, lang=lang, figures=figures)
    console.print_table(main_table(facts.board))
    if (missing := outdated_sentence(facts.board)) is not None:
        console.say(missing.text)
    console.say(f"report: {path}")
