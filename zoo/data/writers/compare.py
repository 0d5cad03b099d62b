"""Whether two panels hold the same data."""

from __future__ import annotations

import numpy as np

from zoo.data.panel import Concepts, Panel


def difference(a: Panel, b: Panel) -> str:
    """The first difference found, in words; empty where days, symbols, fields, values, members, concepts agree."""
    if not np.array_equal(a.days, b.days):
        return f"{a.n_days} days against {b.n_days}" if a.n_days != b.n_days else "other days"
    if a.symbols.tolist() != b.symbols.tolist():
        odd = sorted(set(a.symbols.tolist()) ^ set(b.symbols.tolist()))
        return f"symbols differ, such as {odd[0]!r}" if odd else "symbols in another order"
    if a.fields != b.fields:
        return f"fields {', '.join(a.fields)} against {', '.join(b.fields)}"
    for stock in range(a.n_stocks):
        x, y = a.stock_major[stock], b.stock_major[stock]
        unequal = (x != y) & ~(np.isnan(x) & np.isnan(y))
        if unequal.any():
            day, f = (int(k[0]) for k in np.nonzero(unequal))
            return f"{a.fields[f]} of {a.symbols[stock]} on {a.days[day]}: {x[day, f]} against {y[day, f]}"
    if not np.array_equal(a.member, b.member):
        day, stock = (int(k[0]) for k in np.nonzero(a.member != b.member))
        return f"membership of {a.symbols[stock]} on {a.days[day]}"
    if _spans(a.concepts) != _spans(b.concepts):
        return "concepts"
    return ""


def _spans(concepts: Concepts | None) -> tuple[bool, set[tuple[int, str, int, int]]] | None:
    if concepts is None:
        return None
    k, stock, concept = np.nonzero(concepts.start <= concepts.end)
    first, last = concepts.start[k, stock, concept], concepts.end[k, stock, concept]
    names = [concepts.names[c] for c in concept]
    return concepts.snapshot, set(zip(stock.tolist(), names, first.tolist(), last.tolist(), strict=True))
