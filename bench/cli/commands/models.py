"""`python -m bench list` and `describe`: the models, the runs, what a model is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.console import print_table
from bench.cli.options import PluginOption, ResultsOption, SetOption, prepare
from bench.interface.console import say
from zoo.errors import ConfigError


def list_(
    what: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL|runs]", help="Name or glob; one name prints its parameters. runs: what ran."),
    ] = None,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
) -> None:
    """List the models, the parameters of one, or the runs (whose records hold no dates)."""
    prepare(plugin)
    from bench.records.machine import recurrence
    from bench.text.tables import word_table
    from zoo import registry

    if what == "runs":
        _list_runs(results)
        return
    specs = [registry.get_spec(name) for name in registry.find_models(what or "*")]
    if len(specs) == 1:
        spec = specs[0]
        say(f"{spec.name}: {spec.title}. {spec.paper}. Scope {spec.scope}.")
        rows = [[p.name, p.type_name, str(p.default), p.meaning] for p in spec.parameters.values()]
        print_table(word_table(["parameter", "type", "default", "meaning"], rows))
        return
    rows = []
    for spec in specs:
        needs = ["concepts"] if spec.needs_concepts else []
        needs += [f"{p} (not installed)" for p in spec.missing_packages()]
        rows.append([spec.name, spec.title, spec.scope, ", ".join(needs), spec.paper])
    print_table(word_table(["model", "title", "scope", "needs", "paper"], rows))
    say(f"recurrent nets on the CPU: {recurrence()}")


def _list_runs(results: Path) -> None:
    from bench.records.runs import summaries
    from bench.text.tables import word_table

    rows = [
        [r.name, r.data, f"{r.stored}/{r.planned}", ",".join(map(str, r.seeds)), ", ".join(r.models), r.source]
        for r in summaries(results)
    ]
    if not rows:
        raise ConfigError(f"no run under {results / 'runs'}; start one with: python -m bench run")
    print_table(word_table(["run", "data", "trials stored", "seeds", "models", "source"], rows))


def describe(
    target: Annotated[str, typer.Argument(metavar="MODEL|CONFIG", help="Model, glob, or experiment YAML.")],
    figure: Annotated[Path | None, typer.Option("--figure", help="Draw one model: FILE.svg or FILE.png.")] = None,
    overrides: SetOption = None,
    plugin: PluginOption = None,
) -> None:
    """Describe a model (layers, FLOPs, memory, reach, settings) or all models of an experiment; trains nothing."""
    prepare(plugin)
    from bench.anatomy import tables
    from bench.anatomy.describe import describe_model, resolve
    from bench.experiment.config import parse_override

    names, config, single = resolve(target, dict(parse_override(text) for text in overrides or []))
    if figure is not None and not single:
        raise ConfigError("--figure draws one model: describe it by name")
    described = [describe_model(name, config) for name in names]
    if single:
        (one,) = described
        for line in tables.cost_lines(one):
            say(line)
        if one.layers:
            say("")
            print_table(tables.layer_table(one))
        say("")
        print_table(tables.settings_table(one))
    else:
        print_table(tables.summary_table(described))
    say("")
    for line in (tables.deviation_line(described), *tables.data_lines(config)):
        say(line)
    if figure is not None:
        from bench.anatomy.drawing import draw_architecture

        draw_architecture(described[0], figure)
        say(f"figure: {figure}")
