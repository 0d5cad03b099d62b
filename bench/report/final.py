"""`final_report.json`: a run as one document for machines, its sentences with the cells they rest on.

The schema is `final_report.schema.json` beside this file; `SCHEMA_VERSION` changes when a reader would have to.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from bench.advice.capability import assess, score_frame
from bench.advice.claims import judge, load_claims
from bench.advice.facts import Facts
from bench.advice.guide import advise
from bench.experiment.deviations import deviations, uniform_settings
from bench.records.store import write_atomic
from bench.text.cells import Cell, cells_of
from bench.text.document import Document
from bench.text.sentences import Sentence
from bench.text.tables import frame_rows

SCHEMA_VERSION = 1
NAME = "final_report.json"
SCHEMA = Path(__file__).with_name("final_report.schema.json")
RUN = ("name", "note", "command", "config_hash", "versions")
PROCESSING = ("features", "lookback", "label", "split", "vwap", "concepts", "universe")
APART = ("main", "pairs", "capture", "portfolio")
"""Tables that have a place of their own in the report."""


def final_report(facts: Facts, document: Document) -> dict[str, Any]:
    """The report as strict JSON; a figure that was not measured is null.

    Args:
        document: in English.
    """
    run, config = facts.run, facts.run["config"]
    found = {
        "schema_version": SCHEMA_VERSION,
        "run": {key: run[key] for key in RUN},
        "data": {**run["data"], "folds": run["folds"]},
        "processing": {key: config["data"].get(key) for key in PROCESSING},
        "training": {
            "protocol": run["protocol"],
            "device": run["device"],
            "seeds": config["seeds"],
            "baseline": run["baseline"],
            "shared": config["train"],
        },
        "models": [_model(facts, model) for model in facts.models],
        "results": _rows(facts.board.frame),
        "oracle": facts.board.oracle,
        "folds": _rows(facts.board.folds),
        "differences": _rows(facts.board.pairs),
        "portfolio": {
            "settings": facts.portfolio_settings or None,
            "results": _rows(facts.frame("portfolio")) if facts.has_portfolio else [],
        },
        "capture": None if facts.matrix is None else _capture(facts),
        "evidence": {name: _rows(frame) for name, frame in facts.frames.items() if name not in APART},
        "capability": [
            {
                "model": c.model,
                "score": value_of(c.score),
                "abilities": {name: {"cell": cell.id, **value_of(cell)} for name, cell in c.cells.items()},
                "strengths": list(c.strengths),
                "weaknesses": list(c.weaknesses),
            }
            for c in assess(facts)
        ],
        "claims": _claims(facts),
        "recommendations": [
            {
                "use": advice.id,
                "ranking": list(advice.ranking),
                "not_told_from_first": list(advice.tied),
                "sentences": [_sentence(s) for s in advice.sentences],
            }
            for advice in advise(facts)
        ],
        "failures": [{"key": key, **failure} for key, failure in facts.board.failures.items()],
        "sentences": [{"section": name, **_sentence(sentence)} for name, sentence in document.sentences()],
    }
    return strict(found)


def write_final_report(facts: Facts, document: Document, path: Path) -> None:
    """Write the report for machines, atomically."""
    write_atomic(path, json.dumps(final_report(facts, document), indent=1, allow_nan=False) + "\n")


def _model(facts: Facts, model: str) -> dict[str, Any]:
    records = [r for r in facts.board.records.values() if r["model"] == model]
    planned = sum(t["model"] == model for t in facts.run["trials"])
    head = {"model": model, "title": facts.title(model), "planned": planned}
    if not records:
        return {**head, "status": "failed", "trials": []}
    first = records[0]
    keys = ("scope", "params", "params_set", "train", "train_set", "n_parameters")
    networks = any(r["fit"]["history"] for r in records)
    differ = deviations(first["train"], uniform_settings()) if networks else []
    return {
        **head,
        "status": "ok" if len(records) == planned else "incomplete",
        **{key: first[key] for key in keys},
        "deviations": [{"key": d.key, "value": d.value, "uniform": d.uniform} for d in differ],
        "trials": [_trial(record) for record in records],
    }


def _trial(record: dict[str, Any]) -> dict[str, Any]:
    fit = record["fit"]
    return {
        **{key: record[key] for key in ("key", "fold", "seed", "device", "segments", "metrics")},
        "fit_seconds": fit["seconds"],
        "epochs": len(fit["history"]),
        "best_epoch": fit["best_epoch"] if fit["history"] else None,
        "rows_per_step": fit["rows_per_step"],
    }


def _capture(facts: Facts) -> dict[str, Any]:
    assert facts.matrix is not None
    return {
        "experiment": facts.matrix.name,
        "markets": facts.matrix.markets,
        "results": _rows(facts.matrix.frame),
        "missing": facts.matrix.missing,
    }


def _claims(facts: Facts) -> list[dict[str, Any]]:
    cells = facts.cells | cells_of("score", score_frame(assess(facts)), "model")
    found = []
    for claim in load_claims().claims:
        judged = judge(claim, cells, facts.run["data"]["name"])
        tests = [
            {"cell": mine.id, **value_of(mine), "relation": word, "to": {"cell": other.id, **value_of(other)}}
            for mine, word, other, _ in judged.compared
        ]
        told = {"verdict": judged.verdict, "why": judged.why, "tests": tests}
        found.append({"id": claim.id, "model": claim.model, "claim": claim.claim, **told})
    return found


def _sentence(sentence: Sentence) -> dict[str, Any]:
    return {"text": sentence.text, "cells": {c.id: value_of(c) for c in sentence.cells}}


def value_of(cell: Cell) -> dict[str, float | None]:
    """A cell's figures, null where there is none."""
    return {"value": strict(cell.value), "low": strict(cell.low), "high": strict(cell.high)}


def _rows(frame: Any) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame_rows(frame)]


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
