"""`python -m bench describe`: a model's layers, cost and settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import PluginOption, SetOption, load_plugins
from zoo.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(describe)


def describe(
    target: Annotated[str, typer.Argument(metavar="MODEL|CONFIG", help="Model, glob, or experiment YAML.")],
    figure: Annotated[Path | None, typer.Option("--figure", help="Draw one model: FILE.svg or FILE.png.")] = None,
    overrides: SetOption = None,
    plugin: PluginOption = None,
) -> None:
    """Describe a model (layers, FLOPs, memory, reach, settings) or all models of an experiment; trains nothing."""
    load_plugins(plugin)
    from bench.anatomy import tables
    from bench.anatomy.describe import describe_model, resolve
    from bench.cli import console
    from bench.experiment.config import parse_override

    names, config, single = resolve(target, dict(parse_override(text) for text in overrides or []))
    if figure is not None and not single:
        raise ConfigError("--figure draws one model: describe it by name")
    described = [describe_model(name, config) for name in names]
    if single:
        (one,) = described
        for line in tables.cost_lines(one):
            console.say(line)
        if one.layers:
            console.say("")
            console.print_table(tables.layer_table(one))
        console.say("")
        console.print_table(tables.settings_table(one))
    else:
        console.print_table(tables.summary_table(described))
    console.say("")
    for line in (tables.deviation_line(described), *tables.data_lines(config)):
        console.say(line)
    if figure is not None:
        from bench.anatomy.drawing import draw_architecture

        draw_architecture(described[0], figure)
        console.say(f"figure: {figure}")
