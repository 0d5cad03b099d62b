"""Experiments as YAML: loading, overrides, and errors that name file, line, key and the nearest valid key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from bench.experiment.entries.sections import ModelEntry, PortfolioConfig
from bench.experiment.workflow import read_experiment
from bench.records.strict_yaml import parse_yaml
from zoo.config import COLUMN, FORWARD, DataConfig, Section, Size, TrainConfig
from zoo.errors import ConfigError, did_you_mean

ALL = "all"


class ExperimentConfig(Section):
    """A whole experiment: one dataset, one treatment, some models, some seeds."""

    added = frozenset({"horizons", "scores", "missing_scores"})

    name: str = Field(default="quick", description="names the run: results/runs/<name>")
    protocol: str = Field(default="uniform", description="what the settings follow, printed in the report")
    note: str = Field(default="", description="one sentence printed under the setup line")
    data: DataConfig = DataConfig()
    train: TrainConfig = TrainConfig()
    portfolio: PortfolioConfig = PortfolioConfig()
    models: dict[str, ModelEntry] = Field(
        default={},
        description="model -> {params, train, data}, variant -> {model, params, ...}, or names and globs: 'a*,tcn'; "
        "`all` stands for every model, also beside "
        "those that have settings of their own; all of them run by default",
    )
    scores: dict[str, list[str]] = Field(
        default={}, description="rows of scores from elsewhere: name -> a file of date, symbol, score, or one per seed"
    )
    missing_scores: Literal["refuse", "restrict"] = Field(
        default="refuse",
        description="restrict: where such files lack rows of test days, all models are scored on the rows they have",
    )
    size: Size = Field(
        default="default", description="which of its declared sizes each network has: default, quick or published"
    )
    baseline: str | None = Field(default="linear", description="model that differences are taken to; always run")
    seeds: list[int] = Field(default=[0, 1, 2], min_length=1, description="a trial of every model for each of them")
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="where networks are trained; auto: on a GPU if there is one"
    )
    matrix: str = Field(default="", description="the capture matrix that the run is a part of; set by `markets`")
    markets: list[str] = Field(
        default=[],
        description="planted markets, or `all`, each a run <name>-<market> of its own; together the capture matrix",
    )

    horizons: list[int] = Field(
        default=[], description="each a run <name>-h<days> of its own; set by a list in data.label.horizon"
    )

    @model_validator(mode="before")
    @classmethod
    def _several_horizons(cls, value: Any) -> Any:
        return with_horizons(value)

    @field_validator("name")
    @classmethod
    def _safe_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name):
            raise ValueError("must be 1 to 80 letters, digits, '.', '_' or '-', starting with a letter or digit")
        return name

    @field_validator("models", mode="before")
    @classmethod
    def _empty_entries(cls, value: Any) -> Any:
        value = _by_name(value)
        if isinstance(value, dict):
            return {name: {} if entry is None else entry for name, entry in value.items()}
        return value

    @field_validator("scores", mode="before")
    @classmethod
    def _one_file(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: [files] if isinstance(files, str) else files for name, files in value.items()}
        return value

    @field_validator("scores")
    @classmethod
    def _some_file(cls, scores: dict[str, list[str]]) -> dict[str, list[str]]:
        for name, files in scores.items():
            if not files or not all(files):
                raise ValueError(f"'{name}' names no file")
        return scores

    @field_validator("markets", mode="before")
    @classmethod
    def _all_markets(cls, value: Any) -> Any:
        from zoo.data.sources.planted import list_markets

        return list_markets() if value == ALL else value

    @field_validator("markets")
    @classmethod
    def _known_markets(cls, markets: list[str]) -> list[str]:
        from zoo.data.sources.planted import get_market

        for market in markets:
            try:
                get_market(market)
            except ConfigError as error:
                raise ValueError(str(error)) from None
        if len(set(markets)) != len(markets):
            raise ValueError("must be different")
        return markets

    @model_validator(mode="after")
    def _planted_source(self) -> ExperimentConfig:
        if self.markets and not self.data.source.startswith("planted:"):
            raise ValueError(f"markets are planted, but data.source is {self.data.source}")
        if self.markets and self.scores:
            raise ValueError("markets are several data sets, but scores are of one; give --scores with one market")
        return self

    @field_validator("seeds")
    @classmethod
    def _unique_seeds(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) != len(seeds) or min(seeds) < 0 or max(seeds) >= 2**32:
            raise ValueError("must be different and within 0 .. 4294967295")
        return seeds


def with_horizons(document: Any) -> Any:
    """A document whose `data.label.horizon` is a list, with that list as `horizons` and its first in its place.

    Raises:
        ValueError: the list is empty, repeats itself, or holds what is no number of days.
    """
    data: Any = document.get("data") if isinstance(document, dict) else None
    label: Any = data.get("label") if isinstance(data, dict) else None
    days = label.get("horizon") if isinstance(label, dict) else None
    if not isinstance(days, list):
        return document
    if not days or not all(isinstance(d, int) and not isinstance(d, bool) and d >= 1 for d in days):
        raise ValueError(
            f"data.label.horizon: must be days from 1 on, or a list of them such as [1, 5, 20], got {days}"
        )
    if len(set(days)) < len(days):
        raise ValueError(f"data.label.horizon: must be different, got {days}")
    data = {**data, "label": {**label, "horizon": days[0]}}
    return {**document, "data": data, "horizons": days if len(days) > 1 else []}


def _by_name(models: Any) -> Any:
    """`a*,tcn` or `all` as a mapping without settings; anything else as it is."""
    return dict.fromkeys(part.strip() for part in models.split(",")) if isinstance(models, str) else models


def load_config(
    path: str | Path | Sequence[Path] | None, overrides: dict[str, Any] | None = None, told: str = "--set"
) -> ExperimentConfig:
    """The experiment of a YAML file (None: all defaults), with dotted `overrides` applied on top.

    A workflow of qlib, or several, are translated; see `bench.experiment.workflow`.

    Args:
        told: what an error calls the place that overrides come from.

    Raises:
        ConfigError: unreadable file, bad YAML, unknown key, bad value; names file, line, key and nearest valid key.
    """
    document, lines, file = read_experiment(path)
    overrides = overrides or {}
    _switch_split(document, overrides)
    if "models" in document:
        document["models"] = _by_name(document["models"])
    for dotted, value in overrides.items():
        _assign(document, dotted, value, told)
    try:
        return ExperimentConfig.model_validate(document)
    except ValidationError as error:
        raise ConfigError(_explain(error, document, lines, file, list(overrides), told)) from None


def parse_override(text: str) -> tuple[str, Any]:
    """`"train.lr=5e-4"` -> `("train.lr", "5e-4")`, the value read as YAML.

    Raises:
        ConfigError: no `=`, or a value that is not YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text}: must be KEY=VALUE, for example train.lr=5e-4")
    try:
        return key.strip(), parse_yaml(value)[0]
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that does not exist
        raise ConfigError(f"--set {text}: the value is not YAML: {error}") from None


