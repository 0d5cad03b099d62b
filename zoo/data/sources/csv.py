"""CSV files -> tables of rows."""

from __future__ import annotations

import csv
import gzip
import warnings
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from zoo.data.sources.cells import Table
from zoo.data.sources.columns import PANEL_ROLES, Synonyms, recognise
from zoo.errors import DataError

TEXT_ROLES = ("symbol", "sector", "industry", "concept")
EMPTY = ["", "NA", "N/A", "NaN", "nan", "NAN", "null", "NULL", "None", "none", "-"]


def csv_table(
    path: Path,
    *,
    where: str | None = None,
    roles: Mapping[str, Synonyms] = PANEL_ROLES,
    keep: Collection[str] = (),
) -> Table:
    """The columns of a CSV file (also `.csv.gz`) that fill one of `roles` or are named in `keep`.

    UTF-8 with one header line; comma, semicolon or tab between cells. Symbols and names stay text: `NA` and
    `000001` are symbols. Rows are counted as an editor does, the header being row 1; blank lines are skipped.

    Raises:
        DataError: an empty file, one that is not UTF-8 CSV, rows longer than the header.
    """
    where = where or path.name
    separator, header = _header(path, where)
    _refuse_nul(path, where)
    found = recognise(header, where, roles)
    wanted = {*found.values(), *keep}
    text = {column for role, column in found.items() if role in TEXT_ROLES} | set(keep)
    labels = [str(k) for k in range(len(header))]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path,
                sep=separator,
                header=0,
                names=labels,
                index_col=False,
                dtype={k: str for k, column in zip(labels, header, strict=True) if column in text},
                keep_default_na=False,
                na_values={k: EMPTY for k, column in zip(labels, header, strict=True) if column not in text},
                skip_blank_lines=False,
                skipinitialspace=True,
                low_memory=False,
                encoding="utf-8",
            )
    except pd.errors.ParserWarning:
        raise DataError(f"{where}: row 2 has more cells than the header; a cell with a comma needs quotes") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        problem = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise DataError(f"{where}: no regular CSV ({problem}); a cell with a comma needs quotes") from None
    except (UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
        raise _unreadable(where, error) from None
    frame = frame[[k for k, column in zip(labels, header, strict=True) if column in wanted]]
    frame.columns = [header[int(k)] for k in frame.columns]
    filled = np.zeros(len(frame), dtype=bool)
    for _, cells in frame.items():
        filled |= (cells.notna() & (cells != "")).to_numpy(dtype=bool)
        if filled.all():
            break
    else:
        frame = frame.loc[filled]
    columns: dict[str, pd.Series] = {str(name): cells for name, cells in frame.items()}
    return Table(where, tuple(header), columns.__getitem__, first_row=2)


def _header(path: Path, where: str) -> tuple[str, list[str]]:
    """The separator and the column names of the first line."""
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            line = file.readline()
            rest = bool(line.strip()) or bool(file.read(1))
    except (UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
        raise _unreadable(where, error) from None
    if not rest:
        raise DataError(f"{where}: empty file; a header line and a row per stock and day are needed")
    if not line.strip():
        raise DataError(f"{where}: row 1 is blank; it must name the columns")
    separator = max(",;\t", key=line.count)
    names = next(csv.reader([line], delimiter=separator, skipinitialspace=True))
    return separator, [name.strip() or f"Unnamed: {k}" for k, name in enumerate(names)]


def _refuse_nul(path: Path, where: str) -> None:
    """Raise for a NUL character, at which some pandas versions would silently cut the cell."""
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    n_lines = 0
    try:
        with opener(path, "rb") as file:
            while block := file.read(1 << 22):
                at = block.find(b"\0")
                if at >= 0:
                    row = n_lines + block.count(b"\n", 0, at) + 1
                    raise DataError(f"{where}: row {row} holds a NUL character; remove it")
                n_lines += block.count(b"\n")
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(where, error) from None


def _unreadable(where: str, error: Exception) -> DataError:
    if isinstance(error, UnicodeDecodeError):
        return DataError(f"{where}: not UTF-8 text (byte {error.start}); convert it to UTF-8")
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return DataError(f"{where}: cannot be read ({reason})")
