"""Does a report still say what the records say? Every sentence is made again and compared. Imports no torch."""

from __future__ import annotations

import difflib
import math
from pathlib import Path
from typing import Any

from bench.advice.facts import gather
from bench.records.store import RunStore, read_json
from bench.report.build import build_document
from bench.report.final import NAME, value_of
from bench.report.html import render_html
from bench.report.markdown import render_markdown
from bench.text.document import FIGURES, Document

TOLERANCE = 1e-9
"""Relative difference up to which a cell counts as the same: a sum in another order, not another measurement."""


def verify_report(results: Path, name: str, folder: Path | None = None, lang: str = "en") -> list[str]:
    """What no longer holds of a run's report; empty where all of it does.

    Compared are the sentences and cells of `final_report.json`, every line of `comparison.md` and the whole
    `comparison.html` with what the records give now.

    Args:
        folder: of the report; None takes the run's.

    Raises:
        ConfigError: no such run, or none of its trials has finished.
    """
    facts = gather(results, name)
    folder = folder or RunStore(results, name).folder
    stored = read_json(folder / NAME)
    document = build_document(facts)
    problems = [f"{folder / NAME} is missing or damaged"] if stored is None else _sentences(stored, document)
    translated = document if lang == document.language else build_document(facts, lang)
    return problems + _lines(translated, folder / "comparison.md") + _page(translated, folder / "comparison.html")


def _sentences(stored: dict[str, Any], document: Document) -> list[str]:
    problems = []
    made = {(section, s.text): s for section, s in document.sentences()}
    cells = {c.id: value_of(c) for s in made.values() for c in s.cells}
    for entry in stored["sentences"]:
        where = f'{entry["section"]}: "{entry["text"]}"'
        changed = [
            f"{where} rests on {cell} = {_show(old)}, but the records give {_show(cells.get(cell))}"
            for cell, old in entry["cells"].items()
            if not _same(old, cells.get(cell))
        ]
        if not changed and (entry["section"], entry["text"]) not in made:
            changed = [f"{where} is no longer what the records say"]
        problems += changed
    known = {(entry["section"], entry["text"]) for entry in stored["sentences"]}
    problems += [f'{section}: "{text}" is missing' for section, text in made if (section, text) not in known]
    return problems


def _lines(document: Document, path: Path) -> list[str]:
    try:
        written = path.read_text(encoding="utf-8")
    except OSError as error:
        return [f"{path}: {error.strerror}"]
    expected = render_markdown(document, path.parent)
    if written == expected:
        return []
    changes = difflib.unified_diff(written.splitlines(), expected.splitlines(), lineterm="", n=0)
    shown = [line for line in changes if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return [f"{path}: {'says' if line[0] == '-' else 'the records give'}: {line[1:]}" for line in shown[:10]]


def _page(document: Document, path: Path) -> list[str]:
    try:
        written = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return [f"{path}: {error}"]
    if written == render_html(document, path.parent / FIGURES):
        return []
    return [f"{path}: is not the page that the records and the figures beside it give"]


def _same(old: dict[str, float | None], new: dict[str, float | None] | None) -> bool:
    if new is None:
        return False
    return all(_close(old.get(key), new.get(key)) for key in ("value", "low", "high"))


def _close(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=1e-12)


def _show(figures: dict[str, float | None] | None) -> str:
    if figures is None or figures["value"] is None:
        return "nothing"
    interval = "" if figures["low"] is None else f" [{figures['low']:.6g}, {figures['high']:.6g}]"
    return f"{figures['value']:.6g}{interval}"
