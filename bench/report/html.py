"""`comparison.html`: a document as one file that needs no network and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.records.store import write_atomic
from bench.report.models import ModelNames
from bench.report.page.inline import inline_svg
from bench.text.cells import Cell
from bench.text.document import Block, Code, Document, Figure, Grid, Items, Links, Prose, Section
from bench.text.language import language, translate
from bench.text.printable import printable
from bench.text.sentences import Sentence
from bench.text.tables import Table
from zoo.errors import DataError

if TYPE_CHECKING:
    import jinja2

MAX_BYTES = 2_000_000
"""A page stays below this; figures that do not fit are left out, the largest first."""

LAST_WORD = 30
"""A longer last word of a sentence may be parted from the mark after it."""

TALL = 25
"""A table with more rows scrolls within itself."""

_PAGE = Path(__file__).with_name("page")
_NUMBER = re.compile(r"[<>≤≥≈~\s]*([+\-−]?)(\d[\d,]*\.?\d*|\.\d+)(e[+\-]?\d+)?", re.IGNORECASE)
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_DATE = re.compile(r"\s*(\d{4})-(\d\d)-(\d\d)\b")
_SPREAD = re.compile(r"(\S.*?)( ± .*| \[.*\])", re.DOTALL)


def write_html(document: Document, path: Path, figures: Path | None = None) -> None:
    """Write the page, atomically; `figures` is the folder that holds `<name>.svg`."""
    write_atomic(path, render_html(document, figures))


def render_html(document: Document, figures: Path | None = None) -> str:
    """The document as one HTML page below `MAX_BYTES`, unless its text alone is larger.

    Args:
        figures: folder of the figures; None, or a file that is missing, leaves a figure out.
    """
    with language(document.language):
        drawn = {figure.name: _draw(figure, figures, i) for i, figure in enumerate(document.figures())}
        page = _render(document, drawn)
        for name in sorted((n for n in drawn if drawn[n].svg), key=lambda n: len(drawn[n].svg), reverse=True):
            if len(page.encode()) < MAX_BYTES:
                break
            drawn[name] = replace(drawn[name], svg="", why=translate("the page would be larger than 2 MB"))
            page = _render(document, drawn)
        return page


def clean(value: Any) -> Any:
    """What the template prints: text without characters that a page cannot hold, all else as it is."""
    # Markup is ready, and numbers and lists are used by the template itself.
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def clip(text: str, limit: int = 1000) -> str:
    """Text of at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def sort_value(text: str) -> float | None:
    """What a cell of a numeric column is sorted by: its leading number, or its date; None where it has none."""
    if date := _DATE.match(text):
        return float("".join(date.groups()))
    if not (number := _NUMBER.match(text)):
        return None
    sign, digits, power = number.groups()
    value = float(digits.replace(",", "") + (power or ""))
    return -value if sign in ("-", "−") else value


@dataclass(frozen=True)
class Drawn:
    """A figure of the page: its markup, or why it is not there; neither where there is no file."""

    svg: str = ""
    why: str = ""


def _draw(figure: Figure, figures: Path | None, number: int) -> Drawn:
    # A name is a file of the folder, not a way out of it.
    if figures is None or not _FILE.fullmatch(figure.name):
        return Drawn()
    path = figures / f"{figure.name}.svg"
    try:
        return Drawn(inline_svg(path.read_text(encoding="utf-8"), f"f{number}-", clean(clip(figure.caption))))
    except FileNotFoundError:
        return Drawn()
    except (OSError, UnicodeDecodeError, DataError) as error:
        return Drawn(why=clip(str(error)))


@lru_cache
def _template() -> jinja2.Template:
    # Compiled once: that takes longer than to fill it in.
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=clean,
    )
    environment.filters["clip"] = clip
    return environment.get_template("template.html.j2")


def _render(document: Document, drawn: dict[str, Drawn]) -> str:
    from markupsafe import Markup

    style, script = ((_PAGE / name).read_text(encoding="utf-8") for name in ("style.css", "script.js"))
    return _template().render(
        document=document,
        sections=_Views(document, drawn).sections(),
        models=ModelNames.of(document).names,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        t=translate,
    )


