"""What a column holds, judged by its first cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from zoo.data.sources.tables.dates import parse_moments
from zoo.data.sources.tables.numbers import BLANK

Kind: TypeAlias = Literal["int", "float", "text", "date", "empty"]

_NUMBER = re.compile(r"[-+(]?\s*[^\w\s.,()+-]?\s*[0-9][0-9.,'’\s]*(?:[eE][-+]?[0-9]+)?\s*[%KMBTkmb万亿$€£¥)]{0,2}")
_DATE = re.compile(r"[0-9]{1,4}[-/.年][0-9]{1,2}[-/.月][0-9]{1,4}日?(?:[T ].*)?|(?:19|20)[0-9]{6}")


def kinds_of(names: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, Kind]:
    """The kind of every column of a text file; of columns that share a name, that of the last."""
    return {name: _kind([row[k] for row in rows if k < len(row)]) for k, name in enumerate(names)}


def _kind(cells: Sequence[str]) -> Kind:
    filled = [cell for cell in cells if cell.casefold() not in BLANK]
    if not filled:
        return "empty"
    if all(_DATE.fullmatch(cell) for cell in filled):
        return "date"
    if all(cell.isascii() and cell.isdigit() for cell in filled):
        return "int"
    return "float" if all(_NUMBER.fullmatch(cell) for cell in filled) else "text"


def names_are_dates(names: Sequence[str]) -> list[bool]:
    """Which names are dates."""
    likely = [bool(_DATE.fullmatch(name.strip())) for name in names]
    if sum(likely) < 3:
        return [False] * len(names)
    at = np.flatnonzero(likely).tolist()
    dated = np.zeros(len(names), dtype=bool)
    dated[at] = ~np.isnat(parse_moments(np.array([names[k].strip() for k in at], dtype=np.str_)).days)
    return dated.tolist()
