"""`final_report.json`: a run as one document for machines, its sentences with the cells they rest on.

The schema is `final_report.schema.json` beside this file; `SCHEMA_VERSION` changes when a reader would have to.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from bench.cells import Cell
from bench.facts import Facts
from bench.guide import advise
from bench.report.document import Document
from bench.report.sentences import Sentence
from bench.report.tables import frame_rows
from bench.store import write_atomic

SCHEMA_VERSION = 1
NAME = "final_report.json"


def final_report(facts: Facts, document: Document) -> dict[str, Any]:
    """The report as strict JSON; a figure that was not measured is null."""
    run = facts.run
    return {
        "schema_version": SCHEMA_VERSION,
        "run": run["name"],
        "command": run["command"],
        "config_hash": run["config_hash"],
        "versions": run["versions"],
        "data": {**run["data"], "folds": run["folds"]},
        "processing": {key: run["config"]["data"].get(key) for key in ("features", "lookback", "label", "split")},
        "training": {"protocol": run["protocol"], "shared": run["config"]["train"], "seeds": run["config"]["seeds"]},
        "models": [_model(facts, model) for model in facts.models],
        "results": _rows(facts.board.frame),
        "differences": _rows(facts.board.pairs),
        "portfolio": _rows(facts.frame("portfolio")),
        "timing": {name: _rows(frame) for name, frame in facts.frames.items() if name.startswith("timing")},
        "capture": [] if facts.matrix is None else _rows(facts.matrix.frame),
        "interpretability": _rows(facts.frame("interpretability")),
        "failures": [{"key": key, **failure} for key, failure in facts.board.failures.items()],
        "recommendations": [
            {
                "use": advice.id,
                "ranking": list(advice.ranking),
                "not_told_from_first": list(advice.tied),
                "sentences": [_sentence(s) for s in advice.sentences],
            }
            for advice in advise(facts)
        ],
        "sentences": [{"section": name, **_sentence(sentence)} for name, sentence in document.sentences()],
    }


def write_final_report(facts: Facts, document: Document, path: Path) -> None:
    """Write the report for machines, atomically."""
    write_atomic(path, json.dumps(final_report(facts, document), indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def _model(facts: Facts, model: str) -> dict[str, Any]:
    record = facts.board.record_of(model)
    if record is None:
        return {"model": model, "title": facts.title(model), "status": "failed"}
    keys = ("model", "title", "scope", "params", "train", "train_set", "n_parameters", "segments", "device")
    return {"status": "ok", **{key: strict(record[key]) for key in keys}}


def _sentence(sentence: Sentence) -> dict[str, Any]:
    return {"text": sentence.text, "cells": {c.id: value_of(c) for c in sentence.cells}}


def value_of(cell: Cell) -> dict[str, float | None]:
    """A cell's figures, null where there is none."""
    return {"value": strict(cell.value), "low": strict(cell.low), "high": strict(cell.high)}


def _rows(frame: Any) -> list[dict[str, Any]]:
    return [{str(key): strict(value) for key, value in row.items()} for row in frame_rows(frame)]


def strict(value: Any) -> Any:
    """Values that strict JSON has: no NaN or infinity, no numpy type."""
    if isinstance(value, dict):
        return {str(k): strict(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
