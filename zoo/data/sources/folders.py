"""A directory -> the tables in it and below, the stock and columns that names of files and folders give."""

from __future__ import annotations

import filecmp
import os
import re
from collections import Counter
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


_WORDS = 8
_DATED = re.compile(r"(.+?)[ _.-]((?:19|20)[0-9]{2}(?:[-_]?[0-9]{2}){0,2})")


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
    names, from_folders, joined = _symbols(kept, stems, root)
    found = []
    for path in kept:
        where = path.relative_to(root).as_posix()
        pairs = [match for part in Path(where).parts[:-1] if (match := _HIVE.fullmatch(part))]
        found.append(Entry(path, where, names[path], columns={match[1]: unquote(match[2]) for match in pairs}))
    notes = _naming_notes(from_folders, joined)
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


def _naming_notes(from_folders: str, joined: list[str]) -> list[str]:
    notes = []
    if from_folders:
        notes.append(f"files are named alike: where no column names the stock it is the folder's name, {from_folders}")
    if joined:
        notes.append(f"files of a stock by years are joined where no column names the stock: {listed(joined, 5)}")
    return notes


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
    symbols, from_folders, joined = _symbols(files, stems, Path())
    notes = [f"the {len(files):,} tables in this zip are read as those of a directory"]
    notes += _naming_notes(from_folders, joined)
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
    except (DataError, OSError):
        return False


def _copies(paths: list[Path], stems: dict[Path, str]) -> tuple[list[Path], list[Path]]:
    """Second downloads beside the first, equal to it, and those that stand alone and are renamed in `stems`."""
    by_name = {(path.parent, stem): path for path, stem in stems.items()}
    copies, renamed = [], []
    known = {(path.parent, stem.casefold(), _size(path)): path for path, stem in stems.items()}

    for path in paths:
        match = _COPY.fullmatch(stems[path])
        if match is None:
            others = (known.get((path.parent, part, _size(path))) for part in _parts(stems[path].casefold()))
            if any(one is not None and filecmp.cmp(path, one, shallow=False) for one in others):
                copies.append(path)
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


def _parts(stem: str) -> Iterator[str]:
    """The names within a name: of `copy of aapl` aapl, of `brk_b_1` brk_b; not those of many words."""
    starts = [match.start() for match in re.finditer(r"(?<![^\W_])[^\W_]", stem)]
    ends = [match.end() for match in re.finditer(r"[^\W_](?![^\W_])", stem)]
    if len(starts) <= _WORDS:
        yield from (stem[low:high] for low in starts for high in ends if 0 < high - low < len(stem))


def _size(path: Path) -> int:
    """Bytes of a file; 0 of a link to nothing."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _symbols(paths: list[Path], stems: Mapping[Path, str], root: Path) -> tuple[dict[Path, str], str, list[str]]:
    """The stock that each file's name gives, or its folder's where all files are named alike (`AAPL/daily.csv`) or
    as years (`AAPL/2019.csv`), without years that tell files of one stock apart (`AAPL_2018`, `AAPL_2019`).

    Returns:
        path -> stock; the first of them where they are folders' names; the stocks of which files are joined.
    """
    folders = [path.parent.name for path in paths]
    years = bool(paths) and all(_YEAR.fullmatch(stems[path]) and path.parent != root for path in paths)
    alike = len(paths) > 1 and len({stems[path] for path in paths}) == 1 and len(set(folders)) == len(paths)
    if (alike or years) and not any(_YEAR.fullmatch(folder) or _HIVE.fullmatch(folder) for folder in folders):
        return {path: path.parent.name for path in paths}, folders[0], []
    dated = {path: match[1] for path in paths if (match := _DATED.fullmatch(stems[path]))}
    joined = sorted({stock for stock, number in Counter(dated.values()).items() if number > 1})
    if not joined:
        return {path: stems[path] for path in paths}, "", []
    return {path: dated.get(path, stems[path]) for path in paths}, "", joined
