"""Values as they are in files -> values a panel may hold; what was missing or refused is counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from zoo.data.panel import FIELDS, Panel
from zoo.data.sources.columns import PRICES

LIMITS = np.finfo(np.float32)


@dataclass
class Tally:
    """Counts of missing and refused values by field, over all rows of a source."""

    missing: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    infinite: Counter[str] = field(default_factory=Counter)
    blank: int = 0

    def clean(self, name: str, values: np.ndarray) -> np.ndarray:
        """`values` with NaN for what float32 cannot hold, prices that are not positive, negative volumes."""
        self.missing[name] += int(np.isnan(values).sum())
        infinite = (values > LIMITS.max) | (values < LIMITS.min)
        refused = np.zeros(len(values), bool)
        if name in PRICES or name == "factor":
            refused = values < LIMITS.tiny
        elif name == "volume":
            refused = values < 0
        self.infinite[name] += int(infinite.sum())
        self.refused[name] += int(refused.sum())
        bad = infinite | refused
        return np.where(bad, np.nan, values) if bad.any() else values

    def finite(self, name: str, values: np.ndarray) -> np.ndarray:
        """`values` of any sign with NaN for what float32 cannot hold; what is missing is told as coverage."""
        infinite = (values > LIMITS.max) | (values < LIMITS.min)
        self.infinite[name] += int(infinite.sum())
        return np.where(infinite, np.nan, values) if infinite.any() else values

    def notes(self) -> list[str]:
        """One sentence for each kind of cell that is not as it should be."""
        told = []
        if self.blank:
            told.append(f"{_count(self.blank, 'row')} without any value: no trade on that day")
        partly = {name: number - self.blank for name, number in self.missing.items() if number > self.blank}
        if partly:
            told.append(f"{listing(partly)} values are missing")
        if self.refused.total():
            told.append(f"{listing(self.refused)} values are zero or negative and are treated as missing")
        if self.infinite.total():
            told.append(f"{listing(self.infinite)} values are infinite or beyond float32 and are treated as missing")
        return told


def listing(counts: dict[str, int]) -> str:
    """`11 open, 8 high and 8 low`, in the order of the panel's fields; zero counts are left out."""
    order = {name: k for k, name in enumerate(FIELDS)}
    names = sorted((name for name in counts if counts[name]), key=lambda name: order.get(name, len(order)))
    words = [f"{counts[name]:,} {name}" for name in names]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' if number != 1 else ''}"


def absent_fields(fields: tuple[str, ...]) -> list[str]:
    """One note for each of the usual fields that a source does not have."""
    return [f"no {name}: what reads it is empty" for name in FIELDS if name not in fields]


def typical_vwap(panel: Panel) -> Panel:
    """The panel with `vwap` = (high + low + close) / 3, in float32, instead of the source's."""
    if "high" not in panel.fields or "low" not in panel.fields:
        return panel.with_notes("vwap 'typical' needs high and low, which the source does not have: vwap stays empty")
    fields = panel.fields
    if "vwap" in fields:
        stock_major = panel.stock_major.copy()
    else:
        cut = FIELDS.index("vwap")
        cut = sum(name in FIELDS[:cut] for name in fields)
        fields = (*fields[:cut], "vwap", *fields[cut:])
        stock_major = np.empty((panel.n_stocks, panel.n_days, len(fields)), dtype=np.float32)
        stock_major[:, :, [k for k, name in enumerate(fields) if name != "vwap"]] = panel.stock_major
    high, low, close = (panel.stock_major[:, :, panel.fields.index(name)] for name in ("high", "low", "close"))
    stock_major[:, :, fields.index("vwap")] = (high + low + close) / np.float32(3)
    kept = tuple(note for note in panel.notes if not note.startswith("no vwap:"))
    return replace(
        panel,
        fields=fields,
        values=stock_major.transpose(1, 0, 2),
        notes=(*kept, "vwap is taken as (high + low + close) / 3"),
    )
