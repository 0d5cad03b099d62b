"""What a report consists of, whatever it is printed as: markdown, page and JSON all render this."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from bench.text.sentences import Sentence
from bench.text.tables import Table

FIGURES = "figures"
"""The folder of figures beside a report."""


@dataclass(frozen=True)
class Prose:
    """Sentences that follow each other in one paragraph; `label` opens it, in bold."""

    sentences: tuple[Sentence, ...]
    label: str = ""


@dataclass(frozen=True)
class Items:
    """A list of plain texts, each with an optional bold label."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Figure:
    """A figure of the report's figure folder, left out where the file is missing."""

    name: str
    caption: str


@dataclass(frozen=True)
class Code:
    """Text as typed into a terminal."""

    text: str


@dataclass(frozen=True)
class Links:
    """A list of links: what is shown, the address as seen from the report, and a text behind it, or none."""

    items: tuple[tuple[str, str, str], ...]


Block = Prose | Items | Table | Figure | Code | Links
B = TypeVar("B", Prose, Items, Table, Figure, Code, Links)


@dataclass(frozen=True)
class Section:
    """A heading (none for the opening) and its blocks; `id` is the anchor."""

    id: str
    title: str
    blocks: tuple[Block, ...]

    def of(self, kind: type[B]) -> list[B]:
        """The blocks of one kind."""
        return [block for block in self.blocks if isinstance(block, kind)]


@dataclass(frozen=True)
class Document:
    """A report in one language."""

    title: str
    language: str
    sections: tuple[Section, ...]

    def sentences(self) -> Iterator[tuple[str, Sentence]]:
        """Every generated sentence, with the id of its section."""
        for section in self.sections:
            for block in section.of(Prose):
                yield from ((section.id, sentence) for sentence in block.sentences)

    def all(self, kind: type[B]) -> Iterator[B]:
        """The blocks of one kind."""
        return chain.from_iterable(section.of(kind) for section in self.sections)


def prose(*sentences: Sentence | None, label: str = "") -> Prose | None:
    """A paragraph of those sentences that are there; None where none is."""
    given = tuple(s for s in sentences if s is not None)
    return Prose(given, label) if given else None


def section(name: str, title: str, *blocks: Block | None) -> Section | None:
    """A section of those blocks that are there; None where none is."""
    given = tuple(b for b in blocks if b is not None)
    return Section(name, title, given) if given else None
