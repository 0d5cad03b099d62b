"""`python -m bench report`: rebuild a run's report from its records, or check that it still holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import FiguresOption, LangOption, LastRunArgument, PluginOption, ResultsOption, prepare


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
    from bench.cli import console
    from bench.records.runs import last_run

    prepare(plugin)
    name = run_name or last_run(results)
    if verify:
        raise typer.Exit(_verify(results, run_name, output, lang))
    from bench.records.store import RunStore
    from bench.report import write_report
    from bench.report.tables.main import main_table, outdated_sentence

    for why in RunStore.open(results, name).damages():
        console.say(why)
    facts, path = write_report(results, name, folder=output, lang=lang, figures=figures)
    console.print_table(main_table(facts.board))
    if (missing := outdated_sentence(facts.board)) is not None:
        console.say(missing.text)
    console.say(f"report: {path}")


def _verify(results: Path, name: str | None, output: Path | None, lang: str) -> int:
    """Check one run, or all of them; how many do not hold, at most 1."""
    from bench.cli import console
    from bench.records.store import run_names
    from bench.report.verify import verify_report
    from zoo.errors import ConfigError

    if output is not None and name is None:
        raise ConfigError("--output is the folder of one report: name its run")
    wrong = 0
    for one in run_names(results) if name is None else [name]:
        try:
            problems = verify_report(results, one, output, lang)
        except ConfigError as error:
            if name is not None:
                raise
            problems = [str(error)]
        for problem in problems:
            console.say(problem)
        console.say(f"{one}: {f'{len(problems)} statements do not hold' if problems else 'every statement holds'}")
        wrong += bool(problems)
    return min(wrong, 1)
