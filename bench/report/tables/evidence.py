"""Tables of capture, capability and claims."""

from __future__ import annotations

from bench.advice.capability import Capability
from bench.advice.claims import Judged, is_given
from bench.advice.facts import Facts
from bench.advice.guide import Advice
from bench.scores.capture import NULL, CaptureMatrix
from bench.text.cells import DASH
from bench.text.language import listed, phrase, translate
from bench.text.tables import Column, ModelName, Table, frame_rows, table_of, word_table

ABILITIES = {
    "prediction": ("plain prediction", "{:.0%}"),
    "long_memory": ("long memory", "{:.0%}"),
    "relations": ("relations", "{:.0%}"),
    "speed": ("speed", "{:.3g} ms"),
    "interpretability": ("interpretability", "{:.2f}"),
    "training": ("training time", "{:.3g} s"),
}
"""By ability what it is called, and the format of its cell."""


def ability(name: str) -> str:
    """What an ability is called, in the current language."""
    return translate(ABILITIES.get(name, (name, ""))[0])


def capture_table(matrix: CaptureMatrix) -> Table | None:
    """Capture in per cent of every model on every market, with its interval; the IC itself on `null`."""
    columns = [
        Column(m, phrase("{market} IC", market=m), "+.3f~")
        if m == NULL
        else Column(m, phrase("{market} %", market=m), ".0f~", 100)
        for m in matrix.markets
    ]
    return table_of("capture", [Column("model", "model"), *columns], frame_rows(matrix.frame))


def capability_table(facts: Facts, assessed: list[Capability], advice: list[Advice]) -> Table | None:
    """Model, overall score, measured strengths and weaknesses, and what it suits best."""
    columns = [
        Column("model", "model"),
        Column("score", "overall score (0-10)", ".1f±"),
        Column("strengths", "measured strengths"),
        Column("weaknesses", "measured weaknesses"),
        Column("uses", "best suited for"),
    ]
    rows = [
        {
            "model": ModelName(facts.title(c.model), (c.model,)),
            "score": c.score,
            "strengths": _list(c, c.strengths),
            "weaknesses": _list(c, c.weaknesses),
            "uses": listed((a.title for a in advice if c.model in a.tied), "; "),
        }
        for c in assessed
    ]
    return table_of("score", columns, rows)


def _list(entry: Capability, abilities: tuple[str, ...]) -> str:
    forms = {name: ABILITIES.get(name, (name, "{:.3g}"))[1] for name in abilities}
    return listed(f"{ability(name)} {form.format(entry.cells[name].value)}" for name, form in forms.items())


def claims_table(judged: list[Judged]) -> Table:
    """Claim, verdict and the cells it rests on."""
    rows = [
        [ModelName(j.claim.model, (j.claim.model,)), phrase(j.claim.claim), phrase(j.verdict), _grounds(j) or DASH]
        for j in judged
    ]
    return word_table(["model", "published claim", "verdict", "rests on"], rows, "claims")


def _grounds(judged: Judged) -> str:
    parts = [
        f"{measured.id} {measured:.4g~} {translate(word)} {other.id}{'' if is_given(other) else f' {other:.4g~}'}"
        for measured, word, other, _ in judged.compared
        if measured.measured and other.measured
    ]
    return listed([*parts, *([judged.why] if judged.why else [])], "; ")
