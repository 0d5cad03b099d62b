"""A path -> the reader of what lies there; directories of files, options behind the path, missing files."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from zoo.data.panel import Panel
from zoo.data.sources.cells import Table
from zoo.data.sources.columns import CONCEPT_ROLES, PANEL_ROLES, Synonyms, shorten
from zoo.data.sources.long import tables_panel
from zoo.errors import DataError, did_you_mean

SUFFIXES = (".csv", ".csv.gz", ".parquet")
QLIB_PARTS = {"calendars", "features", "instruments"}
READABLE = "a .csv, .csv.gz or .parquet file, a directory of them, or a directory in qlib's format"


def path_panel(source: str | Path, *, concepts: str | None = None) -> Panel:
    """The panel of a file or directory.

    Args:
        source: the path, for a qlib directory with `?market=NAME` or `#NAME` behind it.
        concepts: the column that groups stocks.

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

        return qlib_panel(path, market=market)
    if market is not None:
        raise DataError(f"{path}: a market ({market!r}) can only be chosen in a directory in qlib's format")
    keep = (concepts,) if concepts is not None else ()
    tables = _directory(path, keep) if path.is_dir() else [open_table(path, keep=keep)]
    return tables_panel(tables, path.resolve().name, concepts=concepts)


def source_files(source: str | Path) -> list[str]:
    """Every file that `path_panel` reads for this source, absolute, sorted; none where nothing lies there."""
    path, market = split_market(source)
    if not _exists(path):
        return []
    path = path.resolve()
    if path.is_file():
        return [str(path)]
    if not path.is_dir() or not os.access(path, os.R_OK):
        return []
    if not set(os.listdir(path)) >= QLIB_PARTS:
        return [str(path / name) for name in _table_names(path)]
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


def open_table(
    path: Path,
    *,
    where: str | None = None,
    roles: Mapping[str, Synonyms] = PANEL_ROLES,
    keep: Collection[str] = (),
) -> Table:
    """The rows of one file; `keep` names columns to read beside those that fill a role."""
    if _suffix(path) == ".parquet":
        from zoo.data.sources.parquet import parquet_table

        return parquet_table(path, where=where, roles=roles, keep=keep)
    if _suffix(path):
        from zoo.data.sources.csv import csv_table

        return csv_table(path, where=where, roles=roles, keep=keep)
    raise DataError(f"{path.name}: its ending says no format that can be read; give {READABLE}")


def concept_file(concepts: str | Path | None) -> Path | None:
    """The file that `concepts` names; None where it names a column."""
    if concepts is None:
        return None
    path = Path(concepts).expanduser()
    if _exists(path) and (isinstance(concepts, Path) or path.suffix):
        return path
    if isinstance(concepts, Path) or _suffix(path):
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


def _directory(path: Path, keep: Collection[str]) -> list[Table]:
    files = _table_names(path)
    if not files:
        names = sorted(os.listdir(path))
        found = f"it holds {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" if names else "it is empty"
        raise DataError(f"{path}: nothing readable in this directory ({found}); give {READABLE}")
    tables = []
    for name in files:
        file = path / name
        if file.stat().st_size == 0:
            raise DataError(f"{name}: empty file; remove it or download it again")
        table = open_table(file, keep=keep)
        stem = name[: -len(_suffix(file))]
        tables.append(Table(table.where, table.columns, table.read, table.first_row, stem))
    return tables


def _table_names(path: Path) -> list[str]:
    names = sorted(os.listdir(path))
    beside = {f"{name}.concepts.csv" for name in names}  # what `write_panel` puts beside data
    return [name for name in names if _suffix(Path(name)) and not name.startswith((".", "_")) and name not in beside]


def _is_qlib(path: Path) -> bool:
    absent = sorted(QLIB_PARTS - set(os.listdir(path)))
    if len(absent) == 1:
        raise DataError(f"{path}: a directory in qlib's format needs {absent[0]}/ too")
    return not absent


def _suffix(path: Path) -> str:
    lower = path.name.lower()
    return next((suffix for suffix in SUFFIXES if lower.endswith(suffix)), "")


def _exists(path: Path) -> bool:
    """Whether anything lies there; a name the file system refuses does not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
