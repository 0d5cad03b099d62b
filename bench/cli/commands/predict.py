"""`python -m bench predict` and `recommend`: what a finished run is for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.console import print_table
from bench.cli.options import (
    LangOption,
    LastRunArgument,
    NoCacheOption,
    PluginOption,
    ResultsOption,
    SafeCsvOption,
    SkipOption,
    prepare,
    say_formulas,
)
from bench.interface.console import say


def predict(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="A finished run.")],
    model: Annotated[str, typer.Option("--model", help="Which of its models.")],
    data: Annotated[str, typer.Option("--data", "-d", help="New data, with the history each window needs.")],
    output: Annotated[Path, typer.Option("--output", "-o", help=".parquet or .csv")],
    seed: Annotated[int | None, typer.Option("--seed", help="One seed; default: the mean over seeds.")] = None,
    fold: Annotated[int | None, typer.Option("--fold", help="Default: the last fold.")] = None,
    start: Annotated[str | None, typer.Option("--start", help="First day to score, YYYY-MM-DD.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="Last day to score.")] = None,
    safe_csv: SafeCsvOption = False,
    no_cache: NoCacheOption = False,
    skip_bad_files: SkipOption = False,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Score new data with a trained model of a run, using the normalisation stored with it."""
    prepare(plugin, no_cache)
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
        say(f"note: {note}")
    write_scores(scores, output, safe=safe_csv)
    if output.suffix == ".csv":
        say_formulas(executable_names(scores.index.unique("instrument")), safe_csv)
    days = scores.index.get_level_values("datetime")
    say(f"{len(scores)} scores of {days.nunique()} days {days.min():%Y-%m-%d} .. {days.max():%Y-%m-%d}: {output}")


def recommend(
    run_name: LastRunArgument = None,
    max_latency_ms: Annotated[
        float | None, typer.Option("--max-latency-ms", min=0, help="99th percentile of the time of one day.")
    ] = None,
    stocks: Annotated[int | None, typer.Option("--stocks", min=1, help="Stocks a day.")] = None,
    lookback: Annotated[int | None, typer.Option("--lookback", min=1, help="Window length in days.")] = None,
    device: Annotated[str, typer.Option("--device", help="cpu or cuda.")] = "cpu",
    need: Annotated[
        list[str] | None, typer.Option("--need", help="explain, relations or long; may be repeated.")
    ] = None,
    lang: LangOption = "en",
    results: ResultsOption = Path("results"),
) -> None:
    """Recommend a model under constraints, from what was measured; says what each other model lacks."""
    from bench.advice import recommend as advice
    from bench.advice.facts import gather
    from bench.records.runs import last_run
    from bench.text.language import language

    constraints = advice.Constraints(max_latency_ms, stocks, lookback, device, tuple(need or ()))
    facts = gather(results, run_name or last_run(results))
    with language(lang):
        candidates = advice.recommend(facts, constraints)
        say(advice.advice_sentence(candidates).text)
        print_table(advice.option_table(candidates))
    raise typer.Exit(1 if candidates[0].reasons else 0)
