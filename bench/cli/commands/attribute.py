"""`python -m bench attribute RUN`: do explanations of the models show what the planted market reads?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import FreshOption, ModelsOption, PluginOption, ResultsOption, prepare
from zoo.errors import ConfigError


def attribute(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="A finished run on a planted market.")],
    models: ModelsOption = None,
    days: Annotated[int, typer.Option("--days", min=1, help="Test days that are explained, evenly spread.")] = 5,
    seeds: Annotated[str, typer.Option("--seeds", help="first: one trial of each model; all: every seed.")] = "first",
    fresh: FreshOption = False,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Score explanations of a run's models against what its planted market reads; writes attribution.json."""
    if seeds not in ("first", "all"):
        raise ConfigError(f"--seeds {seeds}: must be first or all")
    prepare(plugin)
    from bench.attribution.frames import interpretability_frame, interpretability_scores
    from bench.attribution.run import measure_attributions
    from bench.attribution.trial import Effort
    from bench.cli import console
    from bench.records.store import RunStore
    from bench.report.tables.interpretability import interpretability_table, method_table
    from zoo import registry

    store = RunStore.open(results, run_name)
    for why in store.damages():
        console.say(why)
    failures = measure_attributions(
        store,
        models=registry.find_models(models) if models else None,
        all_seeds=seeds == "all",
        effort=Effort(days=days),
        fresh=fresh,
        on_trial=lambda model, seed, seconds: console.say(f"{model} seed {seed}: {seconds:.1f} s"),
    )
    for table in (interpretability_table(interpretability_scores(store)), method_table(interpretability_frame(store))):
        if table is not None:
            console.print_table(table)
            console.say("")
    for model, why in failures.items():
        console.say(f"failed: {model}: {why}")
    raise typer.Exit(1 if failures else 0)
