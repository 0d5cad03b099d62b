"""The metric registry: one file and one decorator add a metric.

`@register_metric` on a function of a day's scores, or `@register_summary` on one of the daily frame, makes it a column
of frames and tables, a definition and a key of the JSON. Every module of this room is imported on first use; a file
from elsewhere is added by `zoo.registry.load_plugin`.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from bench.metrics.scored import Scored
from zoo.errors import ConfigError, did_you_mean

Direction = Literal["higher", "lower", "neither"]
Pooled = Literal["days", "rows"]
Shown = Literal["table", "frame", "daily"]
Function = Callable[[Any], Any]

_metrics: dict[str, Metric] = {}
_scanned = False


@dataclass(frozen=True)
class Metric:
    """What the registry knows of a metric.

    Attributes:
        name: column of the frames and key of the JSON, lower case.
        title: as printed; in other languages its translation, where there is one.
        definition: one sentence with the formula.
        function: of `Scored` to the daily series `[D]`, NaN = no value; where `derived`, of the daily frame to a float.
        direction: which values are better.
        format: of the printed value, as `format` takes it.
        unit: printed behind the title; empty for a pure number.
        pooled: `days` weighs each day with a value alike, `rows` each (day, stock).
        shown: `table` = column of the main table too, `frame` = of frames and JSON only, `daily` = an ingredient of
            others, kept per day only.
        derived: made of the daily frame, on reading; not a series itself.
        interval: has a 95 % interval over days and a standard deviation over seeds.
    """

    name: str
    title: str
    definition: str
    function: Function
    direction: Direction = "higher"
    format: str = ".4f"
    unit: str = ""
    pooled: Pooled = "days"
    shown: Shown = "table"
    derived: bool = False
    interval: bool = True

    @property
    def in_table(self) -> bool:
        return self.shown == "table"

    @property
    def in_frame(self) -> bool:
        return self.shown != "daily"

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns of the leaderboard frame: `name`, and with an interval `name_half` and `name_seed_sd`."""
        return (self.name, f"{self.name}_half", f"{self.name}_seed_sd") if self.interval else (self.name,)

    @property
    def source_file(self) -> Path:
        return Path(inspect.getfile(self.function))

    def series(self, scored: Scored) -> np.ndarray:
        """The daily series `[D]` float64.

        Raises:
            ConfigError: the function fails, or does not give one number a day.
        """
        try:
            values = np.asarray(self.function(scored), dtype=np.float64)
        except Exception as error:
            raise ConfigError(f"{self._where}: {type(error).__name__}: {error}") from error
        if values.shape != scored.score.shape[:1]:
            raise ConfigError(
                f"{self._where}: gives shape {values.shape} for {len(scored.score)} days, needs one number a day"
            )
        return values

    def value(self, daily: pd.DataFrame) -> float:
        """The figure of a daily frame; NaN where no day has a value.

        Raises:
            ConfigError: the function of a derived one fails.
        """
        if self.derived:
            try:
                return float(self.function(daily))
            except Exception as error:
                raise ConfigError(f"{self._where}: {type(error).__name__}: {error}") from error
        return mean_over_rows(daily, self.name) if self.pooled == "rows" else mean_over_days(daily, self.name)

    @property
    def _where(self) -> str:
        return f"metric '{self.name}' of {self.source_file}"


def register_metric(
    name: str,
    *,
    title: str,
    definition: str,
    direction: Direction = "higher",
    format: str = ".4f",
    unit: str = "",
    pooled: Pooled = "days",
    shown: Shown = "table",
    interval: bool | None = None,
) -> Callable[[Function], Function]:
    """Decorator of a function from `Scored` to the daily series `[D]`; see `Metric` for the arguments.

    Args:
        interval: None = where days are pooled alike; what is pooled by rows has none.

    Raises:
        ConfigError: a name that is taken or is no lower-case identifier.
    """
    has_interval = pooled == "days" and interval is not False
    return _registered(
        name, title, definition, direction, format, unit, pooled=pooled, shown=shown, interval=has_interval
    )


def register_summary(
    name: str,
    *,
    title: str,
    definition: str,
    direction: Direction = "higher",
    format: str = ".3f",
    unit: str = "",
    shown: Shown = "table",
) -> Callable[[Function], Function]:
    """Decorator of a function from the daily frame of one seed, all folds, to a float; the mean over seeds is shown.

    Raises:
        ConfigError: as `register_metric`.
    """
    return _registered(name, title, definition, direction, format, unit, shown=shown, derived=True, interval=False)


def _registered(
    name: str, title: str, definition: str, direction: Direction, form: str, unit: str, **settings: Any
) -> Callable[[Function], Function]:
    def register(function: Function) -> Function:
        if name != name.lower() or not name.isidentifier() or len(name) > 64:
            raise ConfigError(f"metric name {name[:80]!r} must be lower-case letters, digits and '_', at most 64")
        taken, file = _metrics.get(name), Path(inspect.getfile(function))
        if taken is not None and taken.source_file != file:
            raise ConfigError(f"metric '{name}' is already registered by {taken.source_file}")
        _metrics[name] = Metric(name, title, definition, function, direction, form, unit, **settings)
        return function

    return register


def _scan() -> None:
    global _scanned
    if not _scanned:
        _scanned = True
        for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
            importlib.import_module(f"{__package__}.{module.name}")


def list_metrics(*, derived: bool | None = None) -> list[Metric]:
    """All metrics, those of the package first, in the order of their files.

    Args:
        derived: False = the daily series only, True = only what is made of them.
    """
    _scan()
    own = Path(__file__).parent
    ordered = sorted(_metrics.values(), key=lambda m: m.source_file.parent != own)
    return [m for m in ordered if derived is None or m.derived == derived]


def metric(name: str) -> Metric:
    """One metric.

    Raises:
        ConfigError: no such metric; names the nearest one.
    """
    _scan()
    if name not in _metrics:
        raise ConfigError(f"no metric '{name}'{did_you_mean(name, _metrics)}; there are {', '.join(_metrics)}")
    return _metrics[name]


def mean_over_days(daily: pd.DataFrame, name: str) -> float:
    """Mean of the finite entries of a column; NaN where there are none."""
    values = daily[name].to_numpy(dtype=float)
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def mean_over_rows(daily: pd.DataFrame, name: str) -> float:
    """The same with each day weighed by its `names`."""
    values = daily[name].to_numpy(dtype=float)
    weight = np.where(np.isfinite(values), daily["names"].to_numpy(dtype=float), 0.0)
    rows = weight.sum()
    # A sum over no rows would read as an error of 0, the best there is.
    return float(np.nansum(values * (weight / rows))) if rows > 0 else float("nan")
