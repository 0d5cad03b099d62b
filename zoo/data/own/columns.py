"""Columns of the user's own in tables of long rows: which there are, what they are called, their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from zoo.data.own.asked import LABEL, Asked
from zoo.data.sources.cells import Table, kind, to_floats
from zoo.data.sources.columns import key, listed
from zoo.data.sources.layout.kinds import Kind, kinds_of
from zoo.data.sources.parts import Part
from zoo.errors import DataError

_LOOKED_AT = 100  # cells of a column of objects, to tell numbers from texts


def wordy_of(frame: pd.DataFrame, names: Sequence[str], kinds: Mapping[str, Kind]) -> frozenset[str]:
    """The columns of a frame that hold no numbers; flags are numbers, and so are texts that spell some."""
    found = set()
    for k, name in enumerate(names):
        column = frame.iloc[:, k]
        if kinds[name] in ("text", "date") and kind(column) != "b":
            cells = [str(cell) for cell in column.dropna().head(_LOOKED_AT)] if kinds[name] == "text" else ["a"]
            if kinds_of([name], [[cell] for cell in cells])[name] in ("text", "date"):
                found.add(name)
    return frozenset(found)


def choose(parts: Sequence[Part], own: Asked, where: str, fields: Sequence[str]) -> dict[str, list[str]]:
    """Field -> the spellings of its column in the tables, in their order; that of a given label last.

    Raises:
        ConfigError: as `Asked.check`.
    """
    return named([(part.table, set(part.roles.values())) for part in parts], own, where, fields)


def named(
    tables: Sequence[tuple[Table, set[str]]], own: Asked, where: str, fields: Sequence[str], *, check: bool = True
) -> dict[str, list[str]]:
    """As `choose`, of tables and the columns of each that are read as something else."""
    spellings: dict[str, list[str]] = {}
    texts: dict[str, None] = {}
    for table, taken in tables:
        for column in table.columns:
            if column in taken:
                continue
            if column in table.wordy:
                texts[column] = None
            elif column not in spellings.get(own_key(column), ()):
                spellings.setdefault(own_key(column), []).append(column)
    one_table = len({id(table) for table, _ in tables}) == 1
    # Within a table two columns that differ in punctuation are two; between tables they are one.
    if one_table:
        spellings = {column: [column] for group in spellings.values() for column in group}
    by_name = {group[0].strip(): group for group in spellings.values()}
    if check:
        own.check(where, fields, list(by_name), [text for text in texts if text.strip() not in by_name])
    chosen = {name: group for name, group in by_name.items() if name in own and not own.is_label(name)}
    label = next((group for name, group in by_name.items() if own.is_label(name)), None)
    return chosen | ({f"{LABEL}{own.label}": label} if label else {})


def own_key(column: str) -> str:
    return key(column) or column.strip()


def numbers(table: Table, spellings: Sequence[str]) -> np.ndarray | None:
    """`[rows]` float64 of the column that a table spells so; None where it has none.

    Raises:
        DataError: a cell is no number, naming file, row and column.
    """
    found = [column for column in spellings if column in table.columns]
    if not found:
        return None
    if found[0] in table.wordy:
        raise DataError(f"{table.where}: column {found[0]!r} holds no numbers, but it does in other files; correct it")
    if table.columns.count(found[0]) > 1:
        raise table.bad_column(found[0], "it is there twice; rename or drop one")
    series = table.series(found[0])
    return series.to_numpy(np.float64) if kind(series) == "b" else to_floats(table, found[0])


def notes(parts: Sequence[Part], owned: Mapping[str, Sequence[str]]) -> list[str]:
    """What is missing in some files of a folder."""
    told = []
    for name, spellings in owned.items():
        without = [part.table.where for part in parts if not set(spellings) & set(part.table.columns)]
        if without:
            told.append(f"column {name} is not in {len(without):,} of {len(parts):,} files: {listed(without)}")
    return told