def _hash(text: str) -> str:
    """The hash by which a content security policy allows an inline script or style sheet."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@dataclass
class _Views:
    """Turns blocks into what the template prints; counts tables, figures and sentences as they come."""

    document: Document
    drawn: dict[str, Drawn]
    counts: dict[str, int] = field(default_factory=lambda: {"table": 0, "figure": 0, "sentence": 0})

    def sections(self) -> list[dict[str, Any]]:
        self.models = ModelNames.of(self.document)
        found = [
            {"id": f"s{i}-{_anchor(section.id)}", "title": section.title, "blocks": self._blocks(section)}
            for i, section in enumerate(self.document.sections)
        ]
        # Of a section of figures alone nothing may be left.
        return [section for section in found if section["blocks"]]

    def _count(self, what: str) -> int:
        self.counts[what] += 1
        return self.counts[what]

    def _blocks(self, section: Section) -> list[dict[str, Any]]:
        several = sum(isinstance(block, Grid) for block in section.blocks) > 1
        views = [self._block(block, section, several) for block in section.blocks]
        return [view for view in views if view]

    def _block(self, block: Block, section: Section, several: bool) -> dict[str, Any]:
        if isinstance(block, Prose):
            return {"kind": "prose", "label": block.label, "sentences": [self._sentence(s) for s in block.sentences]}
        if isinstance(block, Items):
            return {"kind": "items", "entries": block.items, "named": all(label for label, _ in block.items)}
        if isinstance(block, Code):
            return {"kind": "code", "text": block.text}
        if isinstance(block, Links):
            return {"kind": "links", "entries": block.items}
        if isinstance(block, Grid):
            title = section.title or self.document.title
            return self._grid(block.table, block.name, f"{title}: {block.name}" if several else title)
        return self._figure(block)

    def _sentence(self, sentence: Sentence) -> dict[str, Any]:
        """A sentence, its last word apart: the mark that follows it must not begin a line."""
        cells = [f"{cell.id} = {_figure_of(cell)}" for cell in sentence.cells]
        cut = sentence.text.rfind(" ") + 1 if cells else len(sentence.text)
        if len(sentence.text) - cut > LAST_WORD:
            cut = len(sentence.text)
        number = self._count("sentence")
        return {"text": sentence.text[:cut], "end": sentence.text[cut:], "cells": cells, "id": f"r{number}"}

    def _figure(self, figure: Figure) -> dict[str, Any]:
        from markupsafe import Markup

        drawn = self.drawn[figure.name]
        if not drawn.svg and not drawn.why:
            return {}
        # What `inline_svg` answers holds allowed elements and escaped text only.
        svg = Markup(drawn.svg)
        number = self._count("figure")
        return {"kind": "figure", "n": number, "caption": figure.caption, "svg": svg, "why": drawn.why}

    def _grid(self, table: Table, name: str, caption: str) -> dict[str, Any]:
        of_row = self.models.of_rows(table)
        return {
            "kind": "grid",
            "n": self._count("table"),
            "name": name,
            "caption": caption,
            "tall": len(table.rows) > TALL,
            "columns": list(zip(table.headers, table.numeric, strict=True)),
            "rows": [
                {"models": " ".join(models), "cells": [_cell(t, n) for t, n in zip(row, table.numeric, strict=True)]}
                for row, models in zip(table.rows, of_row, strict=True)
            ],
        }


def _cell(text: str, numeric: bool) -> dict[str, Any]:
    """A cell; of a number its interval apart, which is printed paler."""
    text = clip(text)
    spread = _SPREAD.fullmatch(text) if numeric else None
    head, tail = (spread[1], spread[2]) if spread else (text, "")
    return {"text": head, "spread": tail, "numeric": numeric, "value": sort_value(text) if numeric else None}


def _figure_of(cell: Cell) -> str:
    """A cell's value and interval: counts in full, other figures to four digits."""
    return f"{cell:,}" if cell.measured and cell.value.is_integer() else f"{cell:.4g~}"


def _anchor(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name)[:60]
