"""A directory -> the tables in it and below, the stock and columns that names of files and folders give."""

from __future__ import annotations

import filecmp
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from zoo.data.files import file_size
from zoo.data.sources.columns import PANEL_ROLES, listed, recognise
from zoo.errors import DataError

TEXTS = (".csv", ".tsv", ".txt")
PACKED = (".gz", ".zip", ".bz2", ".xz")
SUFFIXES = (*(text + packed for text in TEXTS for packed in ("", *PACKED)), ".parquet", ".pq", *PACKED)
_LITTER = frozenset({"thumbs.db", "desktop.ini"})
_NO_DATA = (".txt", ".md", ".rst", ".log", ".json", ".yaml", ".yml", ".py", ".pdf", ".html", ".sh", ".toml")
_COPY = re.compile(r"(?i)(.+?)(?: ?\([1-9][0-9]?\)|[ _-]+copy(?: ?\(?[0-9]+\)?)?|( - | )?副本)")
_HIVE = re.compile(r"([^=/]+)=([^=/]*)")
_YEAR = re.compile(r"[0-9]{4}([-_]?[0-9]{2}){0,2}")


@dataclass(frozen=True)
class Entry:
    """One file of a directory.

    Attributes:
        path: where it lies.
        where: its name in messages, from the directory on.
        symbol: the stock where no column names it.
        packed: the zip of several files in which the path is.
        columns: what folders such as `symbol=AAPL` say of all rows.
    """

    path: Path
    where: str
    symbol: str
    packed: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


def suffix(path: Path) -> str:
    """The ending of a file that can be read, lower case; empty for others."""
    lower = path.name.lower()
    return next((ending for ending in SUFFIXES if lower.endswith(ending)), "")


def table_paths(root: Path) -> list[Path]:
    """Every file of a directory and of those below that is a table, sorted; texts that are none are not."""
    return [path for path in _files(root) if suffix(path) and (not _maybe_prose(path) or _is_table(path))]


def entries(root: Path) -> tuple[list[Entry], list[str]]:
    """The tables of a directory, and notes on what is left out.

    Raises:
        DataError: a second download (`S00 (1).csv`) that differs from the first.
    """
    paths = table_paths(root)
    stems = {path: path.name[: len(path.name) - len(suffix(path))] for path in paths}
    copies, renamed = _copies(paths, stems)
    kept = [path for path in paths if path not in copies]
    names = _symbols(kept, stems)
    found = []
    for path in kept:
        where = path.relative_to(root).as_posix()
        pairs = [match for part in Path(where).parts[:-1] if (match := _HIVE.fullmatch(part))]
        found.append(Entry(path, where, names[path], columns={match[1]: unquote(match[2]) for match in pairs}))
    notes = []
    if copies:
        notes.append(f"copies of other files are left out: {listed((path.name for path in copies), 5)}")
    if renamed:
        notes.append(f"names of copies are taken for those of the stocks: {listed((path.name for path in renamed), 5)}")
    kinds = [path for path in _files(root) if path not in stems and not path.name.lower().endswith(_NO_DATA)]
    strange = [path.relative_to(root).as_posix() for path in kinds if path.name.lower() not in _LITTER]
    if strange and found:
        n_strange = f"{len(strange):,} file{'s' if len(strange) > 1 else ''} of other kinds"
        notes.append(f"{n_strange} beside the tables, not read: {listed(strange, 5)}")
    prose = [path.name for path in _files(root) if path not in stems and suffix(path) and _maybe_prose(path)]
    if prose and found:
        notes.append(f"texts without columns of dates are not read: {listed(prose, 5)}")
    return found, notes


def packed_entries(path: Path) -> tuple[list[Entry], list[str]]:
    """The texts in a zip of several, as `entries` gives those of a directory; none where it holds one or other files.

    Raises:
        DataError: it cannot be read.
    """
    from zoo.data.sources.tables.text import packed_files

    names = packed_files(path, path.name)
    files = [
        Path(name) for name in sorted(names) if not name.lower().endswith(_NO_DATA) or name.lower().endswith(".txt")
    ]
    stems = {file: file.name[: len(file.name) - len(suffix(file))] for file in files}
    # A name that is there twice has two contents; copies are only compared once they are unpacked.
    unclear = len(stems) < len(files) or any(_COPY.fullmatch(stem) for stem in stems.values())
    if len(files) < 2 or unclear or not all(suffix(file) in TEXTS for file in files):
        return [], []
    symbols = _symbols(files, stems)
    notes = [f"the {len(files):,} tables in this zip are read as those of a directory"]
    others = [name for name in names if Path(name) not in stems]
    if others:
        notes.append(f"not read in it: {listed(others, 5)}")
    return [Entry(file, file.as_posix(), symbols[file], path) for file in files], notes


def _files(root: Path) -> Iterator[Path]:
    """All files, sorted, hidden ones and those that `write_panel` puts beside data left out; each folder once.

    Raises:
        DataError: a folder that cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: this folder cannot be read ({error.strerror})") from None

    seen: set[str] = set()
    found: list[Path] = []
    for folder, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        beside = {f"{name}{part}" for name in names for part in (".concepts.csv", ".members.txt")}
        found += [Path(folder, name) for name in names if not name.startswith((".", "_")) and name not in beside]
        # An empty folder in place of a file is one that cannot be read.
        found += [p for n in folders if suffix(p := Path(folder, n)) and os.access(p, os.R_OK) and not os.listdir(p)]
    return iter(sorted(found))


def _maybe_prose(path: Path) -> bool:
    return suffix(path).startswith(".txt")


def _is_table(path: Path) -> bool:
    """Whether a text has a line that names a column of dates and another one."""
    from zoo.data.sources.tables.text import look_at

    try:
        size = file_size(path, path.name)
    except DataError:
        # It may have been one: reading it tells what is wrong.
        return True
    if size == 0:
        return False
    try:
        header = look_at(path, path.name, PANEL_ROLES).header
        return len(header) > 1 and "date" in recognise(header, path.name)
    except DataError:
        return False


def _copies(paths: list[Path], stems: dict[Path, str]) -> tuple[list[Path], list[Path]]:
    """Second downloads beside the first, equal to it, and those that stand alone and are renamed in `stems`."""
    by_name = {(path.parent, stem): path for path, stem in stems.items()}
    copies, renamed = [], []
    for path in paths:
        match = _COPY.fullmatch(stems[path])
        if match is None:
            continue
        first = by_name.get((path.parent, match[1].strip()))
        if first is None:
            stems[path] = match[1].strip()
            renamed.append(path)
        elif _same_content(first, path):
            copies.append(path)
        else:
            raise DataError(
                f"{path.name}: is named as a copy of {first.name} but differs from it; keep the one that is right"
            )
    return copies, renamed


def _same_content(first: Path, second: Path) -> bool:
    for path in (first, second):
        file_size(path, path.name)
    try:
        return filecmp.cmp(first, second, shallow=False)
    except OSError as error:
        raise DataError(f"{second.name}: cannot be compared with {first.name} ({error.strerror})") from None


def _symbols(paths: list[Path], stems: Mapping[Path, str]) -> dict[Path, str]:
    """The stock that each file's name gives, or its folder's where all files are named alike (`AAPL/daily.csv`)."""
    folders = [path.parent.name for path in paths]
    alike = len(paths) > 1 and len({stems[path] for path in paths}) == 1 and len(set(folders)) == len(paths)
    if alike and not all(_YEAR.fullmatch(folder) for folder in folders):
        return {path: path.parent.name for path in paths}
    return {path: stems[path] for path in paths}
