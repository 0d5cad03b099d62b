"""Long sequences: capture on `long`, with what a longer window costs."""

from __future__ import annotations

from collections.abc import Sequence

from bench.advice.captures import ByCapture, ranked
from bench.advice.facts import Facts
from bench.advice.use import Use
from bench.text.sentences import Sentence, say


def _measure(markets: Sequence[str]) -> Sentence:
    return say(
        "Measured by the capture on the planted market long, whose signal lies 0.8 of the lookback in the past; what "
        "a longer window costs is the exponent of time in the lookback."
    )


def _costs(facts: Facts, best: str) -> list[Sentence]:
    """How the time of the first three grows."""
    assert facts.matrix is not None
    models = ranked(facts.matrix, "long")[:3]
    exponents = {m: facts.cell(f"scaling.{m}.time_exponent_lookback") for m in models}
    return [
        say("The time of {model} grows as lookback^{exponent:.2f~}.", model=model, exponent=exponent)
        for model, exponent in exponents.items()
        if exponent.measured
    ]


USE = Use("long", "Long sequences", ByCapture("long", lambda matrix: ["long"], "long", _measure, _costs))
