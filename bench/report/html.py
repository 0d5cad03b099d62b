"""`comparison.html`: a document as one file that needs no network and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.records.documents import write_atomic
from bench.report.page.inline import inline_svg
from bench.text.cells import Cell
from bench.text.document import Document, Figure
from bench.text.language import language, translate
from bench.text.printable import printable
from bench.text.sentences import Sentence
from bench.text.tables import Entry, Table, models_of, sort_value
from zoo.errors import DataError

if TYPE_CHECKING:
    import jinja2

MAX_BYTES = 2_000_000
"""A page stays below this; figures that do not fit are left out, the largest first."""

LAST_WORD = 30
"""A longer last word of a sentence may be parted from the mark after it."""

MAX_NAME = 100
"""Characters of a model's name that its filter reads."""

TALL = 25
"""A table with more rows scrolls within itself."""

_PAGE = Path(__file__).with_name("page")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def write_html(document: Document, path: Path, figures: Path | None = None) -> None:
    """Write the page, atomically; `figures` is the folder that holds `<name>.svg`."""
    write_atomic(path, render_html(document, figures))


def render_html(document: Document, figures: Path | None = None) -> str:
    """The document as one HTML page below `MAX_BYTES`, unless its text alone is larger.

    Args:
        figures: folder of the figures; None, or a file that is missing, leaves a figure out.
    """
    with language(document.language):
        drawn = {figure.name: _draw(figure, figures) for figure in document.all(Figure)}
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


@dataclass(frozen=True)
class Drawn:
    """A figure of the page: its markup, or why it is not there; neither where there is no file.

    `inline_svg` lets through allowed elements and escaped text only, so that the template need not escape it.
    """

    svg: str = ""
    why: str = ""


def _draw(figure: Figure, figures: Path | None) -> Drawn:
    # A name is a file of the folder, not a way out of it.
    if figures is None or not _FILE.fullmatch(figure.name):
        return Drawn()
    path = figures / f"{figure.name}.svg"
    try:
        return Drawn(inline_svg(path.read_text(encoding="utf-8"), figure.name))
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
    environment.filters |= {"clip": clip, "parted": _parted, "told": _told, "models": _models}
    return environment.get_template("template.html.j2")


def _render(document: Document, drawn: dict[str, Drawn]) -> str:
    from markupsafe import Markup

    main = [row for table in document.all(Table) if table.name == "main" for row in table.rows]
    style, script = ((_PAGE / name).read_text(encoding="utf-8") for name in ("style.css", "script.js"))
    counts: Counter[str] = Counter()

    def number(kind: str, count: int = 1) -> int:
        """The number of the next table, figure or sentence, or of the first of several."""
        counts[kind] += count
        return counts[kind] - count + 1

    return _template().render(
        document=document,
        sections=_sections(document, drawn),
        drawn=drawn,
        models=list(dict.fromkeys(model for row in main for model in _models(row))),
        number=number,
        sort_value=sort_value,
        tall=TALL,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        t=translate,
    )


def _hash(text: str) -> str:
    """The hash by which a content security policy allows an inline script or style sheet."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _sections(document: Document, drawn: dict[str, Drawn]) -> list[dict[str, Any]]:
    """The sections with what there is of them: of one of figures alone nothing may be left."""
    sections = []
    for i, section in enumerate(document.sections):
        blocks = [b for b in section.blocks if not (isinstance(b, Figure) and drawn[b.name] == Drawn())]
        title = section.title or document.title
        several = len(section.of(Table)) > 1
        captions = [f"{title}: {b.name}" if several and isinstance(b, Table) else title for b in blocks]
        views = [
            {"kind": type(block).__name__, "block": block, "caption": caption}
            for block, caption in zip(blocks, captions, strict=True)
        ]
        if views:
            sections.append({"id": f"s{i}-{_anchor(section.id)}", "title": section.title, "blocks": views})
    return sections


def _parted(sentence: Sentence) -> tuple[str, str]:
    """A sentence, and its last word apart where a mark follows: it must not begin a line."""
    text = sentence.text
    cut = text.rfind(" ") + 1
    if not sentence.cells or len(text) - cut > LAST_WORD:
        cut = len(text)
    return text[:cut], text[cut:]


def _told(cell: Cell) -> str:
    """A cell with its value and interval: counts in full, other figures to four digits."""
    return f"{cell.id} = " + (f"{cell:,}" if cell.measured and cell.value.is_integer() else f"{cell:.4g~}")


def _models(row: Sequence[Entry]) -> list[str]:
    """The models of a row as the page's filter knows them."""
    return [clip(model, MAX_NAME).lower() for model in models_of(row)]


def _anchor(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name)[:60]
