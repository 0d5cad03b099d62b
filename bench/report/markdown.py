"""`comparison.md`: a document as GitHub markdown."""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import quote

from tabulate import tabulate

from bench.records.documents import write_atomic
from bench.text.document import FIGURES, Block, Code, Document, Figure, Items, Links, Prose
from bench.text.language import language, listed
from bench.text.printable import one_line, printable
from bench.text.tables import Table


def render_markdown(document: Document, folder: Path | None = None, figures: Path = Path(FIGURES)) -> str:
    """The document as GitHub markdown; names from data and plugins are escaped.

    Args:
        folder: where the file stands; None leaves figures out.
        figures: folder of those figures that were drawn, as seen from there.
    """
    parts = [f"# {escape(document.title)}"]
    with language(document.language):
        for section in document.sections:
            if section.title:
                parts.append(f"## {escape(section.title)}")
            parts += [text for block in section.blocks if (text := _block(block, folder, figures))]
    return "\n\n".join(parts) + "\n"


def write_markdown(document: Document, path: Path, figures: Path = Path(FIGURES)) -> None:
    """Write the report, atomically; `figures` is their folder as seen from the report's."""
    write_atomic(path, render_markdown(document, path.parent, figures))


def _block(block: Block, folder: Path | None, figures: Path) -> str:
    if isinstance(block, Prose):
        text = listed((escape(s.text) for s in block.sentences), " ")
        return f"**{escape(block.label)}** {text}" if block.label else paragraph_start(text)
    if isinstance(block, Items):
        return "\n".join(
            listed((f"- **{escape(label)}**", escape(text)), ": ") if label else f"- {paragraph(text)}"
            for label, text in block.items
        )
    if isinstance(block, Table):
        return as_markdown(block)
    if isinstance(block, Figure):
        drawn = figures / f"{block.name}.svg"
        if folder is None or not (folder / drawn).is_file():
            return ""
        return f"![{escape(block.caption)}]({quote(drawn.as_posix())})"
    if isinstance(block, Links):
        return "\n".join(
            listed((f"- [{escape(shown)}]({address})", *([escape(text)] if text else [])), ": ")
            for shown, address, text in block.items
        )
    assert isinstance(block, Code)
    return code_block(block.text)


def as_markdown(table: Table) -> str:
    """A pipe table, every cell escaped."""
    headers, *rows = [[escape(text) for text in row] for row in (table.headers, *table.texts)]
    return tabulate(rows, headers, tablefmt="pipe", colalign=table.alignment, disable_numparse=True)


def escape(text: str) -> str:
    """Text that neither HTML nor a markdown table nor markdown itself takes for markup."""
    # Cut first: a cut after escaping could leave half an entity.
    flat = html.escape(one_line(str(text)), quote=False)
    for mark in "\\|`*":
        flat = flat.replace(mark, "\\" + mark)
    # Brackets alone are text; only before a parenthesis do they make a link.
    return flat.replace("](", "]\\(")


def paragraph(text: str) -> str:
    """Escaped text that opens a block."""
    return paragraph_start(escape(text))


def paragraph_start(escaped: str) -> str:
    """A mark in front of escaped text makes no heading, list, quote or link target of it."""
    return re.sub(r"^(\d*)([#>+=~\[.)-])", r"\1\\\2", escaped)


def code_block(text: str) -> str:
    """Text as it is, fenced by more backticks than it holds in a row."""
    text = printable(text)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{text}\n{fence}"
