"""Published claims about the models, each confirmed, refuted or not decided by measured cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from bench.advice.capability import assess
from bench.advice.facts import Facts
from bench.experiment.presets import CLAIMS_CONFIG
from bench.records.strict_yaml import read_section
from bench.text.cells import Cell, cell
from bench.text.language import listed, translate
from zoo.config import Section

MEDIAN = "median"

Verdict = Literal["confirmed", "refuted", "not decided"]


class Comparison(Section):
    """One comparison that a claim implies."""

    cell: str = Field(description="name of a cell: table.model.column")
    above: float | str | None = Field(default=None, description="number, name of another cell, or median")
    below: float | str | None = Field(default=None, description="number, name of another cell, or median")

    @model_validator(mode="after")
    def _one_direction(self) -> Comparison:
        if (self.above is None) == (self.below is None):
            raise ValueError("give either above or below")
        return self


class Claim(Section):
    """A published claim and what would confirm it."""

    id: str
    model: str
    claim: str
    tests: list[Comparison] = Field(min_length=1)
    needs: list[str] = Field(default=[], description="words of which the name of the data must hold one")


class ClaimsConfig(Section):
    """`configs/claims.yaml`."""

    claims: list[Claim]

    @model_validator(mode="after")
    def _different(self) -> ClaimsConfig:
        names = [c.id for c in self.claims]
        twice = next((n for n in names if names.count(n) > 1), None)
        if twice is not None:
            raise ValueError(f"the id '{twice}' is given twice")
        return self


class Outcome(NamedTuple):
    """A comparison made: the cell, its asked relation to another, and whether that holds; None = cannot be told."""

    cell: Cell
    relation: Literal["above", "below"]
    other: Cell
    holds: bool | None


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict.

    Attributes:
        compared: what each of its tests gave.
        why: why nothing was compared; empty where something was.
    """

    claim: Claim
    verdict: Verdict
    compared: tuple[Outcome, ...]
    why: str = ""


@lru_cache
def load_claims(path: Path = CLAIMS_CONFIG) -> ClaimsConfig:
    """The claims of a file.

    Raises:
        ConfigError: unreadable, an unknown key or a bad value.
    """
    return read_section(path, ClaimsConfig)


def judged_claims(facts: Facts) -> list[Judged]:
    """Every published claim, by the cells of a report and the scores that rest on them."""
    cells = facts.cells | {one.score.id: one.score for one in assess(facts)}
    return [judge(claim, cells, facts.run["data"]["name"]) for claim in load_claims().claims]


def judge(claim: Claim, cells: Mapping[str, Cell], data: str) -> Judged:
    """Compare what a claim implies with what was measured.

    A cell is above another where their 95 % intervals do not overlap, of timings what a repeat may differ by; a cell
    without interval counts as exact.
    That is stricter than a paired test, so a verdict is never bolder than the data.

    Args:
        cells: every measured cell by name.
        data: name of the data of the report.
    """
    if claim.needs and not any(word.lower() in data.lower() for word in claim.needs):
        return Judged(claim, "not decided", (), translate("needs {names} data", names=listed(claim.needs, " or ")))
    compared = tuple(_compare(test, cells) for test in claim.tests)
    missing = [c.id for c in (*(o.cell for o in compared), *(o.other for o in compared)) if not c.measured]
    outcomes = [outcome.holds for outcome in compared]
    verdict: Verdict = "refuted" if False in outcomes else "confirmed" if all(outcomes) else "not decided"
    return Judged(claim, verdict, compared, translate("not measured: {cell}", cell=missing[0]) if missing else "")


def _compare(test: Comparison, cells: Mapping[str, Cell]) -> Outcome:
    measured = cell(cells, test.cell)
    if test.above is not None:
        other = _target(test.above, test.cell, cells)
        return Outcome(measured, "above", other, _is_above(measured, other))
    assert test.below is not None
    other = _target(test.below, test.cell, cells)
    return Outcome(measured, "below", other, _is_above(other, measured))


def _is_above(a: Cell, b: Cell) -> bool | None:
    if not (a.measured and b.measured):
        return None
    return True if a.least > b.most else False if a.most < b.least else None


def is_given(cell: Cell) -> bool:
    """Whether it is a number that a claim names, not one that was measured."""
    return cell.id == f"{cell.value:g}"


def _target(target: float | str, name: str, cells: Mapping[str, Cell]) -> Cell:
    if not isinstance(target, str):
        return Cell(f"{target:g}", float(target))
    if target != MEDIAN:
        return cell(cells, target)
    table, _, rest = name.partition(".")
    model, _, column = rest.rpartition(".")
    others = [
        c.value
        for key, c in cells.items()
        if key.startswith(f"{table}.") and key.endswith(f".{column}") and key != name and c.measured
        # Variants of a model are not other models.
        if "[" not in key and key.partition(".")[2].rpartition(".")[0] != model.partition("[")[0]
    ]
    return Cell(f"{table}.median.{column}", float(np.median(others)) if others else float("nan"))
