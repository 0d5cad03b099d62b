"""Which models a row of a table is about, told from its text: what one filter for the whole page needs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.text.document import Document, Grid
from bench.text.tables import Table

MAX_NAME = 100


@dataclass(frozen=True)
class ModelNames:
    """The models of a document, by their names in its main table.

    Attributes:
        names: lower case, cut to `MAX_NAME` characters, in the order of the main table.
    """

    names: tuple[str, ...]

    @classmethod
    def of(cls, document: Document) -> ModelNames:
        """The models of the table `main`; none where there is no such table."""
        tables = [b.table for s in document.sections for b in s.blocks if isinstance(b, Grid) and b.name == "main"]
        # What follows a name is its status.
        found = [name for table in tables for row in table.rows for name in re.findall(r"^[^\s(（]+", row[0])]
        return cls(tuple(dict.fromkeys(name.lower()[:MAX_NAME] for name in found)))

    def of_rows(self, table: Table) -> list[tuple[str, ...]]:
        """The models of each row, from the first column that names any; empty where none is named."""
        for column in range(len(table.headers)):
            found = [self.named_in(row[column]) for row in table.rows]
            if any(found):
                return found
        return [()] * len(table.rows)

    def named_in(self, text: str) -> tuple[str, ...]:
        """Models whose name is a word of the text, or whose title is the whole of it (`My-Net` for `my_net`)."""
        lower = text.lower()
        # `gru` is a word of `gru[hidden_size=64]`, not of `grub` or `gru_wide`.
        words = {word[:MAX_NAME] for word in re.findall(r"[^\s\[\]()（）,;:−–]+", lower)}
        whole = _letters(lower)
        return tuple(name for name in self.names if name in words or (whole and _letters(name) == whole))


def _letters(text: str) -> str:
    """Letters and digits only."""
    return re.sub(r"[\W_]+", "", text)
