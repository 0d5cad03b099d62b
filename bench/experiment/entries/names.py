"""Names of an experiment's models -> networks and data; globs over them. The one place that does. Imports no torch.

An entry of `models` that is no registered model is a variant: `gru_big: {model: gru, params: {hidden_size: 128}}`.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from bench.experiment.config import ALL, ExperimentConfig, ModelEntry
from zoo.config import DataConfig
from zoo.errors import ConfigError, ModelError, did_you_mean

OWN_DATA = ("features", "lookback")
"""What of the data a model may have for itself: how it sees them, not what it is scored on."""


def network_of(name: str, models: Mapping[str, Any]) -> str:
    """The registered model that a name of an experiment stands for.

    Args:
        models: `models` of a configuration, or of a run's stored one.
    """
    entry = models.get(name)
    named = entry.get("model") if isinstance(entry, Mapping) else getattr(entry, "model", None)
    return named or name


def is_variant(entry: Any) -> bool:
    """Whether an entry of a run's stored `models` names its network or sees the data in a way of its own."""
    return bool(entry and (entry.get("model") or entry.get("data")))


def data_of(name: str, config: ExperimentConfig) -> DataConfig:
    """The data as a model sees them: the experiment's, with the features and the lookback of its own.

    Raises:
        ConfigError: another key, which would give it other rows or labels than its neighbours; a bad value.
    """
    entry = config.models.get(name)
    if entry is None or not entry.data:
        return config.data
    where = f"models.{name}.data"
    for key in entry.data:
        if key in OWN_DATA:
            continue
        if key in DataConfig.model_fields:
            raise ConfigError(
                f"{where}: '{key}' is shared by all models, since they are compared on the same days, stocks and "
                f"labels; a model of its own may have {' and '.join(OWN_DATA)}. Set data.{key}"
            )
        raise ConfigError(f"{where}: unknown key '{key}'{did_you_mean(key, OWN_DATA)}; there are {', '.join(OWN_DATA)}")
    try:
        seen = DataConfig.model_validate({name: entry.data[name] for name in entry.data})
    except ValidationError as error:
        raise ConfigError(f"{where}.{first_problem(error)}") from None
    return config.data.model_copy(update={key: getattr(seen, key) for key in entry.data})


def seen_by(name: str, config: ExperimentConfig) -> ExperimentConfig:
    """The experiment with the data as one of its models sees them."""
    return config.model_copy(update={"data": data_of(name, config)})


def first_problem(error: ValidationError) -> str:
    """Key, reason and value of the first thing that is wrong with a section."""
    problem = error.errors()[0]
    reason = problem["msg"].removeprefix("Value error, ")
    return f"{problem['loc'][0]}: {reason[0].lower()}{reason[1:]}, got {problem['input']!r}"


def reading_of(config: ExperimentConfig, names: Iterable[str]) -> DataConfig:
    """The data as they are read for some models: one panel, with the columns that any of them asks for."""
    asked = tuple(dict.fromkeys(entry for name in names for entry in data_of(name, config).entries))
    if set(asked) == set(config.data.entries):
        return config.data
    return config.data.model_copy(update={"features": asked[0] if len(asked) == 1 else asked})


def first_day_of(config: ExperimentConfig, names: Iterable[str], fields: Sequence[str]) -> int:
    """The first calendar position on which every model has a whole row: the largest warm-up.

    Args:
        fields: of the panel.
    """
    return max(warmup_of(data_of(name, config), fields) for name in names)


def warmup_of(data: DataConfig, fields: Sequence[str]) -> int:
    """Days before a day that a row reads at most, as features and lookback have it."""
    from zoo.data.features import features_of

    return features_of(data, fields).warmup


def models_of(config: ExperimentConfig) -> list[str]:
    """The models of a configuration, in its order; `all`, and none named, stand for every model.

    Raises:
        ConfigError: settings of a model that there is not, or of several at once; a variant that cannot be.
    """
    try:
        return find_models(["*" if name == ALL else name for name in config.models] or "*", config)
    except ModelError as error:
        raise ConfigError(f"models: {error}") from None


def find_models(patterns: str | Iterable[str], config: ExperimentConfig) -> list[str]:
    """As `zoo.registry.find_models`, the variants of the experiment among the names.

    Raises:
        ConfigError: as `models_of`.
        ModelError: an entry matches nothing; names the nearest model.
    """
    from zoo import registry

    variants = _variants(config, registry.list_models())
    return matching(patterns, sorted([*registry.list_models(), *variants]))


def matching(patterns: str | Iterable[str], known: list[str]) -> list[str]:
    """Those of some names that a comma list (or several) of names and globs match, in its order, each once.

    Raises:
        ModelError: an entry matches nothing; names the nearest.
    """
    entries = patterns.split(",") if isinstance(patterns, str) else list(patterns)
    found: dict[str, None] = {}
    for entry in filter(None, (e.strip() for e in entries)):
        # Exactly as written first: without case two names are never the same.
        matches = [name for name in known if name == entry] or [
            name for name in known if fnmatch.fnmatchcase(name.lower(), entry.lower())
        ]
        if not matches:
            raise ModelError(f"no model '{entry}'{did_you_mean(entry, known)}; there are {', '.join(known)}")
        found.update(dict.fromkeys(matches))
    if not found:
        raise ModelError(f"no model named; there are {', '.join(known)}")
    return list(found)


def check_name(name: str, where: str, taken: Iterable[str]) -> None:
    """Raises ConfigError unless a name can stand beside those `taken` in tables, globs and names of cells."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_]{0,63}", name, re.ASCII) or name.lower() == ALL:
        raise ConfigError(
            f"{where}: the name {name[:80]!r} must be 1 to 64 letters, digits and '_', the first no '_', "
            f"and not '{ALL}': it names a row, measured cells and what --models matches"
        )
    same = next((other for other in taken if other.lower() == name.lower()), None)
    if same is not None:
        raise ConfigError(f"{where}: the name '{name}' is taken by '{same}'; choose another")


def _variants(config: ExperimentConfig, known: list[str]) -> list[str]:
    """The names of the variants, checked."""
    found: list[str] = []
    for name, entry in config.models.items():
        if name in known:
            if entry.model not in (None, name):
                raise ConfigError(
                    f"models.{name}: '{name}' is a model itself and cannot be '{entry.model}'; give the variant a name "
                    f"of its own, such as {entry.model}_2: {{model: {entry.model}}}"
                )
        elif entry.model is not None:
            check_name(name, "models", [*known, *found])
            if entry.model not in known:
                other = " (a variant names a registered model)" if entry.model in config.models else ""
                raise ConfigError(
                    f"models.{name}.model: no model '{entry.model}'{did_you_mean(entry.model, known)}{other}; "
                    f"there are {', '.join(known)}"
                )
            found.append(name)
        elif entry != ModelEntry():
            if name == ALL:
                raise ConfigError(f"models.{ALL}: takes no settings; what all models share stands under train")
            raise ConfigError(
                f"models: no model '{name}'{did_you_mean(name, known)}; a variant under a name of its own says which "
                f"network it is, such as {name}: {{model: gru}}"
            )
    return found
