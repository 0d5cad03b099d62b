"""A directory in qlib's binary format -> Panel.

`calendars/day.txt`: a day per line. `instruments/NAME.txt`: symbol, first day, last day, tabs between, and
several lines for a symbol that comes back. `features/SYMBOL/FIELD.day.bin`: float32 numbers, the first being
the calendar position of the second. Prices are adjusted; `factor` is adjusted / original price. What folders do
otherwise (raw volume, `change` in per cent, quotes of suspended days) is settled in `zoo.data.sources.conventions`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from zoo.data.files import file_size
from zoo.data.own.asked import LABEL, Asked
from zoo.data.panel import EXTRA, FIELDS, Panel
from zoo.data.sources.cells import parse_dates
from zoo.data.sources.columns import listed, shorten
from zoo.data.sources.conventions.indices import is_index
from zoo.data.sources.values import Tally, absent_fields
from zoo.errors import DataError, did_you_mean

READ = (*FIELDS, *EXTRA)
ALL = "all"
RESERVED = "_qlib_"  # qlib's prefix for symbols that are no file names on Windows, such as CON


def qlib_panel(path: Path, *, market: str | None = None, own: Asked | None = None) -> Panel:
    """The stocks of one market, with all of their history and the market's point-in-time membership.

    Directories of features that the market does not name (indices) are not read; see `read_field`.

    Args:
        market: one of `markets(path)`; None is `all`, with a note on what else there is.
        own: further fields, `$pe` being `features/SYMBOL/pe.day.bin`.

    Raises:
        DataError: a part is missing, or a file is not what it should be; the message names file and line.
    """
    days = _calendar(path)
    named, market = market, market or ALL
    spans = _instruments(path, market, days)
    folders = _folders(path)
    known = {symbol: folders[symbol.lower()] for symbol in sorted(spans) if symbol.lower() in folders}
    if not known:
        raise DataError(f"{path}/features: has none of the {len(spans)} symbols of instruments/{market}.txt")
    fields = tuple(name for name in READ if any(os.path.lexists(folder / _file(name)) for folder in known.values()))
    if "close" not in fields:
        raise DataError(f"{path}/features: no stock has a close.day.bin")
    owned = _owned(known.values(), own, path.name, fields) if own else {}
    values = np.full((len(known), len(days), len(fields) + len(owned)), np.nan, dtype=np.float32)
    member = np.zeros((len(days), len(known)), dtype=bool)
    tally, missing = Tally(), Counter[str]()
    n_suspended = 0
    for n, (symbol, folder) in enumerate(known.items()):
        for first, last in spans[symbol]:
            member[first : last + 1, n] = True
        absent = np.ones((len(fields), len(days)), dtype=bool)
        for f, name in enumerate(fields):
            file = folder / _file(name)
            start, numbers = read_bin(file, len(days), f"features/{folder.name}/{file.name}")
            rows = slice(start, start + len(numbers))
            absent[f, rows] = np.isnan(numbers)
            values[n, rows, f] = tally.clean(name, numbers)
        for f, name in enumerate(owned.values(), start=len(fields)):
            start, numbers = read_bin(folder / _file(name), len(days), f"features/{folder.name}/{_file(name)}")
            values[n, start : start + len(numbers), f] = tally.finite(name, numbers)
        suspended = absent.all(axis=0)
        n_suspended += int((suspended & member[:, n]).sum())
        missing.update(dict(zip(fields, (absent & member[:, n] & ~suspended).sum(axis=1).tolist(), strict=True)))
    tally.missing = missing
    notes = ["prices are read as adjusted, as qlib's format has them, and volume where nothing else is told"]
    there = markets(path)
    if named is None and len(there) > 1:
        notes.append(f"markets: {', '.join(there)}; none was named: {market}")
    if n_suspended:
        notes.append(f"{n_suspended:,} member days without any value: suspended")
    notes += [*tally.notes(), *absent_fields(fields)]
    notes.append(f"universe: instruments/{market}.txt, point-in-time ({len(known)} symbols)")
    if len(known) < len(spans):
        lost = [symbol for symbol in spans if symbol not in known]
        notes.append(f"{len(lost)} of its symbols have no features and are left out, such as {shorten(lost[0])}")
    taken = {symbol.lower() for symbol in known}
    beside = [symbol.upper() for symbol in folders if is_index(symbol) and symbol not in taken]
    if beside:
        some = listed(sorted(beside), width=60)
        notes.append(f"{len(beside)} in features/ beside the stocks, to measure against: {some}")
    return Panel(
        days=days,
        symbols=np.array(list(known), dtype=np.str_),
        fields=(*fields, *owned),
        values=values.transpose(1, 0, 2),
        member=member,
        name=path.resolve().name + ("" if market == ALL else f"#{market}"),
        notes=tuple(notes),
    )


def _owned(folders: Iterable[Path], own: Asked, where: str, fields: tuple[str, ...]) -> dict[str, str]:
    """Field -> the name of its files, of those that any stock has; that of a given label last."""
    ending = _file("")
    there = {name.removesuffix(ending) for folder in folders for name in os.listdir(folder) if name.endswith(ending)}
    names = sorted(there - set(READ))
    own.check(where, fields, names, ())
    label = next((name for name in names if own.is_label(name)), None)
    chosen = {name: name for name in names if name in own and name != label}
    return chosen | ({f"{LABEL}{own.label}": label} if label else {})


def markets(path: Path) -> list[str]:
    """The markets of a folder, which may be named behind it: `DIR#csi300`; `all` first, the others by name."""
    return sorted((file.stem for file in (path / "instruments").glob("*.txt")), key=lambda name: (name != ALL, name))


def read_field(path: Path, symbol: str, field: str) -> tuple[np.ndarray, np.ndarray]:
    """One field of one symbol in `features/`, whether or not a market lists it: `[D]` days, `[D]` float32 values.

    Raises:
        DataError: no such symbol or field, naming the nearest; a damaged file.
    """
    days, folders = _calendar(path), _folders(path)
    folder = folders.get(symbol.lower())
    if folder is None:
        alike = [name for name in folders if is_index(name) == is_index(symbol)]
        near = did_you_mean(symbol.lower(), alike)
        raise DataError(f"{path}/features: no symbol {symbol!r}{near}")
    where = f"features/{folder.name}/{_file(field)}"
    if not (folder / _file(field)).is_file():
        raise DataError(f"{path}: {where} is missing")
    start, numbers = read_bin(folder / _file(field), len(days), where)
    values = np.full(len(days), np.nan, dtype=np.float32)
    values[start : start + len(numbers)] = numbers
    return days, values


def _folders(path: Path) -> dict[str, Path]:
    """The folder of each symbol in lower case, without the prefix of those that are no file names everywhere."""
    try:
        found = {entry.name.lower(): entry for entry in sorted((path / "features").iterdir()) if entry.is_dir()}
    except OSError as error:
        raise DataError(f"{path}/features: cannot be listed ({error.strerror})") from None
    return {name.removeprefix(RESERVED): folder for name, folder in found.items()} | found


def read_bin(file: Path, n_days: int, where: str) -> tuple[int, np.ndarray]:
    """Start position and float32 values of one `.bin` file; no values where it does not exist.

    Raises:
        DataError: its size is no whole number of float32, or the values do not fit the calendar.
    """
    try:
        if not os.path.lexists(file):
            return 0, np.empty(0, dtype=np.float32)
        file_size(file, where)
        data = file.read_bytes()
    except OSError as error:
        raise DataError(f"{where}: cannot be read ({error.strerror})") from None
    if len(data) % 4 or not data:
        raise DataError(f"{where}: {len(data):,} bytes is no whole number of float32 values; the file is cut off")
    start = float(np.frombuffer(data, dtype="<f4", count=1)[0])
    values = np.frombuffer(data, dtype="<f4", offset=4).astype(np.float32)
    if not (start >= 0 and start == np.floor(start) and start + len(values) <= n_days):
        raise DataError(
            f"{where}: {len(values):,} values from position {start:g} on do not fit {n_days:,} calendar days"
        )
    return int(start), values


def _file(field: str) -> str:
    return f"{field}.day.bin"


def _lines(file: Path, where: str) -> list[tuple[int, str]]:
    """Line number and text of the lines that are not blank."""
    try:
        if not os.path.lexists(file):
            raise DataError(f"{where}: no such file")
        file_size(file, where)
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{where}: cannot be read as UTF-8 text ({error})") from None
    lines = [(k, line.strip()) for k, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        raise DataError(f"{where}: empty file")
    return lines


def _days(texts: list[str], numbers: list[int], where: str) -> np.ndarray:
    days = parse_dates(pd.Series(texts, dtype=object))
    if np.isnat(days).any():
        first = int(np.isnat(days).argmax())
        raise DataError(f"{where}: line {numbers[first]}: {shorten(texts[first])!r} is no date (YYYY-MM-DD)")
    return days


def _calendar(path: Path) -> np.ndarray:
    where = f"{path.name}/calendars/day.txt"
    lines = _lines(path / "calendars" / "day.txt", where)
    numbers = [number for number, _ in lines]
    days = _days([text for _, text in lines], numbers, where)
    back = np.flatnonzero(np.diff(days) <= np.timedelta64(0, "D"))
    if len(back):
        raise DataError(f"{where}: line {numbers[back[0] + 1]}: {days[back[0] + 1]} does not follow {days[back[0]]}")
    return days


def _instruments(path: Path, market: str, days: np.ndarray) -> dict[str, list[tuple[int, int]]]:
    there = markets(path)
    if market not in there:
        near = did_you_mean(market, there)
        raise DataError(f"{path}: no market {market!r}{near}; there are {', '.join(there) or 'none'}")
    return instrument_spans(path / "instruments" / f"{market}.txt", f"{path.name}/instruments/{market}.txt", days)


def instrument_spans(file: Path, where: str, days: np.ndarray) -> dict[str, list[tuple[int, int]]]:
    """Symbol -> (first, last) calendar positions of its spans in a file symbol, first day, last day.

    Symbols are as the file spells them first; those that are never in the calendar are left out.

    Raises:
        DataError: a line that is no span, naming file and line; no span that touches the calendar.
    """
    lines = _lines(file, where)
    numbers = [number for number, _ in lines]
    cells = [line.split("\t") if "\t" in line else line.split() for _, line in lines]
    for number, row in zip(numbers, cells, strict=True):
        if len(row) != 3:
            raise DataError(f"{where}: line {number}: {len(row)} cells; symbol, first and last day are needed")
        if "\0" in row[0]:
            raise DataError(f"{where}: line {number}: the symbol holds a NUL character")
    first = _days([row[1] for row in cells], numbers, where)
    last = _days([row[2] for row in cells], numbers, where)
    if (first > last).any():
        at = int((first > last).argmax())
        raise DataError(f"{where}: line {numbers[at]}: the span ends on {last[at]}, before it starts on {first[at]}")
    low, high = np.searchsorted(days, first, "left"), np.searchsorted(days, last, "right") - 1
    spelled: dict[str, str] = {}
    spans: dict[str, list[tuple[int, int]]] = {}
    for row, start, end in zip(cells, low.tolist(), high.tolist(), strict=True):
        if start <= end:
            symbol = spelled.setdefault(row[0].strip().lower(), row[0].strip())
            spans.setdefault(symbol, []).append((start, end))
    if not spans:
        raise DataError(f"{where}: no span touches the calendar, {days[0]} .. {days[-1]}")
    return spans
