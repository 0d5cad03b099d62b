"""From what a user gives, options of a command or keywords of a call, to an experiment."""

from __future__ import annotations

import json
import operator
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.experiment.config import ExperimentConfig, load_config
from bench.experiment.naming import run_name
from bench.experiment.presets import DEFAULT_CONFIG
from zoo.config import DataConfig
from zoo.errors import ConfigError, did_you_mean

_MOST_SEEDS = 10_000
_SECTIONS = ("train", "portfolio", "data", "data.label", "data.split")
"""Of these a mapping changes the keys that it names; any other value takes the place of what was there."""


def configure(
    config: str | Path | Sequence[Path] | None, settings: Mapping[str, Any], told: str = "--set"
) -> ExperimentConfig:
    """The experiment of a file (None: the built-in quick one; several: workflows) with dotted `settings` over it.

    It is named as well.

    Args:
        told: what an error calls the place that settings come from.

    Raises:
        ConfigError: as `load_config`.
    """
    file = config or DEFAULT_CONFIG
    experiment = load_config(file, dict(settings), told)
    if "name" in settings:
        return experiment
    source = load_config(file).data.source if "data.source" in settings else experiment.data.source
    first = Path(file if isinstance(file, (str, Path)) else file[0])
    return experiment.model_copy(update={"name": run_name(experiment, first, source)})


def dotted_settings(keywords: Mapping[str, Any], also: Iterable[str] = ()) -> dict[str, Any]:
    """Keys of an experiment and of its `data` section, each by its own name, as dotted keys of a configuration.

    Args:
        also: further names that a call knows, to tell the nearest of.

    Raises:
        ConfigError: a name that is neither; names the nearest.
    """
    known = dict.fromkeys([*ExperimentConfig.model_fields, *DataConfig.model_fields, *also])
    settings: dict[str, Any] = {}
    for name, value in keywords.items():
        if name not in known:
            raise ConfigError(
                f"compare(): unknown setting '{name}'{did_you_mean(name, known)}; settings are the keys of an "
                f"experiment and of its data section"
            )
        settings |= _flat(name if name in ExperimentConfig.model_fields else f"data.{name}", value)
    return settings


def _flat(dotted: str, value: Any) -> dict[str, Any]:
    if dotted not in _SECTIONS or not isinstance(value, Mapping):
        return {dotted: value}
    parts = [_flat(f"{dotted}.{key}", inner) for key, inner in value.items()]
    return {key: inner for part in parts for key, inner in part.items()}


def seed_list(seeds: int | str | Iterable[int]) -> list[int]:
    """A count (3, "3") as the first seeds, a list ([0, 5, 7], "0,5,7") as it is.

    Raises:
        ConfigError: neither, no seed or too many.
    """
    several = "," in seeds if isinstance(seeds, str) else isinstance(seeds, Iterable)
    try:
        parts = seeds.split(",") if isinstance(seeds, str) else seeds if isinstance(seeds, Iterable) else [seeds]
        numbers = [int(part) if isinstance(part, str) else operator.index(part) for part in parts]
    except (ValueError, TypeError):
        raise ConfigError(f"--seeds {seeds}: must be a count (3) or a list of numbers (0,5,7)") from None
    if several:
        return numbers
    if numbers[0] < 1:
        raise ConfigError(f"--seeds {seeds}: at least one seed is needed")
    if numbers[0] > _MOST_SEEDS:
        raise ConfigError(f"--seeds {seeds}: at most {_MOST_SEEDS:,} seeds; a list (0,5,7) names single ones")
    return list(range(numbers[0]))


def scores_option(given: Iterable[str] | None) -> dict[str, list[str]] | None:
    """`["mine=a.csv,b.csv"]` as a configuration has it.

    Raises:
        ConfigError: no name, no file, or a name twice.
    """
    found: dict[str, list[str]] = {}
    for text in given or ():
        name, equals, files = text.partition("=")
        name, several = name.strip(), [part.strip() for part in files.split(",") if part.strip()]
        if not (equals and name and several):
            raise ConfigError(f"--scores {text}: must be NAME=FILE or NAME=FILE,FILE, a file per seed")
        if name in found:
            raise ConfigError(
                f"--scores {text}: '{name}' is given twice; its files stand behind each other: {name}=A,B"
            )
        found[name] = several
    return found or None


def command_of(
    config: str | Path | None, models: str | None, settings: Mapping[str, Any], plugins: Iterable[str]
) -> list[str]:
    """The arguments of `python -m bench` that run the same trials."""
    arguments = ["run", *([str(config)] if config else []), *(["--models", models] if models else [])]
    arguments += [part for plugin in plugins for part in ("--plugin", plugin)]
    for key, value in settings.items():
        if key == "data.source":
            arguments += ["--data", str(value)]
        elif key == "seeds" and list(value) == list(range(len(value))):
            arguments += ["--seeds", str(len(value))]
        else:
            arguments += ["--set", f"{key}={json.dumps(value, default=str, ensure_ascii=False)}"]
    return arguments
