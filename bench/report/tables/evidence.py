"""Tables of capture, capability and claims."""

from __future__ import annotations

from bench.advice.capability import Capability
from bench.advice.claims import Judged, is_given
from bench.advice.facts import Facts
from bench.advice.guide import Advice
from bench.scores.capture import NULL, CaptureMatrix
from bench.text.cells import DASH, Cell
from bench.text.language import listed, translate
from bench.text.tables import Table

ABILITIES = {
    "prediction": "plain prediction",
    "long_memory": "long memory",
    "relations": "relations",
    "speed": "speed",
    "interpretability": "interpretability",
    "training": "training time",
}
_FORMATS = {
    "prediction": "{:.0%}",
    "long_memory": "{:.0%}",
    "relations": "{:.0%}",
    "speed": "{:.3g} ms",
    "interpretability": "{:.2f}",
    "training": "{:.3g} s",
}


def capture_table(matrix: CaptureMatrix) -> Table:
    """Capture in per cent of every model on every market, with its interval; the IC itself on `null`."""
    markets = matrix.markets
    headers = ["model", *(f"{m} IC" if m == NULL else f"{m} %" for m in markets)]
    rows = []
    for row in matrix.frame.to_dict("records"):
        cells = [Cell(m, row[m], row[f"{m}_low"], row[f"{m}_high"]) for m in markets]
        texts = [f"{c:+.3f~}" if c.id == NULL else f"{c.percent:.0f~}" for c in cells]
        rows.append([row["model"], *texts])
    return Table(headers, rows, [False] + [True] * len(markets))


def capability_table(facts: Facts, found: list[Capability], advice: list[Advice]) -> Table:
    """Model, overall score, measured strengths and weaknesses, and what it suits best."""
    rows = []
    for entry in found:
        suits = [a.title for a in advice if entry.model in a.tied]
        rows.append(
            [
                facts.title(entry.model),
                f"{entry.score:.1f±}",
                _list(entry, entry.strengths),
                _list(entry, entry.weaknesses),
                listed(suits, "; ") or DASH,
            ]
        )
    headers = ["model", "overall score (0-10)", "measured strengths", "measured weaknesses", "best suited for"]
    return Table(headers, rows, [False, True, False, False, False])


def _list(entry: Capability, abilities: tuple[str, ...]) -> str:
    parts = [f"{translate(ABILITIES.get(a, a))} {_value(a, entry.cells[a])}" for a in abilities]
    return listed(parts) or DASH


def _value(ability: str, cell: Cell) -> str:
    return _FORMATS.get(ability, "{:.3g}").format(cell.value)


def claims_table(judged: list[Judged]) -> Table:
    """Claim, verdict and the cells it rests on."""
    rows = [[j.claim.model, translate(j.claim.claim), translate(j.verdict), _grounds(j)] for j in judged]
    return Table(["model", "published claim", "verdict", "rests on"], rows, [False] * 4)


def _grounds(judged: Judged) -> str:
    parts = [
        f"{mine.id} {mine:.4g~} {translate(word)} {other.id}{'' if is_given(other) else f' {other:.4g~}'}"
        for mine, word, other, _ in judged.compared
        if mine.measured and other.measured
    ]
    return listed([*parts, *([judged.why] if judged.why else [])], "; ")