def _switch_split(document: dict[str, Any], overrides: dict[str, Any]) -> None:
    """Where `--set` changes the mode of the split, drop the segments of the other mode, which mean nothing in it."""
    data = document.get("data")
    split = data.get("split") if isinstance(data, dict) else None
    mode = overrides.get("data.split.mode")
    if isinstance(data, dict) and isinstance(split, dict) and mode not in (None, split.get("mode", "fixed")):
        data["split"] = {key: split[key] for key in ("embargo", "force") if key in split}


def _assign(document: dict[str, Any], dotted: str, value: Any, told: str) -> None:
    *parents, last = dotted.split(".")
    here = document
    for parent in parents:
        if here.get(parent) is None:
            here[parent] = {}
        here = here[parent]
        if not isinstance(here, dict):
            raise ConfigError(f"{told} {dotted}: '{parent}' is a value, not a section")
    here[last] = value


def _explain(
    error: ValidationError,
    document: dict[str, Any],
    lines: dict[tuple[str, ...], int],
    file: Path | None,
    overrides: list[str],
    told: str,
) -> str:
    messages = []
    for problem in error.errors():
        # Pydantic puts the tag of a union into the location; a user's key path does not have it.
        path = tuple(str(p) for p in problem["loc"] if p not in ("fixed", "walk_forward", FORWARD, COLUMN))
        value = problem.get("input")
        if problem["type"] == "split_mode":
            path, value = (*path, "mode"), value.get("mode") if isinstance(value, dict) else value
        dotted = ".".join(path)
        if any(dotted == key or dotted.startswith(f"{key}.") for key in overrides):
            where = told
        else:
            where = str(file or "configuration") + (f", line {lines[path]}" if path in lines else "")
            where += f" with {told}" if any(key.startswith(f"{dotted}.") for key in overrides) else ""
        if problem["type"] == "extra_forbidden":
            known = _known_keys(path[:-1], document)
            messages.append(f"{where}: unknown key '{dotted}'{did_you_mean(path[-1], known)}")
            continue
        reason = problem["msg"].removeprefix("Value error, ")
        shown = "" if isinstance(value, dict) else f", got {value!r}"
        messages.append(f"{where}: '{dotted}': {reason[0].lower()}{reason[1:]}{shown}")
    return "\n".join(messages)


def _known_keys(path: tuple[str, ...], document: dict[str, Any]) -> list[str]:
    """The keys a section at `path` may have."""
    section: type[Section] = ExperimentConfig
    here: Any = document
    parts = list(path)
    while parts:
        part = parts.pop(0)
        here = here.get(part, {}) if isinstance(here, dict) else {}
        annotation = section.model_fields[part].annotation if part in section.model_fields else None
        if get_origin(annotation) in (dict, tuple):
            section = next(a for a in get_args(annotation) if isinstance(a, type) and issubclass(a, Section))
            if parts:
                parts.pop(0)
            continue
        choices = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, Section)]
        if not choices:
            choices = [
                inner
                for a in get_args(annotation)
                for inner in get_args(a)[:1]
                if isinstance(inner, type) and issubclass(inner, Section)
            ]
        if not choices:
            return []
        other = isinstance(here, dict) and (here.get("mode") == "walk_forward" or {"column", "reach"} & here.keys())
        section = choices[-1] if other else choices[0]
    return list(section.model_fields)
