"""Tables of measured cells, names and words; console, markdown and page make the same text of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from bench.text.cells import DASH, Cell, cell_of, row_name
from bench.text.language import Phrase, translate

Row = dict[str, Any]


@dataclass(frozen=True)
class ModelName:
    """How a row is called by what it is about; models keep their names in every language.

    Attributes:
        text: the name, or a phrase around it.
        models: registry names of the models that the row is about.
    """

    text: str | Phrase
    models: tuple[str, ...]

    def __str__(self) -> str:
        return str(self.text)


Entry = Cell | Phrase | ModelName | str
"""A measured figure, words to be translated, a name of models, or text that stays as it is (names, dates, files)."""


class Definition(NamedTuple):
    """What a column means, with its formula; `title` may name several columns. Both English."""

    title: str
    text: str


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        key: of a cell of the column within its row, and of a frame.
        header: English, or a name that is never translated.
        format: of its figures, as `Cell` takes it; empty = a column of words.
        factor: its figures are printed times this: 100 for fractions in per cent.
        definition: what it means.
    """

    key: str
    header: str | Phrase | ModelName
    format: str = ""
    factor: float = 1.0
    definition: Definition | None = None

    @property
    def numeric(self) -> bool:
        """Whether it holds figures: right-aligned and sorted by their values."""
        return bool(self.format)

    @property
    def title(self) -> str:
        """The header in the current language."""
        return translate(self.header) if isinstance(self.header, str) else str(self.header)

    def parts(self, entry: Entry) -> tuple[str, str]:
        """An entry as text in the current language, and its interval."""
        return entry.scaled(self.factor).parts(self.format) if isinstance(entry, Cell) else (str(entry), "")


@dataclass(frozen=True)
class Table:
    """Rows of entries; `name` is the first part of the ids of its cells."""

    name: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Entry]]

    @property
    def headers(self) -> list[str]:
        """The headers in the current language."""
        return [column.title for column in self.columns]

    @property
    def texts(self) -> list[list[str]]:
        """The entries of every row as text in the current language."""
        return [["".join(c.parts(e)) for c, e in zip(self.columns, row, strict=True)] for row in self.rows]

    @property
    def alignment(self) -> list[str]:
        """`left` or `right`, by column."""
        return ["right" if column.numeric else "left" for column in self.columns]


def table_of(
    name: str, columns: Sequence[Column], rows: Iterable[Mapping[Any, Any]], row: str | list[str] = "model"
) -> Table | None:
    """A table of the rows of a frame, each value by its column; None where there are none.

    A value that is an entry already is taken as it is; `model` names the model that the row is about.

    Args:
        row: the columns that name a row, as in `cells_of`.
    """
    entries = [[_entry(f"{name}.{row_name(r, row)}", column, r) for column in columns] for r in rows]
    return Table(name, columns, entries) if entries else None


def word_table(headers: Sequence[str], rows: Sequence[Sequence[Entry]], name: str = "") -> Table:
    """A table without figures."""
    return Table(name, [Column(header, header) for header in headers], rows)


def models_of(row: Sequence[Entry]) -> tuple[str, ...]:
    """The models that a row is about."""
    return tuple(dict.fromkeys(m for entry in row if isinstance(entry, ModelName) for m in entry.models))


def sort_value(entry: Entry) -> float | None:
    """What an entry of a column of figures is sorted by: a cell's value, a phrase's first number; None = nothing."""
    values = entry.values.values() if isinstance(entry, Phrase) else [entry]
    numbers = (v.value if isinstance(v, Cell) else v for v in values)
    value = next((float(n) for n in numbers if isinstance(n, (int, float))), math.nan)
    return value if math.isfinite(value) else None


def _entry(where: str, column: Column, row: Mapping[Any, Any]) -> Entry:
    value = row.get(column.key)
    if isinstance(value, (Cell, Phrase, ModelName)):
        return value
    if column.numeric:
        return cell_of(row, column.key, where)
    if column.key == "model":
        return ModelName(str(value), (str(value),))
    return DASH if value in (None, "") else str(value)


def frame_rows(frame: pd.DataFrame) -> list[Row]:
    """Rows as plain dictionaries."""
    return frame.to_dict("records")  # type: ignore[return-value]
