"""The errors a user can cause. Each message names what, where and what to do; the CLI prints it and exits 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ZooError(Exception):
    """Bad input of any kind; the message is complete on its own and is shown without a traceback."""


class ConfigError(ZooError):
    """A configuration file, key or value that cannot be used."""


class DataError(ZooError):
    """A data source that cannot be read as daily stock data."""


class ModelError(ZooError):
    """An unknown model, or one whose parameters or requirements are not met."""


class UnavailableError(ModelError):
    """A model that cannot run here (no concepts, a package missing): its trial fails, the others go on."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`" (did you mean 'alstm'?)"` for the nearest of `known`, or an empty string when none is near."""
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f" (did you mean '{by_lower[near[0]]}'?)" if near else ""
