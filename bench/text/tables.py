"""Tables of finished text and the formats of their cells: one kind for console, markdown and page."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.text.language import translate

Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One column: header, the cell's text, and the number it is sorted by."""

    header: str
    text: Callable[[Row], str]
    value: Callable[[Row], Any] = lambda row: None


@dataclass(frozen=True)
class Table:
    """Headers and rows of finished text; `numeric[i]` tells whether column i is right-aligned."""

    headers: list[str]
    rows: list[list[str]]
    numeric: list[bool]


def translated(table: Table) -> Table:
    """The table with its headers, and those cells that are words, in the report's language; models keep their names."""
    names = {i for i, header in enumerate(table.headers) if header == "model"}
    rows = [[cell if i in names else translate(cell) for i, cell in enumerate(row)] for row in table.rows]
    return Table([translate(h) for h in table.headers], rows, table.numeric)


def number(value: Any, digits: int, sign: bool = False) -> str:
    """Fixed digits; a dash where there is no number."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    return f"{value:{'+' if sign else ''}.{digits}f}"


def with_half(value: float, half: float, digits: int = 4) -> str:
    """`0.0512 ± 0.0093`."""
    return f"{number(value, digits)} ± {number(half, digits)}"


def with_interval(value: float, low: float, high: float, digits: int = 4) -> str:
    """`+0.0031 [-0.0012, +0.0074]`."""
    if not math.isfinite(value):
        return "–"
    return f"{number(value, digits, True)} [{number(low, digits, True)}, {number(high, digits, True)}]"


def seconds(value: float) -> str:
    """Seconds with three significant digits."""
    return "–" if not math.isfinite(value) else f"{value:.3g}"


def frame_rows(frame: pd.DataFrame) -> list[Row]:
    """Rows as plain dictionaries."""
    return frame.to_dict("records")  # type: ignore[return-value]
