"""Plain time-series prediction: mean capture over the markets of a stock's own recent history."""

from __future__ import annotations

from collections.abc import Sequence

from bench.advice.captures import ByCapture, ranked
from bench.advice.facts import Facts
from bench.advice.use import Use
from bench.scores.capture import CaptureMatrix
from bench.text.language import listed, translate
from bench.text.sentences import Sentence, say


def _own_history(matrix: CaptureMatrix) -> list[str]:
    return matrix.own_history


def _measure(markets: Sequence[str]) -> Sentence:
    *others, last = markets
    return say(
        "Measured by the mean capture over the planted markets {markets}, which a stock's own recent history decides.",
        markets=translate("{others} and {last}", others=listed(others), last=last) if others else last,
    )


def _other_leaders(facts: Facts, best: str) -> list[Sentence]:
    """Markets on which another model leads."""
    assert facts.matrix is not None
    leaders = {market: ranked(facts.matrix, market)[0] for market in facts.matrix.own_history}
    return [
        say(
            "If your signal is like {market}, take {model}: {capture:.0f~} %.",
            market=market,
            model=model,
            capture=facts.cell(f"capture.{model}.{market}").percent,
        )
        for market, model in leaders.items()
        if model != best
    ]


USE = Use(
    "prediction",
    "Plain time-series prediction",
    ByCapture("prediction", _own_history, "own_history", _measure, _other_leaders),
)
