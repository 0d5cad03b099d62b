"""What a format cannot hold: membership and concepts in files of their own, beside the data."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.panel import Panel
from zoo.data.sources import load_panel
from zoo.data.sources.paths import split_market
from zoo.data.sources.qlib import instrument_spans

LONG = (".parquet", ".csv", ".csv.gz")
"""Endings of files of long rows; what has none of them is a directory."""
AS_STORED: dict[str, Any] = {"volume": "adjusted", "suspended": "keep", "indices": "keep"}


@dataclass(frozen=True)
class Beside:
    """Where the parts of a written panel lie; None where the data hold the part themselves."""

    data: Path
    members: Path | None
    concepts: Path | None

    @classmethod
    def of(cls, data: Path) -> Beside:
        """The places for data at a path: a directory holds its concepts, a file has companions."""
        if not data.name.lower().endswith(LONG):
            return cls(data, None, data / "concepts.csv")
        return cls(data, data.with_name(f"{data.name}.members.txt"), data.with_name(f"{data.name}.concepts.csv"))

    def companions(self) -> list[tuple[str, Path]]:
        """(`members` or `concepts`, place) of the files beside the data."""
        return [(n, p) for n, p in (("members", self.members), ("concepts", self.concepts)) if p is not None]

    def all(self) -> list[Path]:
        return [self.data, *(p for _, p in self.companions())]


def read_exact(
    source: str | Path,
    *,
    beside: Beside | None = None,
    skip_bad_files: bool = False,
    columns: Iterable[str] | None = None,
) -> Panel:
    """As `load_panel` with nothing settled, with the membership and concepts that `write_panel` put beside the data.

    Membership replaces that of the data, which long rows can only guess from first and last closes.

    Args:
        columns: as `load_panel` takes them.

    Raises:
        DataError: as `load_panel`.
    """
    text = str(source)
    if beside is None:
        if text.startswith(("planted:", "installed:")):
            return load_panel(text, **AS_STORED)
        beside = Beside.of(split_market(source)[0])
    concepts = beside.concepts if beside.concepts is not None and beside.concepts.is_file() else None
    panel = load_panel(source, concepts=concepts, skip_bad_files=skip_bad_files, columns=columns, **AS_STORED)
    if beside.members is None or not beside.members.is_file():
        return panel
    spans = instrument_spans(beside.members, beside.members.name, panel.days)
    position = {str(symbol).lower(): n for n, symbol in enumerate(panel.symbols)}
    member = np.zeros_like(panel.member)
    for symbol, runs in spans.items():
        if symbol.lower() in position:
            for first, last in runs:
                member[first : last + 1, position[symbol.lower()]] = True
    kept = tuple(note for note in panel.notes if not note.startswith("universe:"))
    return replace(panel, member=member, notes=(*kept, f"universe: {beside.members.name}"))


def write_beside(panel: Panel, beside: Beside, *, members: bool, concepts: bool) -> None:
    """Write the parts asked for."""
    if members and beside.members is not None:
        write_members(panel, beside.members)
    if concepts and beside.concepts is not None:
        _write_concepts(panel, beside.concepts)


def write_members(panel: Panel, path: Path) -> None:
    """Membership as a qlib instruments file: symbol, first day, last day, a line per span."""
    lines = (
        f"{panel.symbols[n]}\t{panel.days[first]}\t{panel.days[last]}\n"
        for n in range(panel.n_stocks)
        for first, last in runs(panel.member[:, n])
    )
    path.write_text("".join(lines), encoding="utf-8")


def runs(true: np.ndarray) -> Iterator[tuple[int, int]]:
    """First and last position of every run of True in `[D]` bool."""
    edges = np.flatnonzero(np.diff(true.astype(np.int8), prepend=0, append=0))
    return zip(edges[::2].tolist(), (edges[1::2] - 1).tolist(), strict=True)


def _write_concepts(panel: Panel, path: Path) -> None:
    """symbol, concept and, unless today's stand for all of history, start and end."""
    concepts = panel.concepts
    if concepts is None:
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["symbol", "concept"] + ([] if concepts.snapshot else ["start", "end"]))
        for n, symbol in enumerate(panel.symbols):
            for k, c in zip(*np.nonzero(concepts.start[:, n] <= concepts.end[:, n]), strict=True):
                span = [panel.days[concepts.start[k, n, c]], panel.days[concepts.end[k, n, c]]]
                rows.writerow([symbol, concepts.names[c]] + ([] if concepts.snapshot else span))
