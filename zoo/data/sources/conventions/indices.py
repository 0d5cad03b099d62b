"""Indices: told from stocks by their symbols, set aside where stocks are forecast, read where one is a benchmark."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from zoo.data.panel import Panel
from zoo.data.sources.columns import shorten
from zoo.errors import DataError, did_you_mean

_CODES = {"SH": r"000\d{3}|880\d{3}", "SS": r"000\d{3}", "XSHG": r"000\d{3}", "SZ": r"399\d{3}", "XSHE": r"399\d{3}"}
_CODES |= {"BJ": r"899\d{3}", "CSI": r"\w{6}"}
_PATTERN = re.compile(
    "|".join([r"\^.+", *(rf"{market}\.?(?:{code})|(?:{code})\.{market}" for market, code in _CODES.items())]),
    re.IGNORECASE,
)


def is_index(symbol: str) -> bool:
    """Whether a symbol is that of an index: `^GSPC`, or a code that China's exchanges keep for indices (SH000300)."""
    return _PATTERN.fullmatch(symbol.strip()) is not None


def without_indices(symbols: list[str]) -> tuple[list[str], list[str]]:
    """The symbols of stocks, and a note on the indices among them; all where there would be no stock."""
    indices = [symbol for symbol in symbols if is_index(symbol)]
    if not indices or len(indices) == len(symbols):
        return symbols, []
    some = ", ".join(shorten(symbol) for symbol in indices[:3]) + (", ..." if len(indices) > 3 else "")
    word = "index is" if len(indices) == 1 else "indices are"
    told = f"{len(indices)} {word} set aside from the stocks: {some} (data.indices: keep takes them as stocks)"
    return [symbol for symbol in symbols if not is_index(symbol)], [told]


def set_aside(panel: Panel) -> Panel:
    """The panel without the indices among its stocks."""
    kept, told = without_indices(panel.symbols.tolist())
    if not told:
        return panel
    return panel.part(np.flatnonzero(np.isin(panel.symbols, kept))).with_notes(*told)


def read_index(source: str | Path, symbol: str) -> pd.Series:
    """Closes of an index, or of any other symbol, of a source.

    In a folder in qlib's format every symbol in `features/` counts, whether or not a market lists it.

    Args:
        source: as `load_panel` takes it, a market behind a qlib folder being of no concern.
        symbol: such as `SH000300`; case does not count.

    Returns:
        float64 Series named as the symbol, indexed by day (datetime64[ns]), days without a close left out.

    Raises:
        DataError: no such symbol, naming the nearest; it has no close.
    """
    from zoo.data.sources import load_panel, paths, qlib

    path = Path() if str(source).startswith(("planted:", "installed:")) else paths.split_market(source)[0]
    if (path / "features").is_dir() and (path / "calendars").is_dir():
        days, close = qlib.read_field(path, symbol, "close")
    else:
        panel = load_panel(source, indices="keep", suspended="keep")
        names = {name.casefold(): k for k, name in enumerate(panel.symbols.tolist())}
        if symbol.casefold() not in names:
            near = did_you_mean(symbol, panel.symbols.tolist())
            raise DataError(f"{panel.name}: no symbol {symbol!r}{near}")
        days, close = panel.days, panel.field("close")[:, names[symbol.casefold()]]
    known = np.isfinite(close) & (close > 0)
    if not known.any():
        raise DataError(f"{source}: {symbol} has no close")
    index = pd.DatetimeIndex(days[known].astype("datetime64[ns]"), name="datetime")
    return pd.Series(close[known].astype(np.float64), index=index, name=symbol)
