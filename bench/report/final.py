"""`final_report.json`: a run as one document for machines, its sentences with the cells they rest on.

Its parts are types (`bench.report.parts`); `python -m bench show --schema` prints the JSON schema made of them.
`SCHEMA_VERSION` changes when a reader would have to.
"""

from __future__ import annotations

from typing import Any, Union

from bench.advice.capability import assess
from bench.advice.claims import judged_claims
from bench.advice.facts import EVIDENCE, Facts, row_type
from bench.advice.guide import advise
from bench.experiment.deviations import deviations, uniform_settings
from bench.portfolio.frames import PortfolioRow
from bench.records.documents import sealed, strict
from bench.report import parts
from bench.report.parts import SCHEMA_VERSION, Figures, FinalReport, NamedFigures
from bench.scores.rows import fold_row, leaderboard_row
from bench.stats.pairs import PairRow
from bench.text.cells import Cell
from bench.text.document import Document
from bench.text.sentences import Sentence

NAME = "final_report.json"
APART = ("portfolio",)
"""Frames that have a place of their own in the report."""


def schema() -> dict[str, Any]:
    """The JSON schema of a report, made of the types that write it and of the metrics that are registered."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:alpha-zoo:final-report:{SCHEMA_VERSION}",
    }
    described = _type(leaderboard_row(), fold_row()).model_json_schema()
    return head | described | {"title": f"Alpha Zoo: final report of a run, version {SCHEMA_VERSION}"}


def _type(*rows: Any) -> Any:
    further: Any = Union[tuple(row for name, row in EVIDENCE.items() if name not in APART)]  # noqa: UP007 - made here
    return FinalReport[(*rows, further)]  # type: ignore[valid-type]


def final_report(facts: Facts, document: Document) -> dict[str, Any]:
    """The report as strict JSON; a figure that was not measured is null.

    Args:
        document: in English.
    """
    run, config = facts.run, facts.run["config"]
    result, fold = leaderboard_row(), fold_row()
    found: parts.Part = _type(result, fold)(
        schema_version=SCHEMA_VERSION,
        run=parts.Run.of(run),
        data=parts.Data.of(run["data"], folds=[parts.Segments.of(segments) for segments in run["folds"]]),
        processing=parts.Processing.of(config["data"]),
        training=parts.Training.of(run, seeds=config["seeds"], shared=config["train"]),
        models=[_model(facts, model) for model in facts.models],
        results=result.rows(facts.board.frame),
        oracle=facts.board.oracle,
        folds=fold.rows(facts.board.folds),
        differences=PairRow.rows(facts.board.pairs),
        portfolio=parts.Portfolio(
            settings=facts.portfolio_settings or None,
            results=PortfolioRow.rows(facts.frame("portfolio")) if facts.has_portfolio else [],
        ),
        capture=_capture(facts),
        evidence={name: row_type(name).rows(frame) for name, frame in facts.frames.items() if name not in APART},
        capability=[
            parts.Abilities(
                model=one.model,
                score=_figures(one.score),
                abilities={name: _named(cell) for name, cell in one.cells.items()},
                strengths=list(one.strengths),
                weaknesses=list(one.weaknesses),
            )
            for one in assess(facts)
        ],
        claims=_claims(facts),
        recommendations=[
            parts.Recommended(
                use=advice.id,
                ranking=list(advice.ranking),
                not_told_from_first=list(advice.tied),
                sentences=[_said(sentence) for sentence in advice.sentences],
            )
            for advice in advise(facts)
        ],
        failures=[parts.Failure.of(failure, key=key) for key, failure in facts.board.failures.items()],
        checksum="",
        sentences=[parts.SaidIn(section=name, **dict(_said(one))) for name, one in document.sentences()],
    )
    return sealed(found.model_dump(), NAME)


def value_of(cell: Cell) -> dict[str, float | None]:
    """A cell's figures, null where there is none."""
    return strict({"value": cell.value, "low": cell.low, "high": cell.high})


def _figures(cell: Cell) -> Figures:
    return Figures(value=cell.value, low=cell.low, high=cell.high)


def _named(cell: Cell) -> NamedFigures:
    return NamedFigures(cell=cell.id, **dict(_figures(cell)))


def _said(sentence: Sentence) -> parts.Said:
    return parts.Said(text=sentence.text, cells={c.id: _figures(c) for c in sentence.cells})


def _model(facts: Facts, model: str) -> parts.Part:
    records = [r for r in facts.board.records.values() if r["model"] == model]
    planned = sum(t["model"] == model for t in facts.run["trials"])
    head = {"model": model, "title": facts.title(model), "planned": planned}
    if not records:
        return parts.FailedModel(**head, status="failed", trials=[])
    first = records[0]
    networks = any(r["fit"]["history"] for r in records)
    differ = deviations(first["train"], uniform_settings()) if networks else []
    return parts.FinishedModel.of(
        first,
        **head,
        status="ok" if len(records) == planned else "incomplete",
        deviations=[parts.Deviating(key=d.key, value=d.value, uniform=d.uniform) for d in differ],
        trials=[_trial(record) for record in records],
    )


def _trial(record: dict[str, Any]) -> parts.Trial:
    fit = record["fit"]
    return parts.Trial.of(
        record,
        fit_seconds=fit["seconds"],
        epochs=len(fit["history"]),
        best_epoch=fit["best_epoch"] if fit["history"] else None,
        rows_per_step=fit["rows_per_step"],
    )


def _capture(facts: Facts) -> parts.Capture | None:
    matrix = facts.matrix
    if matrix is None:
        return None
    return parts.Capture(
        experiment=matrix.name,
        markets=matrix.markets,
        results=parts.CaptureRow.rows(matrix.frame),
        missing=matrix.missing,
    )


def _claims(facts: Facts) -> list[parts.Claimed]:
    return [
        parts.Claimed(
            id=one.claim.id,
            model=one.claim.model,
            claim=one.claim.claim,
            verdict=one.verdict,
            why=one.why,
            tests=[parts.Tested(**dict(_named(t.cell)), relation=t.relation, to=_named(t.other)) for t in one.compared],
        )
        for one in judged_claims(facts)
    ]
