"""The capability table: an overall score by a stated formula, and what each model is measurably good and bad at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from bench.advice.facts import Facts
from bench.experiment.presets import CAPABILITY_CONFIG
from bench.records.strict_yaml import read_section
from bench.text.cells import Cell
from zoo.config import Section


class Ability(Section):
    """One part of the score."""

    weight: float = Field(gt=0, description="share of the score; the weights are divided by their sum")
    cell: str = Field(description="name of the cell, {model} standing for the model")
    zero: float = Field(default=0.0, description="value of the cell that counts 0")
    one: float = Field(default=1.0, description="value of the cell that counts 1")
    scale: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _usable(self) -> Ability:
        if self.zero == self.one or (self.scale == "log" and min(self.zero, self.one) <= 0):
            raise ValueError("zero and one must differ, and be above 0 on a log scale")
        return self

    def count(self, value: float) -> float:
        """The value between 0 and 1; NaN stays NaN."""
        if self.scale == "log":
            share = math.log(max(value, 1e-300) / self.zero) / math.log(self.one / self.zero)
        else:
            share = (value - self.zero) / (self.one - self.zero)
        return float(np.clip(share, 0.0, 1.0))

    def rated(self, cell: Cell) -> Cell:
        """The cell counted between 0 and 1, its interval with it."""
        low, high = sorted(map(self.count, (cell.low, cell.high))) if cell.has_interval else (math.nan, math.nan)
        return Cell(cell.id, self.count(cell.value) if cell.measured else math.nan, low, high)


class CapabilityConfig(Section):
    """`configs/capability.yaml`."""

    abilities: dict[str, Ability] = Field(min_length=1)


@lru_cache
def load_capability(path: Path = CAPABILITY_CONFIG) -> CapabilityConfig:
    """The formula of the score.

    Raises:
        ConfigError: unreadable, an unknown key or a bad value.
    """
    return read_section(path, CapabilityConfig)


@dataclass(frozen=True)
class Capability:
    """What one model can do.

    Attributes:
        score: 0 .. 10 with interval; without value unless every ability was measured.
        cells: the measured cell behind each ability.
        strengths, weaknesses: abilities in which it is surely above 0 and cannot be told from the best, or is surely
            below the median.
    """

    model: str
    score: Cell
    cells: dict[str, Cell]
    strengths: tuple[str, ...]
    weaknesses: tuple[str, ...]


def assess(facts: Facts) -> list[Capability]:
    """Every model of the report or the capture matrix, best score first, those without a score last."""
    abilities = load_capability().abilities
    models = list(facts.models)
    if facts.matrix is not None:
        models += [m for m in facts.matrix.frame["model"] if m not in models]
    cells = {m: {name: facts.cell(a.cell.replace("{model}", m)) for name, a in abilities.items()} for m in models}
    rated = {m: {name: abilities[name].rated(c) for name, c in own.items()} for m, own in cells.items()}
    # Where the matrix knows a model from a variant only, or not at all, it has no cell and so no rank.
    assessed = []
    for model in models:
        strengths = tuple(n for n in abilities if _is_best(n, model, rated))
        weaknesses = tuple(n for n in abilities if n not in strengths and _is_low(n, model, rated))
        score = _score(model, rated[model], abilities)
        assessed.append(Capability(model, score, cells[model], strengths, weaknesses))
    return sorted(assessed, key=lambda c: (not c.score.measured, -c.score.value if c.score.measured else 0.0))


def _score(model: str, rated: dict[str, Cell], abilities: dict[str, Ability]) -> Cell:
    """10 x the weighted mean; half-widths add in quadrature, a cell without interval adds none."""
    total = sum(a.weight for a in abilities.values())
    name = f"score.{model}.score"
    if not all(c.measured for c in rated.values()):
        return Cell(name, math.nan)
    value = 10 * sum(abilities[n].weight * c.value for n, c in rated.items()) / total
    halves = [abilities[n].weight * (c.high - c.low) / 2 for n, c in rated.items() if c.has_interval]
    half = 10 * math.sqrt(sum(h * h for h in halves)) / total
    return Cell(name, value, value - half, value + half)


def _is_best(ability: str, model: str, rated: dict[str, dict[str, Cell]]) -> bool:
    """First, or not surely below the first; a cell at 0, or whose interval reaches it, is no strength."""
    own = rated[model][ability]
    best = max((c[ability] for c in rated.values() if c[ability].measured), key=lambda c: c.value, default=None)
    if best is None or not own.measured or own.value <= 0.1 or own.least <= 0:
        return False
    return own.most >= best.least


def _is_low(ability: str, model: str, rated: dict[str, dict[str, Cell]]) -> bool:
    """Surely below the median of all models."""
    values = [c[ability].value for c in rated.values() if c[ability].measured]
    return rated[model][ability].measured and rated[model][ability].most < float(np.median(values))
