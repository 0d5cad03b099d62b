"""The section on which differences are real, and how often the tests that say so err."""

from __future__ import annotations

from bench.advice.facts import Facts
from bench.report.tables.significance import calibration_table, pair_significance_table, significance_table
from bench.scores.self_test import TRUE_NULL
from bench.stats.pairs import DIFFERENT
from bench.text.cells import Cell, cell
from bench.text.document import Section, section
from bench.text.document import prose as paragraph
from bench.text.language import listed, translate
from bench.text.sentences import Sentence, say
from bench.text.tables import frame_rows


def differences(facts: Facts) -> Section | None:
    """Confidence set, every pair after Holm's correction, and the false-positive rate of these tests."""
    board = facts.board
    if board.pairs.empty:
        return None
    return section(
        "pairs",
        translate("Which differences are real"),
        paragraph(_confidence_set(facts), _pairs(facts), _false_positives(facts)),
        significance_table(board.significance),
        pair_significance_table(board.pairs),
        calibration_table(facts.frame("calibration")),
    )


def _confidence_set(facts: Facts) -> Sentence | None:
    rows = frame_rows(facts.board.significance)
    inside = [r["model"] for r in rows if r["comparable"] and r["mcs_included"]]
    if not inside:
        return None
    return say(
        "{n} of {models} models are in the 90 % model confidence set, any of which may be the best: {names}.",
        *[facts.cell(f"significance.{m}.mcs_p") for m in inside],
        n=len(inside),
        models=sum(r["comparable"] for r in rows),
        names=listed(inside),
    )


def _pairs(facts: Facts) -> Sentence:
    rows = frame_rows(facts.board.pairs)
    told = [r for r in rows if r["verdict"] == DIFFERENT] or [min(rows, key=lambda r: r["p_holm"])]
    return say(
        "Of {pairs} pairs {n} differ after Holm's correction for their number, at a level of 5 % for all together.",
        *[facts.cell(f"pairs.{r['a']}-{r['b']}.p_holm") for r in told],
        pairs=len(rows),
        n=sum(r["verdict"] == DIFFERENT for r in rows),
    )


def _false_positives(facts: Facts) -> Sentence | None:
    frame = facts.frame("calibration")
    rows = [r for r in frame_rows(frame) if r.get("market") == TRUE_NULL]
    if not rows:
        return None
    row = rows[0]
    low, high = (Cell(f"calibration.{TRUE_NULL}.expected_{end}", row[f"expected_{end}"]) for end in ("low", "high"))
    return say(
        "Where there was nothing to find, such a test called two trainings of the same model different in {rate:.1f~} "
        "% of {repeats} repeats; an exact one of level 5 % would in {low:.1f} to {high:.1f} %.",
        rate=cell(facts.cells, f"calibration.{TRUE_NULL}.rate").percent,
        repeats=int(row["repeats"]),
        low=low.percent,
        high=high.percent,
    )
