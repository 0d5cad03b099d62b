"""Text files of cells -> tables of rows: quickly where pyarrow is installed and the file is plain, else by pandas."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Collection, Container, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zoo.data.sources.cells import UNREADABLE, YEARS, Table
from zoo.data.sources.columns import PANEL_ROLES, Synonyms, role_of
from zoo.data.sources.layout import Layout, recognise_layout
from zoo.data.sources.layout.kinds import kinds_of
from zoo.data.sources.tables.numbers import are_plain, decimal_mark, mark_beside
from zoo.data.sources.tables.text import Text, look_at, refuse_nul
from zoo.errors import DataError

TEXT_ROLES = ("date", "symbol", "sector", "industry", "concept", "start", "end")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
EMPTY = ["", "NA", "N/A", "NaN", "nan", "NAN", "null", "NULL", "None", "none", "-"]


def csv_table(
    path: Path,
    *,
    where: str | None = None,
    roles: Mapping[str, Synonyms] = PANEL_ROLES,
    keep: Collection[str] = (),
    own: Container[str] = (),
    packed: Path | None = None,
) -> tuple[Table, Layout]:
    """The columns of a text file that its layout needs or that are in `keep` or, as numbers, in `own`.

    Comma, semicolon, tab, bar or blanks between cells; see `look_at` for encodings. Symbols, names and dates stay text:
    `NA` and `000001` are symbols. Rows are counted as an editor does, the first line being row 1; blank lines and lines
    of empty cells are skipped.

    Raises:
        DataError: an empty file, one that is not text, rows longer than the header.
    """
    where = where or path.name
    text = look_at(path, where, roles, packed)
    refuse_nul(text.data, where)
    names, rows = _named(text)
    layout = recognise_layout(names, rows, path.name, where, roles, above=text.above)
    names, below, rows = list(layout.names), layout.header_rows, rows[layout.header_rows :]
    kinds = kinds_of(names, rows)
    wordy = frozenset(name for name, kind in kinds.items() if kind in ("text", "date"))
    asked = {name for name in names if name in own} - layout.wanted
    numbers = layout.numbers | {name for name in asked - wordy if names.count(name) == 1}
    numeric = [k for k, name in enumerate(names) if name in numbers]
    cells = {k: [row[k] for row in rows if k < len(row)] for k in numeric}
    written = {k for k in numeric if not are_plain(cells[k])}
    mark = None
    if written:
        mark = decimal_mark(cell for column in cells.values() for cell in column)
        volumes = {k for k in numeric if role_of(names[k], outright=False) == "volume"}
        mark = mark or mark_beside(
            [cell for k in volumes for cell in cells[k]], [cell for k in set(numeric) - volumes for cell in cells[k]]
        )
    if mark == ",":
        written |= set(numeric)
    wanted = {
        k: k not in numeric or k in written
        for k, name in enumerate(names)
        if name in layout.wanted or name in keep or name in numbers
    }
    start, first_row = _below(text, below), text.line + below + 1
    date = layout.roles.get("date")
    days = names.index(date) if date is not None and date not in keep else None
    columns = _by_pyarrow(text, start, names, wanted, days)
    if columns is None:
        columns = _by_pandas(text, start, names, wanted, where, first_row)
    columns = _filled({names[k]: series for k, series in columns.items()})
    _check_foreign(text, columns, layout, where)

    def as_written(column: str) -> pd.Series:
        at = names.index(column)
        again = _by_pandas(text, start, names, {at: True}, where, first_row)[at]
        return again.loc[columns[column].index]

    return (
        Table(
            where,
            tuple(names),
            columns.__getitem__,
            first_row=first_row,
            mark=mark,
            separator=text.separator,
            texts=as_written,
            wordy=wordy,
        ),
        layout,
    )


def _named(text: Text) -> tuple[list[str], list[list[str]]]:
    """A name for every column, also for those behind separators that end the lines, and the first rows."""
    longest = max((len(row) for row in text.rows), default=0)
    extra = [cell for row in text.rows for cell in row[len(text.header) :]]
    width = longest if not any(extra) else len(text.header)
    header = [*text.header, *[""] * (width - len(text.header))]
    return [name or f"Unnamed: {k}" for k, name in enumerate(header)], text.rows


def _below(text: Text, n_lines: int) -> int:
    """Position of the first byte below further header lines."""
    start = text.start
    for _ in range(n_lines):
        start = text.data.find(b"\n", start) + 1
    return start


def _by_pyarrow(
    text: Text, start: int, names: list[str], wanted: dict[int, bool], days: int | None
) -> dict[int, pd.Series] | None:
    """Position -> values, text where `wanted` says so; None where pandas must do it: only it knows rows and reasons.

    The column `days` is one of days where all of its cells are `YYYY-MM-DD`, text as any other otherwise.
    """
    try:
        import pyarrow as pa
        import pyarrow.csv
    except ImportError:
        return None
    data = text.data
    if len(names) > len(text.header):
        return None
    # Quotes, blank lines and blanks before cells are left to pandas.
    unusual = (b'"', b"\n\n", b"\n\r\n", f"{text.separator} ".encode())
    if any(data.find(mark, start) >= 0 for mark in unusual) or data[start : start + 1] in (b"\n", b"\r", b" ", b""):
        return None
    labels = [str(k) for k in range(len(names))]
    as_text = pa.dictionary(pa.int32(), pa.string())
    types = {str(k): as_text if texts else pa.float64() for k, texts in wanted.items()}
    if days in wanted and all(_DAY.fullmatch(row[days]) for row in text.rows if days < len(row)):
        types[str(days)] = pa.date32()
    else:
        days = None
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(pa.py_buffer(data).slice(start)),
            read_options=pyarrow.csv.ReadOptions(use_threads=False, column_names=labels, block_size=1 << 22),
            parse_options=pyarrow.csv.ParseOptions(delimiter=text.separator, quote_char=False),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=[str(k) for k in wanted],
                column_types=types,
                null_values=EMPTY,
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
    except (pa.ArrowException, *UNREADABLE):
        return None if days is None else _by_pyarrow(text, start, names, wanted, None)
    if days is not None and not _usual_days(table.column(str(days))):
        return _by_pyarrow(text, start, names, wanted, None)
    columns = {}
    for k in wanted:
        column = table.column(str(k)).combine_chunks()
        if k == days:
            columns[k] = pd.Series(column.to_numpy(zero_copy_only=False).astype("datetime64[s]"))
        elif wanted[k]:
            column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
            values = pd.Index(column.dictionary.to_numpy(zero_copy_only=False), dtype=object)
            columns[k] = pd.Series(pd.Categorical.from_codes(column.indices.to_numpy(), values))
        else:
            columns[k] = pd.Series(column.to_numpy(zero_copy_only=False))
    return columns


def _usual_days(column: Any) -> bool:
    """Whether no cell is empty and no year is one that no market has: such cells are told as they are written."""
    if column.null_count or not len(column):
        return False
    days = column.to_numpy()
    return days.min() >= YEARS[0] and days.max() < YEARS[1]


def _by_pandas(
    text: Text, start: int, names: list[str], wanted: dict[int, bool], where: str, first_row: int
) -> dict[int, pd.Series]:
    """Position -> values, as text where `wanted` says so, else as numbers where all cells are."""
    labels = [str(k) for k in range(len(names))]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.BytesIO(text.data[start:]),
                sep=text.separator if text.separator != " " else r"\s+",
                header=None,
                names=labels,
                index_col=False,
                dtype={str(k): str for k, texts in wanted.items() if texts},
                keep_default_na=False,
                na_values={str(k): EMPTY for k, texts in wanted.items() if not texts},
                skip_blank_lines=False,
                skipinitialspace=True,
                low_memory=False,
                encoding="utf-8",
            )
    except pd.errors.ParserWarning:
        raise _too_long(where, first_row) from None
    except pd.errors.EmptyDataError:
        frame = pd.DataFrame({label: pd.Series(dtype=object) for label in labels})
    except pd.errors.ParserError as error:
        problem = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        problem = re.sub(r"(?<=in line )[0-9]+", lambda line: str(int(line[0]) + first_row - 1), problem)
        raise DataError(f"{where}: no regular CSV ({problem}); a cell with a comma needs quotes") from None
    except UNREADABLE as error:
        raise DataError(f"{where}: no regular CSV ({str(error)[:120]})") from None
    for k in range(len(text.header), len(names)):
        stray = frame[str(k)].notna() & (frame[str(k)].astype(str).str.strip() != "")
        if stray.any():
            raise _too_long(where, first_row + int(stray.to_numpy().argmax()))
    return {k: pd.Series(frame[str(k)]) for k in wanted}


def _too_long(where: str, row: int) -> DataError:
    return DataError(f"{where}: row {row} has more cells than the header; a cell with a comma needs quotes")


def _filled(columns: dict[str, pd.Series]) -> dict[str, pd.Series]:
    """The columns without the rows that are empty in all of them; their index keeps counting."""
    filled: np.ndarray | None = None
    for series in columns.values():
        has = series.notna().to_numpy(dtype=bool)
        if isinstance(series.dtype, pd.CategoricalDtype):
            empty = np.flatnonzero(series.cat.categories == "")
            has = has & ~np.isin(series.cat.codes.to_numpy(), empty) if len(empty) else has
        elif series.dtype == object or isinstance(series.dtype, pd.StringDtype):
            has = has & (series != "").to_numpy(dtype=bool)
        filled = has if filled is None else filled | has
        if filled.all():
            return columns
    return {name: series.loc[filled] for name, series in columns.items()} if filled is not None else columns


def _check_foreign(text: Text, columns: Mapping[str, pd.Series], layout: Layout, where: str) -> None:
    """Refuse names that were read in an encoding that is only a guess."""
    if not text.foreign:
        return
    for name in (*text.header, *columns):
        series = columns.get(name)
        texts = [name] if series is None or name in layout.numbers else [name, *map(str, pd.unique(series))]
        if name in (*columns, *layout.wanted) and not all(part.isascii() for part in texts):
            raise DataError(f"{where}: not UTF-8 text, nor UTF-16 or GBK (column {name!r}); convert it to UTF-8")
