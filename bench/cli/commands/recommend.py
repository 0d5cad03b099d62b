"""`python -m bench recommend`: the model for given constraints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import LangOption, LastRunArgument, ResultsOption


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
    from bench.advice.facts import gather
    from bench.advice.recommend import Constraints, advice_sentence, option_table
    from bench.advice.recommend import recommend as candidates_for
    from bench.cli import console
    from bench.records.runs import last_run
    from bench.text.language import language

    constraints = Constraints(max_latency_ms, stocks, lookback, device, tuple(need or ()))
    facts = gather(results, run_name or last_run(results))
    with language(lang):
        found = candidates_for(facts, constraints)
        console.say(advice_sentence(found).text)
        console.print_table(option_table(found))
    raise typer.Exit(0 if not found[0].reasons else 1)
