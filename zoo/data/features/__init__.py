"""The feature sets, by the name used in YAML, and what a list of names and columns makes of them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from pathlib import Path

from zoo.config import ColumnLabel, DataConfig
from zoo.data.features.alpha360 import Alpha360
from zoo.data.features.base import FeatureSet
from zoo.data.features.columns import Columns, Joined, parts_of
from zoo.data.features.factors import Alpha158, Alpha158Selected
from zoo.data.features.raw import Raw
from zoo.data.own.asked import LABEL, field_of, is_glob, matches, same_column
from zoo.data.panel import FIELDS
from zoo.errors import ConfigError, did_you_mean

FEATURE_SETS: dict[str, type[FeatureSet]] = {cls.name: cls for cls in (Raw, Alpha360, Alpha158, Alpha158Selected)}


def register_feature_set(cls: type[FeatureSet]) -> type[FeatureSet]:
    """Class decorator: a feature set of a plugin file, found under its `name` by `data.features`.

    Raises:
        ConfigError: it is no feature set, has no usable name, or the name is that of another set or field.
    """
    name = getattr(cls, "name", None)
    if not issubclass(cls, FeatureSet) or not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
        raise ConfigError(
            f"feature set {cls.__name__}: must be a FeatureSet with a name of 1 to 64 small letters, digits and '_'"
        )
    known = FEATURE_SETS.get(name)
    if name in FIELDS or (known is not None and inspect.getfile(known) != inspect.getfile(cls)):
        raise ConfigError(f"feature set {cls.__name__}: the name '{name}' is taken; choose another")
    FEATURE_SETS[name] = cls
    return cls


def own_sources(data: DataConfig) -> list[Path]:
    """The files of the sets of a configuration that plugins have registered."""
    files = (Path(inspect.getfile(FEATURE_SETS[entry])) for entry in data.entries if entry in FEATURE_SETS)
    return sorted({file for file in files if not file.is_relative_to(Path(__file__).parent)})


def make_feature_set(features: str | Sequence[str], lookback: int, fields: Sequence[str] | None = None) -> FeatureSet:
    """The feature set of a name, or of a list of names, columns and globs, for windows of `lookback` days.

    Args:
        fields: of the panel that will be seen. Without it a column is taken to be there, and globs cannot be told.

    Raises:
        ConfigError: an entry that is neither a set nor a column, one column asked for twice, or a lookback that a set
            does not offer.
    """
    entries = (features,) if isinstance(features, str) else tuple(features)
    if len(entries) == 1 and entries[0] in FEATURE_SETS:
        return FEATURE_SETS[entries[0]](lookback=lookback)  # type: ignore[call-arg]
    parts: list[FeatureSet] = []
    by_column: dict[str, str] = {}
    run: list[str] = []
    for entry in entries:
        if entry in FEATURE_SETS:
            parts += [Columns(run, lookback)] if run else []
            run = []
            parts.append(FEATURE_SETS[entry](lookback=lookback))  # type: ignore[call-arg]
            continue
        for name in _columns(entry, fields):
            if name in by_column:
                raise ConfigError(
                    f"data.features: column {name!r} is asked for twice, by {by_column[name]!r} and {entry!r}; "
                    f"leave one out"
                )
            by_column[name] = entry
            run.append(name)
    parts += [Columns(run, lookback)] if run else []
    return parts[0] if len(parts) == 1 else Joined(parts)


def features_of(data: DataConfig, fields: Sequence[str] | None = None) -> FeatureSet:
    """The feature set of a configuration; a label that is given is none of its columns."""
    if fields is not None and isinstance(data.label, ColumnLabel):
        fields = [name for name in fields if not same_column(data.label.column, name)]
    return make_feature_set(data.features, data.lookback, fields)


def resolved(data: DataConfig, fields: Sequence[str]) -> tuple[str, ...]:
    """What the features of a configuration are made of: its sets, and columns as spelled, globs written out."""
    found: list[str] = []
    for part in parts_of(features_of(data, fields)):
        found += part.columns if isinstance(part, Columns) else [part.name]
    return tuple(found)


def _columns(entry: str, fields: Sequence[str] | None) -> list[str]:
    if fields is None:
        if is_glob(entry):
            raise ConfigError(f"data.features: which columns {entry!r} matches only the data tell; name them here")
        if near := did_you_mean(entry, FEATURE_SETS):
            raise ConfigError(
                f"data.features: no feature set '{entry}'{near}; there are {', '.join(sorted(FEATURE_SETS))}, and "
                f"columns of the data, which are not known here"
            )
        return [field_of(entry) or entry]
    found = matches(entry, fields)
    if not found or (len(found) > 1 and not is_glob(entry)):
        there = ", ".join(name for name in fields if not name.startswith(LABEL))
        raise ConfigError(
            f"data.features: {entry!r} is no feature set and no column of the data"
            f"{did_you_mean(entry, [*FEATURE_SETS, *fields])}; there are the sets {', '.join(FEATURE_SETS)} and the "
            f"columns {there}"
        )
    return found
