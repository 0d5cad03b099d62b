"""The options that several commands share, and the experiment they add up to."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from bench.interface.console import say
from bench.interface.prepare import prepare

if TYPE_CHECKING:
    from bench.experiment.config import ExperimentConfig

ResultsOption = Annotated[Path, typer.Option("--results", help="Folder of runs and reports.")]
PluginOption = Annotated[
    list[Path] | None,
    typer.Option("--plugin", help="Python file that registers models, markets or metrics; may be repeated."),
]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, e.g. train.lr=5e-4; may be repeated.")]
ModelsOption = Annotated[str | None, typer.Option("--models", "-m", help="Names and globs, e.g. 'a*,tcn'.")]
DeviceOption = Annotated[str | None, typer.Option("--device", help="auto, cpu or cuda.")]
FiguresOption = Annotated[bool, typer.Option("--figures/--no-figures", help="Draw the figures, too.")]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Measure stored trials again.")]
SafeCsvOption = Annotated[bool, typer.Option("--safe-csv", help="Put ' before names that a spreadsheet would execute.")]
LangOption = Annotated[str, typer.Option("--lang", help="en or zh.")]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Parse the data again, keep nothing.")]
SkipOption = Annotated[
    bool, typer.Option("--skip-bad-files", help="Go on without the files of a directory that are broken; told.")
]
LastRunArgument = Annotated[str | None, typer.Argument(metavar="[RUN]", help="Run; default: the last one.")]


@dataclass(frozen=True)
class ModelOptions:
    """Which experiment, and which of its models."""

    config: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Experiment YAML, or workflow files of qlib, one or several; default: the built-in quick experiment."
        ),
    ] = None
    models: ModelsOption = None
    overrides: SetOption = None
    plugin: PluginOption = None

    def experiment(self, **changes: Any) -> ExperimentConfig:
        """The configuration: `changes` (by key, `__` for a dot, None: none) over --set over the file."""
        from bench.experiment.config import parse_override
        from bench.interface.settings import configure

        prepare(self.plugin)
        every = dict(parse_override(text) for text in self.overrides or [])
        every |= {key.replace("__", "."): value for key, value in changes.items() if value is not None}
        return configure(self._files, every)

    @property
    def _files(self) -> Path | list[Path] | None:
        return self.config[0] if self.config and len(self.config) == 1 else self.config or None

    def notes(self) -> list[str]:
        """What workflow files say that is done otherwise."""
        from bench.experiment.workflow import workflow_notes

        return workflow_notes(self._files)


@dataclass(frozen=True)
class DataOptions(ModelOptions):
    """The same on other data."""

    data: Annotated[
        str | None, typer.Option("--data", "-d", help="CSV, Parquet, qlib folder, installed:NAME or planted:MARKET.")
    ] = None
    concepts: Annotated[
        str | None, typer.Option("--concepts", help="CSV or Parquet: symbol, concept[, start, end].")
    ] = None
    no_cache: NoCacheOption = False
    skip_bad_files: SkipOption = False

    def experiment(self, **changes: Any) -> ExperimentConfig:
        prepare(no_cache=self.no_cache)
        changes["data__skip_bad_files"] = self.skip_bad_files or None
        return super().experiment(data__source=self.data, data__concepts=self.concepts, **changes)


@dataclass(frozen=True)
class RunOptions(DataOptions):
    """All that decides what a run does."""

    seeds: Annotated[str | None, typer.Option("--seeds", help="How many (3), or which (0,5,7).")] = None
    device: DeviceOption = None
    name: Annotated[str | None, typer.Option("--name", help="Name of the run; default: the data's.")] = None
    scores: Annotated[
        list[str] | None,
        typer.Option(
            "--scores", help="NAME=FILE[,FILE...]: a row of scores from elsewhere, a file per seed; repeatable."
        ),
    ] = None
    missing_scores: Annotated[
        str | None,
        typer.Option("--missing-scores", help="refuse, or restrict all models to the rows that every such file has."),
    ] = None
    accept_data: Annotated[
        bool, typer.Option("--accept-data", help="Go on with data whose returns `data validate` shows to be wrong.")
    ] = False

    def experiment(self, **changes: Any) -> ExperimentConfig:
        from bench.interface.settings import scores_option, seed_list

        seeds = None if self.seeds is None else seed_list(self.seeds)
        changes |= {"scores": scores_option(self.scores), "missing_scores": self.missing_scores}
        return super().experiment(seeds=seeds, device=self.device, name=self.name, **changes)


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the fields of an options class in place of its parameter of that class."""
    groups, parameters = {}, []
    hints = get_type_hints(command, include_extras=True)
    for name, parameter in inspect.signature(command).parameters.items():
        if is_dataclass(hints[name]):
            groups[name] = hints[name]
            own = get_type_hints(hints[name], include_extras=True)
            parameters += [(f.name, own[f.name], f.default) for f in fields(hints[name])]
        else:
            parameters.append((name, hints[name], parameter.default))

    @wraps(command)
    def expanded(**given: Any) -> None:
        packed = {name: kind(**{f.name: given.pop(f.name) for f in fields(kind)}) for name, kind in groups.items()}
        command(**packed, **given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    signature = [inspect.Parameter(name, keyword, default=d, annotation=a) for name, a, d in parameters]
    expanded.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
    expanded.__annotations__ = {name: annotation for name, annotation, _ in parameters}
    return expanded


def say_formulas(names: list[str], safe: bool) -> None:
    if names:
        told = "are written with a ' before them" if safe else "would be executed (--safe-csv puts ' before them)"
        say(f"note: {len(names)} name(s) that a spreadsheet takes for formulas, such as {names[0]!r}, {told}")
