"""Figures of a report and of a trial, as SVG and PNG; `draw_figures` and `draw_trial_figures` are the entries.

Each is drawn from records alone, without torch, and the same records give the same bytes. matplotlib is imported when
something is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.advice.facts import Facts
from bench.records.store import RunStore
from bench.report.figures import accuracy, importance, inputs, portfolios, scaling, scores, training, trials
from bench.report.figures.kit.canvas import house_style
from bench.report.figures.material import Material
from zoo.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from bench.report.figures.kit.canvas import Canvas

FIGURES: dict[str, Callable[[Material], Canvas | None]] = {
    draw.__name__: draw
    for draw in (
        accuracy.pareto,
        accuracy.capture,
        *(scaling.scaling_lookback, scaling.scaling_stocks),
        inputs.feature_importance,
        *(importance.lag_importance, importance.field_importance),
        *(portfolios.cumulative_excess, portfolios.drawdown, portfolios.monthly_return),
        *(accuracy.cumulative_rank_ic, accuracy.ic_by_month, accuracy.ic_by_year),
        *(scores.score_distribution, scores.deciles, scores.calibration),
        training.training,
    )
}
"""The figures of a report by name; each answers None where its data were not measured."""

TRIAL_FIGURES: dict[str, Callable[[RunStore, dict[str, Any]], Canvas | None]] = {
    draw.__name__.removeprefix("trial_"): draw
    for draw in (trials.trial_training, trials.trial_predictions, trials.trial_distribution, trials.trial_importance)
}
"""The figures of a trial by name."""


def draw_figures(facts: Facts, store: RunStore, folder: Path, names: Sequence[str] | None = None) -> list[str]:
    """Write `<name>.svg` and `<name>.png` of every figure whose data exist; older ones of any other are removed.

    Args:
        store: the run that `facts` are about; series that `facts` do not hold are read from its records.
        names: of `FIGURES`; None draws all.

    Returns:
        The names that were drawn, in the order of `FIGURES`.

    Raises:
        ConfigError: an unknown name.
        DataError: a file cannot be written.
    """
    for name in names or ():
        if name not in FIGURES:
            raise ConfigError(f"no figure '{name}'{did_you_mean(name, list(FIGURES))}; there are {', '.join(FIGURES)}")
    material = Material(facts, store)
    chosen = {name: partial(draw, material) for name, draw in FIGURES.items() if names is None or name in names}
    for name in FIGURES.keys() - chosen.keys():
        _remove(folder, name)
    # Without figures matplotlib is not even imported.
    return _draw(chosen, folder) if chosen else []


def draw_trial_figures(store: RunStore, key: str, folder: Path) -> list[str]:
    """Write `<name>.svg` and `<name>.png` of those of `TRIAL_FIGURES` whose data exist; the names that were drawn.

    Raises:
        ConfigError: no such trial.
        DataError: a file cannot be written.
    """
    record = store.record(key)
    if record is None:
        raise ConfigError(f"run '{store.name}' has no finished trial '{key}'{did_you_mean(key, store.keys())}")
    return _draw({name: partial(draw, store, record) for name, draw in TRIAL_FIGURES.items()}, folder)


def _draw(figures: dict[str, Callable[[], Canvas | None]], folder: Path) -> list[str]:
    drawn = []
    with house_style():
        for name, draw in figures.items():
            if (canvas := draw()) is None:
                _remove(folder, name)
            else:
                canvas.save(folder, name)
                drawn.append(name)
    return drawn


def _remove(folder: Path, name: str) -> None:
    """What an earlier report drew would be taken for this one's."""
    for ending in (".svg", ".png"):
        (folder / f"{name}{ending}").unlink(missing_ok=True)
