"""The section on what the forecasts rest on."""

from __future__ import annotations

import numpy as np

from bench.advice.facts import Facts
from bench.report.tables.importance import importance_table, input_table
from bench.text.document import Figure, Section, prose, section
from bench.text.language import translate
from bench.text.sentences import Sentence, say


def importance(facts: Facts) -> Section | None:
    """Fields, days and peers that the scores of each model depend on; None where that was not measured."""
    frame = facts.frame("importance")
    if frame.empty:
        return None
    there = set(frame["model"])
    model = next((m for m in facts.models if m in there), str(frame["model"].iloc[0]))
    days, rows, scored = (int(np.max(frame[name].to_numpy())) for name in ("n_days", "n_rows", "n_scored"))
    how = say(
        "What moves the scores: one field, or one day back, at a time takes the values of another stock of the same "
        "day, on {days} test days and {rows:,} rows at most; up to {scored:,} rows were scored for one trial and its "
        "untrained twins. Correlated fields share what they carry.",
        days=days,
        rows=rows,
        scored=scored,
    )
    return section(
        "importance",
        translate("What the forecasts rest on"),
        prose(_leader(facts, model), how),
        importance_table(frame),
        Figure("feature_importance", translate("Share of the change of the scores by field and by day back.")),
        input_table(facts.frame("inputs")),
    )


def _leader(facts: Facts, model: str) -> Sentence:
    """What the highest ranked model that was measured reads most."""
    frame = facts.frame("importance").set_index("model")
    cells = {name: facts.cell(f"importance.{model}.{name}") for name in ("share", "control", "above")}
    words = {"model": model, "field": str(frame.loc[model, "field"]), "share": cells["share"].percent}
    if not cells["control"].measured:
        template = "{model} reads {field} most: {share:.0f~} % of what all fields move its scores."
        return say(template, **words)
    words["control"] = cells["control"].percent
    template = (
        "{model} reads {field} most: {share:.0f~} % of what all fields move its scores, against {control:.0f} % in "
        "untrained networks."
        if cells["above"].value == 1
        else "{model} reads {field} most, {share:.0f~} % of what all fields move its scores, but not surely more than "
        "untrained networks do: {control:.0f} %."
    )
    return say(template, cells["above"], **words)
