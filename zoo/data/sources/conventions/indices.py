"""Indices: told from stocks by their symbols, and set aside where stocks are forecast."""

from __future__ import annotations

import re

import numpy as np

from zoo.data.panel import Panel
from zoo.data.sources.columns import listed

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
    word = "index is" if len(indices) == 1 else "indices are"
    some = listed(indices, width=60)
    told = f"{len(indices)} {word} set aside from the stocks: {some} (data.indices: keep takes them as stocks)"
    return [symbol for symbol in symbols if not is_index(symbol)], [told]


def set_aside(panel: Panel) -> Panel:
    """The panel without the indices among its stocks."""
    kept, told = without_indices(panel.symbols.tolist())
    if not told:
        return panel
    return panel.part(np.flatnonzero(np.isin(panel.symbols, kept))).with_notes(*told)
