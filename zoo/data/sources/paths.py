"""A path -> the reader of what lies there; options behind the path, missing files."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from zoo.data.files import file_size
from zoo.data.own.asked import Asked, refuse_wide
from zoo.data.panel import Panel
from zoo.data.sources.bad_files import BadFiles
from zoo.data.sources.cells import Table
from zoo.data.sources.columns import CONCEPT_ROLES, PANEL_ROLES, Synonyms, key, shorten
from zoo.data.sources.folders import Entry, entries, packed_entries, suffix, table_paths
from zoo.data.sources.layout.grid import join_fields, long_table
from zoo.data.sources.long import tables_panel
from zoo.data.sources.tables.zones import known_zone
from zoo.errors import DataError, did_you_mean

__all__ = ["open_table", "open_tables", "path_panel", "source_files", "split_market"]

QLIB_PARTS = {"calendars", "features", "instruments"}
READABLE = (
    "a .csv, .csv.gz or .parquet file (also .txt, .tsv, .zip), a directory of them, or a directory in qlib's format"
)


def path_panel(
    source: str | Path,
    *,
    concepts: str | None = None,
    timezone: str | None = None,
    skip_bad_files: bool = False,
    own: Asked | None = None,
) -> Panel:
    """The panel of a file or directory.

    Args:
        source: the path, for a qlib directory with `?market=NAME` or `#NAME` behind it.
        concepts: the column that groups stocks.
        timezone, skip_bad_files: as in `DataConfig`.
        own: the columns of the user's own that are wanted.

    Raises:
        DataError: nothing lies there, or nothing readable.
    """
    path, market = split_market(source)
    if not _exists(path):
        raise DataError(f"{shorten(path, 200)}: no such file or directory{nearest(path)}")
    if not os.access(path, os.R_OK):
        raise DataError(f"{path}: cannot be read, its permissions forbid it")
    if path.is_dir() and _is_qlib(path):
        from zoo.data.sources.qlib import qlib_panel

        return qlib_panel(path, market=market, own=own)
    if market is not None:
        raise DataError(f"{path}: a market ({market!r}) can only be chosen in a directory in qlib's format")
    keep = (concepts,) if concepts is not None else ()
    tables, bad, notes = open_tables(path, keep=keep, own=own, timezone=timezone, skip_bad_files=skip_bad_files)
    return tables_panel(tables, path.resolve().name, concepts=concepts, bad=bad, own=own).with_notes(*notes)


def source_files(source: str | Path) -> list[str]:
    """Every file that `path_panel` reads for this source, absolute, sorted; none where a folder cannot be listed."""
    path, market = split_market(source)
    try:
        return _source_files(path, market)
    except (DataError, OSError):
        return []


def _source_files(path: Path, market: str | None) -> list[str]:
    if not _exists(path):
        return []
    path = path.resolve()
    if path.is_file():
        return [str(path)]
    if not path.is_dir() or not os.access(path, os.R_OK):
        return []
    if not set(os.listdir(path)) >= QLIB_PARTS:
        return [str(file) for file in table_paths(path)]
    folders = [entry.path for entry in os.scandir(path / "features") if entry.is_dir()]
    bins = [entry.path for folder in folders for entry in os.scandir(folder) if entry.name.endswith(".bin")]
    return [str(path / "calendars" / "day.txt"), str(path / "instruments" / f"{market or 'all'}.txt"), *sorted(bins)]


def split_market(source: str | Path) -> tuple[Path, str | None]:
    """`DIR?market=NAME` or `DIR#NAME` -> the directory and the name; a path that exists is left as it is."""
    text = str(source)
    path = Path(text).expanduser()
    if _exists(path):
        return path, None
    if "?" in text:
        head, _, options = text.rpartition("?")
        key, _, value = options.partition("=")
        if key != "market" or not value:
            raise DataError(f"{text}: unknown option {key!r}{did_you_mean(key, ['market'])}; write ?market=NAME")
        return Path(head).expanduser(), value
    if "#" in text and _exists(Path(text.rpartition("#")[0]).expanduser()):
        head, _, market = text.rpartition("#")
        return Path(head).expanduser(), market or None
    return path, None


def open_tables(
    path: Path,
    *,
    keep: Collection[str] = (),
    own: Asked | None = None,
    timezone: str | None = None,
    skip_bad_files: bool = False,
) -> tuple[list[Table], BadFiles, list[str]]:
    """The tables of a file or directory as long rows, the files that could not be opened, and notes on the directory.

    Files that hold one field each, a column per stock, are one table.

    Raises:
        DataError: nothing readable, or files that cannot be opened and are not to be skipped.
    """
    zone = known_zone(timezone)
    files, notes = packed_entries(path) if suffix(path).endswith(".zip") and not path.is_dir() else ([], [])
    if not path.is_dir() and not files:
        return [open_table(path, keep=keep, own=own, zone=zone)], BadFiles(1, skip=skip_bad_files), []
    if not files:
        files, notes = entries(path)
    if not files:
        names = sorted(os.listdir(path))
        found = f"it holds {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" if names else "it is empty"
        raise DataError(f"{path}: nothing readable in this directory ({found}); give {READABLE}")
    bad = BadFiles(len(files), skip=skip_bad_files)
    opened = [bad.attempt(entry.where, lambda entry=entry: _open(entry, keep, own, zone)) for entry in files]
    bad.settle()
    tables = [table for table in opened if table is not None]
    fields = [table for table in tables if table.holds is not None]
    if len(fields) > 1 or (fields and len(tables) > 1):
        others = [table.where for table in tables if table.holds is None]
        if others:
            raise DataError(
                f"{path}: {fields[0].where} has a column per stock, {others[0]} a row per stock and day; move one away"
            )
        tables = [join_fields(fields)]
    return tables, bad, notes


def _open(entry: Entry, keep: Collection[str], own: Asked | None, zone: str | None) -> Table:
    if entry.packed is None and file_size(entry.path, entry.where) == 0:
        raise DataError(f"{entry.where}: empty file; remove it or download it again")
    table = open_table(entry.path, where=entry.where, keep=keep, own=own, zone=zone, packed=entry.packed)
    known = {key(column) for column in table.columns}
    constant = {name: value for name, value in entry.columns.items() if key(name) not in known}
    if not constant:
        return replace(table, symbol=entry.symbol)

    def read(column: str) -> pd.Series:
        if column not in constant:
            return table.read(column)
        index = table.read(table.columns[0]).index
        codes = [0] * len(index)
        return pd.Series(pd.Categorical.from_codes(codes, [constant[column]]), index=index)

    return replace(table, symbol=entry.symbol, columns=(*table.columns, *constant), read=read)


def open_table(
    path: Path,
    *,
    where: str | None = None,
    roles: Mapping[str, Synonyms] = PANEL_ROLES,
    keep: Collection[str] = (),
    own: Asked | None = None,
    zone: str | None = None,
    packed: Path | None = None,
) -> Table:
    """The rows of one file, long whatever its layout; `keep` names columns to read beside those that fill a role.

    A file in a zip of several has the path that it has there.
    """
    if suffix(path) in (".parquet", ".pq"):
        from zoo.data.sources.tables.parquet import parquet_table

        reader = parquet_table
    elif suffix(path):
        from zoo.data.sources.tables.csv import csv_table

        reader = partial(csv_table, packed=packed)
    else:
        raise DataError(f"{path.name}: its ending says no format that can be read; give {READABLE}")
    table, layout = reader(path, where=where, roles=roles, keep=keep, own=own or ())
    table = replace(table, zone=zone)
    if own and own.beyond_prices and layout.kind != "long":
        refuse_wide(table.where)
    # A column that is asked for by its name is no stock.
    return table if set(keep) & set(layout.cells) else long_table(table, layout)


def concept_file(concepts: str | Path | None) -> Path | None:
    """The file that `concepts` names; None where it names a column."""
    if concepts is None:
        return None
    path = Path(concepts).expanduser()
    if _exists(path) and (isinstance(concepts, Path) or path.suffix):
        return path
    if isinstance(concepts, Path) or suffix(path):
        raise DataError(f"{path}: no such file of concepts{nearest(path)}")
    return None


def concept_table(path: Path) -> Table:
    """The rows of a file of concepts."""
    return open_table(path, roles=CONCEPT_ROLES)


def nearest(path: Path) -> str:
    """A hint at the existing name that is most like a missing path's, or at the directory that is missing."""
    parent = path.parent
    if not _exists(parent):
        return f"; the directory {shorten(parent, 200)} does not exist either"
    try:
        names = os.listdir(parent)
    except OSError:
        return ""
    return did_you_mean(path.name, names)


def _is_qlib(path: Path) -> bool:
    absent = sorted(QLIB_PARTS - set(os.listdir(path)))
    if len(absent) == 1:
        raise DataError(f"{path}: a directory in qlib's format needs {absent[0]}/ too")
    return not absent


def _exists(path: Path) -> bool:
    """Whether anything lies there; a name the file system refuses does not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
