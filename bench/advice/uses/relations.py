"""Multi-asset relations: capture on `relation`."""

from __future__ import annotations

from collections.abc import Sequence

from bench.advice.captures import ByCapture, ranked
from bench.advice.facts import Facts
from bench.advice.use import Use
from bench.text.sentences import Sentence, say


def _measure(markets: Sequence[str]) -> Sentence:
    return say(
        "Measured by the capture on the planted market relation, whose signal is yesterday's news of concept peers."
    )


def _without_groups(facts: Facts, best: str) -> list[Sentence]:
    """The first model that scores each stock alone, if the best does not."""
    assert facts.matrix is not None
    board = facts.matrix.boards["relation"].frame
    scopes = dict(zip(board["model"], board["scope"], strict=True))
    alone = [m for m in ranked(facts.matrix, "relation") if scopes[m] == "sample"]
    if scopes[best] == "sample" or not alone:
        return []
    return [
        say(
            "Without groups of stocks to look across, none is left but {other} with {capture:.0f~} %.",
            other=alone[0],
            capture=facts.cell(f"capture.{alone[0]}.relation").percent,
        )
    ]


USE = Use(
    "relations",
    "Multi-asset relations",
    ByCapture("relations", lambda matrix: ["relation"], "relation", _measure, _without_groups),
)
