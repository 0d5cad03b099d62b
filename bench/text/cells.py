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
MAGNITUDES = {
    "money": ((1e9, " bn"), (1e6, " M"), (1e3, " k"), (0, "")),
    "count": ((1e9, " G"), (1e6, " M"), (1e3, " k"), (0, "")),
    "bytes": ((2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"), (0, " B")),
}
"""Formats of three significant digits with a unit, as `4.27 M`: the sizes from which each unit counts."""


@dataclass(frozen=True)
class Cell:
    """One measured figure.

    Formats like its value (a dash where there is none); a format that ends in `~` adds the interval in
    brackets, one that ends in `±` its half-width. A format may also be a key of `MAGNITUDES`.

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
        return "".join(self.parts(spec))

    def parts(self, spec: str) -> tuple[str, str]:
        """The value, and what a format that ends in `~` or `±` adds of the interval."""
        plain = spec.rstrip("~±")
        head = digits(self.value, plain)
        if plain == spec or not self.has_interval:
            return head, ""
        if spec.endswith("±"):
            return head, f" ± {digits((self.high - self.low) / 2, plain.lstrip('+'))}"
        return head, f" [{digits(self.low, plain)}, {digits(self.high, plain)}]"

    @property
    def measured(self) -> bool:
        return math.isfinite(self.value)

    @property
    def has_interval(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def least(self) -> float:
        """The lower end of the interval; the value where there is none, which counts as exact."""
        return self.low if self.has_interval else self.value

    @property
    def most(self) -> float:
        """The upper end, likewise."""
        return self.high if self.has_interval else self.value

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
    """A number in a format of Python or of `MAGNITUDES`; a dash where there is none."""
    if not math.isfinite(value):
        return DASH
    if spec in MAGNITUDES:
        # Rounded first, so that 999,999 becomes 1.00 M and not 1e+03 k.
        rounded = float(f"{value:.3g}")
        size, unit = next(pair for pair in MAGNITUDES[spec] if abs(rounded) >= pair[0])
        return (f"{rounded / size:#.3g}".rstrip(".") if size else f"{rounded:g}") + unit
    return format(int(value) if spec == "," else value, spec)


def cells_of(table: str, frame: pd.DataFrame, row: str | list[str]) -> dict[str, Cell]:
    """The numeric columns of a frame as cells, yes and no as 1 and 0.

    `x_low` and `x_high`, or `x_half`, are the interval of `x`.

    Args:
        table: first part of the names.
        row: the column, or columns joined by `-`, that name a row.
    """
    names = [row] if isinstance(row, str) else row
    cells: dict[str, Cell] = {}
    for entry in frame.to_dict("records"):
        where = f"{table}.{row_name(entry, row)}"
        for column, value in entry.items():
            if column not in names and not str(column).endswith(BOUNDS) and _is_number(value):
                cells[f"{where}.{column}"] = cell_of(entry, str(column), where)
    return cells


def row_name(entry: Mapping[Any, Any], row: str | list[str]) -> str:
    """The middle part of a cell's name: the values of the columns that name a row."""
    return "-".join(str(entry[name]) for name in ([row] if isinstance(row, str) else row))


def cell_of(entry: Mapping[Any, Any], column: str, where: str) -> Cell:
    """The cell of a column in a row of a frame; `where` is `table.row`."""
    value = entry.get(column)
    value = math.nan if value is None else float(value)
    low, high = entry.get(f"{column}_low"), entry.get(f"{column}_high")
    if low is None or high is None:
        half = float(entry.get(f"{column}_half", math.nan))
        low, high = value - half, value + half
    return Cell(f"{where}.{column}", value, float(low), float(high))


def cell(cells: Mapping[str, Cell], name: str) -> Cell:
    """The cell of that name; one without value where nothing was measured."""
    return cells.get(name) or Cell(name, math.nan)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.bool_))
