"""Sentences generated from measured cells; each carries the names of the cells it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.text.cells import Cell
from bench.text.language import listed, translate


@dataclass(frozen=True)
class Sentence:
    """Text and the cells `table.row.column` behind it, in the units of their tables."""

    text: str
    cells: tuple[Cell, ...] = ()


def say(template: str, *also: Cell, **values: Any) -> Sentence:
    """A sentence from a template in the report's language.

    Args:
        template: English; `{x:.4f~}` prints a cell with its interval, `{x:.4f±}` with its half-width.
        also: cells that the sentence rests on without printing them.
        values: cells and words.
    """
    cells = [v.source for v in (*values.values(), *also) if isinstance(v, Cell)]
    return Sentence(translate(template, **values), tuple({c.id: c for c in cells}.values()))


def join(sentences: list[Sentence], separator: str = "; ") -> Sentence:
    """Several clauses as one sentence."""
    text = listed((s.text for s in sentences), separator)
    return Sentence(text, tuple({c.id: c for s in sentences for c in s.cells}.values()))
