"""Panel -> a directory in qlib's binary format; see `zoo.data.sources.qlib` for the format."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from zoo.data.panel import Panel
from zoo.data.sources.columns import shorten
from zoo.data.sources.qlib import RESERVED
from zoo.data.writers.beside import write_members
from zoo.errors import DataError

_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def write_qlib(panel: Panel, folder: Path, on_step: Callable[[int, int], None]) -> None:
    """Fill an empty directory; `instruments/all.txt` holds the panel's membership.

    Raises:
        DataError: a symbol that cannot be a directory of its own.
    """
    names = _folders(panel.symbols.tolist())
    for part in ("calendars", "instruments", "features"):
        (folder / part).mkdir()
    (folder / "calendars" / "day.txt").write_text("".join(f"{day}\n" for day in panel.days), encoding="utf-8")
    write_members(panel, folder / "instruments" / "all.txt")
    for n, name in enumerate(names):
        stock = folder / "features" / name
        stock.mkdir()
        values = panel.stock_major[n]
        rows = np.flatnonzero(np.isfinite(values).any(axis=1))
        if not len(rows):
            rows = np.flatnonzero(panel.member[:, n])[:1]
        first, last = rows[0], rows[-1]
        for f, field in enumerate(panel.fields):
            numbers = np.concatenate([[np.float32(first)], values[first : last + 1, f]])
            numbers.astype("<f4").tofile(stock / f"{field}.day.bin")
        on_step(n + 1, panel.n_stocks)


def _folders(symbols: list[str]) -> list[str]:
    """The directory of each symbol: lower case, as qlib looks for it."""
    taken: dict[str, str] = {}
    for symbol in symbols:
        name = symbol.lower()
        if name in ("", ".", "..") or name != name.strip() or re.search(r"[/\\\x00-\x1f]", name):
            raise DataError(f"symbol {shorten(symbol)!r} can be no directory name in qlib's format; rename it")
        if name in taken:
            raise DataError(
                f"symbols {taken[name]!r} and {symbol!r} differ by case alone, which qlib's format does not tell apart"
            )
        taken[name] = symbol
    return [RESERVED + name if _DEVICES.fullmatch(name) else name for name in taken]
