"""`python -m bench predict`: scores of new data from a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import NoCacheOption, PluginOption, ResultsOption, SkipOption, prepare


def predict(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="A finished run.")],
    model: Annotated[str, typer.Option("--model", help="Which of its models.")],
    data: Annotated[str, typer.Option("--data", "-d", help="New data, with the history each window needs.")],
    output: Annotated[Path, typer.Option("--output", "-o", help=".parquet or .csv")],
    seed: Annotated[int | None, typer.Option("--seed", help="One seed; default: the mean over seeds.")] = None,
    fold: Annotated[int | None, typer.Option("--fold", help="Default: the last fold.")] = None,
    start: Annotated[str | None, typer.Option("--start", help="First day to score, YYYY-MM-DD.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="Last day to score.")] = None,
    safe_csv: Annotated[
        bool, typer.Option("--safe-csv", help="Put ' before names that a spreadsheet would execute.")
    ] = False,
    no_cache: NoCacheOption = False,
    skip_bad_files: SkipOption = False,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Score new data with a trained model of a run, using the normalisation stored with it."""
    prepare(plugin, no_cache)
    from bench.cli import console
    from bench.experiment.predict import check_output, executable_names, predict_run, write_scores

    check_output(output)
    scores = predict_run(
        *(results, run_name, model, data),
        seed=seed,
        fold=fold,
        start=start,
        end=end,
        skip_bad_files=skip_bad_files,
    )
    for note in scores.attrs["notes"]:
        console.say(f"note: {note}")
    write_scores(scores, output, safe=safe_csv)
    if output.suffix == ".csv" and (names := executable_names(scores)):
        told = "are written with a ' before them" if safe_csv else "would be executed (--safe-csv puts ' before them)"
        console.say(f"note: {len(names)} name(s) that a spreadsheet takes for formulas, such as {names[0]!r}, {told}")
    days = scores.index.get_level_values("datetime")
    console.say(
        f"{len(scores)} scores of {days.nunique()} days {days.min():%Y-%m-%d} .. {days.max():%Y-%m-%d}: {output}"
    )
