"""Does a report still say what the records say? Every sentence is made again and compared. Imports no torch."""

from __future__ import annotations

import difflib
import math
from pathlib import Path
from typing import Any

from bench.advice.facts import gather
from bench.experiment.formulas import outdated, read_daily
from bench.metrics.daily import summary
from bench.records.documents import read_json, strict
from bench.records.store import RECORD, RunStore
from bench.report.build import build_document
from bench.report.final import NAME, value_of
from bench.report.html import render_html
from bench.report.markdown import render_markdown
from bench.text.document import FIGURES, Document

TOLERANCE = 1e-9
"""Relative difference up to which a cell counts as the same: a sum in another order, not another measurement."""


def verify_report(results: Path, name: str, folder: Path | None = None, lang: str = "en") -> list[str]:
    """What no longer holds of a run's report; empty where all of it does.

    Every stored file that the report rests on must be whole, and every metric of a record that of its daily series.
    Compared are the sentences and cells of `final_report.json`, every line of `comparison.md` and the whole
    `comparison.html` with what the records give now.

    Args:
        folder: of the report; None takes the run's.

    Raises:
        ConfigError: no such run, or none of its trials has finished.
    """
    facts = gather(results, name)
    store = RunStore(results, name)
    folder = folder or store.folder
    stored = read_json(folder / NAME)
    document = build_document(facts)
    problems = [f"{folder / NAME} is missing"] if stored.state == "missing" else []
    problems += list(dict.fromkeys(why for why in (stored.damage, *store.damages()) if why))
    problems += _metrics(store, list(facts.board.records))
    problems += [] if stored.content is None else _sentences(stored.content, document)
    translated = document if lang == document.language else build_document(facts, lang)
    return problems + _lines(translated, folder / "comparison.md") + _page(translated, folder / "comparison.html")


def _metrics(store: RunStore, keys: list[str]) -> list[str]:
    """Metrics of a record that are not those of its daily series."""
    problems = []
    for record in (record for key in keys if (record := store.record(key)) is not None):
        made = summary(read_daily(store, record))
        told = record["metrics"]
        unknown = {m.name for m in outdated(record)}
        problems += [
            f"{store.trial_folder(record['key']) / RECORD}: {metric} is {told[metric]}, but its days give {value:.6g}"
            for metric, value in made.items()
            if metric in told and metric not in unknown and not _close(told[metric], strict(value))
        ]
    return problems


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
