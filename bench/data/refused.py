"""Cells of a source that a panel cannot hold: values that are zero, negative or infinite."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from bench.data.validate import Problem
from zoo.data.panel import Panel
from zoo.data.sources.cells import Table, to_days, to_floats, to_names
from zoo.data.sources.columns import recognise
from zoo.data.sources.paths import open_tables, source_files, split_market
from zoo.data.sources.qlib import read_bin
from zoo.data.sources.values import Tally

NUMBERS = ("open", "high", "low", "close", "adj_close", "vwap", "volume", "factor", "change")
_Hits = tuple[str, np.ndarray, np.ndarray, np.ndarray]
"""Field, days, stocks and values of the refused cells."""


def refused_cells(source: str | Path, panel: Panel, on_step: Callable[[int, int], None]) -> list[Problem]:
    """One problem per field and kind, or one without a hit; none for sources that are no files."""
    if str(source).startswith(("planted:", "installed:")):
        return []
    hits: dict[str, list[_Hits]] = defaultdict(list)
    root = split_market(source)[0].resolve()
    binaries = [Path(name) for name in source_files(source) if name.endswith(".bin")]
    steps = binaries or open_tables(root, skip_bad_files=True)[0]
    for k, step in enumerate(steps):
        for hit in _long(step, panel) if isinstance(step, Table) else _binary(step, root, panel):
            hits[hit[0]].append(hit)
        on_step(k + 1, len(steps))
    problems = [problem for field, parts in hits.items() for problem in _problems(field, parts) if problem.count]
    none = np.empty(0, dtype=np.int64)
    return problems or [Problem("zero, negative or infinite values", True, none, none)]


def _problems(field: str, parts: list[_Hits]) -> Iterator[Problem]:
    day, stock, value = (np.concatenate([part[i] for part in parts]) for i in (1, 2, 3))
    infinite = ~np.isfinite(value.astype(np.float32))
    what = "negative" if field == "volume" else "zero or negative"
    for title, chosen in ((f"{field} {what}", ~infinite), (f"{field} infinite or beyond float32", infinite)):
        yield Problem(title, True, day[chosen], stock[chosen], {field: value[chosen]})


def _long(table: Table, panel: Panel) -> Iterator[_Hits]:
    roles = recognise(table.columns, table.where)
    day = stock = None
    for field in filter(roles.__contains__, NUMBERS):
        values = to_floats(table, roles[field])
        rows = _refused(field, values)
        if len(rows):
            if day is None or stock is None:
                day, stock = _places(table, roles, panel)
            yield field, day[rows], stock[rows], values[rows]


def _places(table: Table, roles: dict[str, str], panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """Day and stock of every row."""
    day = np.searchsorted(panel.days, to_days(table, roles["date"]))
    position = {str(symbol).casefold(): n for n, symbol in enumerate(panel.symbols)}
    position |= {str(symbol): n for n, symbol in enumerate(panel.symbols)}
    if "symbol" in roles:
        codes, names = to_names(table, roles["symbol"])
        return day, np.array([position.get(name, position.get(name.casefold(), -1)) for name in names])[codes]
    return day, np.full(len(day), position[str(table.symbol)])


def _binary(file: Path, root: Path, panel: Panel) -> Iterator[_Hits]:
    field = file.name.removesuffix(".day.bin")
    folder = file.parent.name.removeprefix("_qlib_")
    symbols = {str(symbol).lower(): n for n, symbol in enumerate(panel.symbols)}
    if field not in NUMBERS or folder.lower() not in symbols:
        return
    start, values = read_bin(file, panel.n_days, str(file.relative_to(root)))
    bad = _refused(field, values)
    if len(bad):
        yield field, bad + start, np.full(len(bad), symbols[folder.lower()]), values[bad]


def _refused(field: str, values: np.ndarray) -> np.ndarray:
    """Positions of the values that a reader would turn into missing ones."""
    return np.flatnonzero(~np.isnan(values) & np.isnan(Tally().clean(field, values)))
