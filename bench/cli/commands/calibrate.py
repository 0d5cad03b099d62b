"""`python -m bench calibrate`: the false-positive rate of the report's tests."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import ResultsOption


def calibrate(
    repeats: Annotated[int, typer.Option("--repeats", "-n", min=1, help="Fresh markets of each kind.")] = 200,
    model: Annotated[str, typer.Option("--model", help="Trained under two names.")] = "mlp",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Networks per name, averaged.")] = 3,
    markets: Annotated[str, typer.Option("--markets", help="Planted markets, comma list.")] = "null,mixed",
    stocks: Annotated[int, typer.Option("--stocks", min=4)] = 60,
    days: Annotated[int, typer.Option("--days", min=100)] = 400,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    results: ResultsOption = Path("results"),
) -> None:
    """Train the same model under two names, many times: how often do they differ? Writes self_test.json."""
    from bench.cli import console
    from bench.report.tables.significance import calibration_table
    from bench.scores import self_test

    names = tuple(dict.fromkeys(name.strip() for name in markets.split(",") if name.strip()))
    settings = self_test.CalibrationSettings(
        repeats=repeats, model=model, seeds=seeds, markets=names, stocks=stocks, days=days, seed=seed
    )
    began = time.perf_counter()

    def on_repeat(market: str, done: int) -> None:
        if done % 50 == 0 or done == repeats:
            console.say(f"{market}: {done} of {repeats} repeats, {console.elapsed(began)}")

    console.print_table(calibration_table(self_test.calibrate(results, settings, on_repeat)))
    console.say(f"{results / self_test.FILE}")
