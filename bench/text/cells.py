"""Measured cells by name: what sentences quote, and what a check can compute again.

A cell is called `table.row.column`, for example `capture.tcn.local`; its interval comes with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

BOUNDS = ("_low", "_high", "_half")
DASH = "–"


@dataclass(frozen=True)
class Cell:
    """One measured figure.

    Formats like its value (a dash where there is none); a format that ends in `~` adds the interval in
    brackets, one that ends in `±` its half-width.

    Attributes:
        id: `table.row.column`.
        value: NaN = not measured.
        low, high: 95 % interval; NaN = none.
        measured_as: the cell before it was scaled for printing; None = this one.
    """

    id: str
    value: float
    low: float = math.nan
    high: float = math.nan
    measured_as: Cell | None = field(default=None, repr=False, compare=False)

    def __format__(self, spec: str) -> str:
        if spec.endswith("~"):
            plain = spec[:-1]
            if not self.has_interval:
                return digits(self.value, plain)
            return f"{digits(self.value, plain)} [{digits(self.low, plain)}, {digits(self.high, plain)}]"
        if spec.endswith("±"):
            plain = spec[:-1]
            if not self.has_interval:
                return digits(self.value, plain)
            return f"{digits(self.value, plain)} ± {digits((self.high - self.low) / 2, plain.lstrip('+'))}"
        return digits(self.value, spec)

    @property
    def measured(self) -> bool:
        return math.isfinite(self.value)

    @property
    def has_interval(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def percent(self) -> Cell:
        """The same cell in per cent."""
        return self.scaled(100)

    def scaled(self, by: float) -> Cell:
        return Cell(self.id, self.value * by, self.low * by, self.high * by, self.source)

    @property
    def source(self) -> Cell:
        """The cell as measured, in the unit of its table."""
        return self.measured_as or self


def digits(value: float, spec: str) -> str:
    """A number in a format; a dash where there is none."""
    if not math.isfinite(value):
        return DASH
    return format(int(value) if spec == "," else value, spec)


def cells_of(table: str, frame: pd.DataFrame, row: str | list[str]) -> dict[str, Cell]:
    """The numeric columns of a frame as cells, yes and no as 1 and 0.

    `x_low` and `x_high`, or `x_half`, are the interval of `x`.

    Args:
        table: first part of the names.
        row: the column, or columns joined by `-`, that name a row.
    """
    names = [row] if isinstance(row, str) else row
    found: dict[str, Cell] = {}
    for entry in frame.to_dict("records"):
        where = f"{table}.{'-'.join(str(entry[n]) for n in names)}"
        for column, value in entry.items():
            if column in names or str(column).endswith(BOUNDS) or not _is_number(value):
                continue
            low, high = _bounds(entry, str(column), float(value))
            name = f"{where}.{column}"
            found[name] = Cell(name, float(value), low, high)
    return found


def cell(cells: Mapping[str, Cell], name: str) -> Cell:
    """The cell of that name; one without value where nothing was measured."""
    return cells.get(name) or Cell(name, math.nan)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.bool_))


def _bounds(entry: Mapping[Any, Any], column: str, value: float) -> tuple[float, float]:
    low, high = entry.get(f"{column}_low"), entry.get(f"{column}_high")
    if low is not None and high is not None:
        return float(low), float(high)
    half = entry.get(f"{column}_half")
    return (math.nan, math.nan) if half is None else (value - float(half), value + float(half))
