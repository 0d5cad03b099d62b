"""The options that several commands share, and the experiment they add up to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bench.experiment.presets import DEFAULT_CONFIG
from zoo.errors import ConfigError

ConfigArgument = Annotated[Path | None, typer.Argument(help="Experiment YAML; default: the built-in quick experiment.")]
ResultsOption = Annotated[Path, typer.Option("--results", help="Folder of runs and reports.")]
PluginOption = Annotated[
    list[Path] | None, typer.Option("--plugin", help="Python file that registers models or metrics; may be repeated.")
]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, e.g. train.lr=5e-4; may be repeated.")]
ModelsOption = Annotated[str | None, typer.Option("--models", "-m", help="Names and globs, e.g. 'a*,tcn'.")]
SeedsOption = Annotated[str | None, typer.Option("--seeds", help="How many (3), or which (0,5,7).")]
DataOption = Annotated[
    str | None, typer.Option("--data", "-d", help="CSV, Parquet, qlib folder, installed:NAME or planted:MARKET.")
]
ConceptsOption = Annotated[
    str | None, typer.Option("--concepts", help="CSV or Parquet: symbol, concept[, start, end].")
]
DeviceOption = Annotated[str | None, typer.Option("--device", help="auto, cpu or cuda.")]
NameOption = Annotated[str | None, typer.Option("--name", help="Name of the run.")]
FiguresOption = Annotated[bool, typer.Option("--figures/--no-figures", help="Draw the figures, too.")]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Parse the data again, keep nothing.")]


def experiment_of(
    config: Path | None,
    seeds: str | None,
    data: str | None,
    concepts: str | None,
    device: str | None,
    overrides: list[str] | None,
    name: str | None,
) -> Any:
    """The configuration with the options applied: options win over --set, --set over the file."""
    from bench.experiment.config import load_config, parse_override

    changes: dict[str, Any] = dict(parse_override(text) for text in overrides or [])
    for key, value in (
        ("data.source", data),
        ("data.concepts", concepts),
        ("device", device),
        ("name", name),
        ("seeds", None if seeds is None else _seeds(seeds)),
    ):
        if value is not None:
            changes[key] = value
    return load_config(config or DEFAULT_CONFIG, changes)


def _seeds(text: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"--seeds {text}: must be a count (3) or a list of numbers (0,5,7)") from None
    if "," in text:
        return numbers
    if numbers[0] < 1:
        raise ConfigError(f"--seeds {text}: at least one seed is needed")
    return list(range(numbers[0]))


def prepare(plugins: list[Path] | None, no_cache: bool) -> None:
    """What a command needs before it reads data; worker processes inherit it."""
    load_plugins(plugins)
    if no_cache:
        from zoo.data.cache import disable_cache

        disable_cache()


def load_plugins(paths: list[Path] | None) -> None:
    if paths:
        from zoo.registry import load_plugin

        for path in paths:
            load_plugin(path)


def last_run(results: Path) -> str:
    """The run whose description was written last.

    Raises:
        ConfigError: there is none.
    """
    runs = list((results / "runs").glob("*/run.json"))
    if not runs:
        raise ConfigError(f"no run under {results / 'runs'}; start one with: python -m bench run")
    return max(runs, key=lambda p: p.stat().st_mtime).parent.name
