"""Uses that are answered by the capture on planted markets: ranking, margin, ties, speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from bench.advice.facts import Facts
from bench.advice.use import Answer, Use, also_tied, unmeasured
from bench.scores.capture import CaptureMatrix
from bench.stats.bootstrap import interval
from bench.text.cells import Cell
from bench.text.language import listed, translate
from bench.text.sentences import Sentence, say

PLANTED = "bench run configs/planted.yaml"
"""Measures the capture on every planted market."""
OWN_HISTORY = "own_history"
FASTER = 1.25
"""A model is called faster where the other takes this many times as long."""


def measured_on(facts: Facts, markets: Sequence[str]) -> CaptureMatrix | None:
    """The capture matrix if it has models and these markets."""
    matrix = facts.matrix
    return None if matrix is None or matrix.frame.empty or not set(markets) <= set(matrix.markets) else matrix


def ranked(matrix: CaptureMatrix, column: str) -> list[str]:
    """The models, best first by a column of the matrix."""
    return matrix.frame.sort_values(column, ascending=False, kind="stable")["model"].tolist()


@dataclass(frozen=True)
class ByCapture:
    """An answer by one column of the matrix.

    Attributes:
        use: its id.
        column: of the matrix: a planted market, or the mean over those of a stock's own history.
        measure: the sentence that says what is measured, from these markets.
        more: sentences on the first model, from the facts and its name.
    """

    use: str
    column: str
    measure: Callable[[Sequence[str]], Sentence]
    more: Callable[[Facts, str], list[Sentence]]

    def __call__(self, facts: Facts) -> Answer:
        matrix = measured_on(facts, [])
        markets = [] if matrix is None else matrix.own_history if self.column == OWN_HISTORY else [self.column]
        if matrix is None or not markets or not set(markets) <= set(matrix.markets):
            return unmeasured(PLANTED)
        ranking, draws = ranked(matrix, self.column), matrix.mean_draws(markets)
        cells = {m: facts.cell(f"capture.{m}.{self.column}").percent for m in ranking}
        best, *others = ranking
        tied = [best, *(m for m in others if _lead(draws, best, m)[0] <= 0)]
        if not cells[best].low > 0:
            nothing = "No model captures anything that can be told from 0: {first:.0f~} % at best."
            sentences = [self.measure(markets), say(nothing, first=cells[best])]
        else:
            sentences = [self.measure(markets), *self._margin(cells, draws), *also_tied(cells, tied)]
            sentences += [*self.more(facts, best), *_faster(facts, best, tied)]
        return Answer(tuple(ranking), tuple(tied), tuple(sentences))

    def _margin(self, cells: dict[str, Cell], draws: pd.DataFrame) -> list[Sentence]:
        """The first and the second of the ranked models, and what lies between them."""
        if len(cells) < 2:
            return []
        best, second = list(cells)[:2]
        low, high = _lead(draws, best, second)
        value = cells[best].source.value - cells[second].source.value
        template = (
            "{best} comes first with {first:.0f~} % of the attainable IC, {second} second with {runner:.0f~} %; the "
            "margin is {margin:+.1f~} points."
            if low > 0
            else "{best} comes first with {first:.0f~} % of the attainable IC, {second} second with {runner:.0f~} %; "
            "there is no evidence of a difference: {margin:+.1f~} points."
        )
        margin = Cell(f"guide.{self.use}.margin", value, low, high).percent
        return [say(template, best=best, first=cells[best], second=second, runner=cells[second], margin=margin)]


def _lead(draws: pd.DataFrame, a: str, b: str) -> tuple[float, float]:
    """95 % interval of the difference of two models' captures."""
    low, high = interval((draws[a] - draws[b]).to_numpy()[:, None])
    return float(low[0]), float(high[0])


def _faster(facts: Facts, best: str, tied: list[str]) -> list[Sentence]:
    """The fastest of the models that cannot be told from the best."""
    times = {m: facts.cell(f"timing.{m}.one_day_p50_ms") for m in tied}
    timed = {m: c for m, c in times.items() if c.measured}
    if best not in timed or len(timed) < 2:
        return []
    fastest = min(timed, key=lambda m: timed[m].value)
    if fastest == best or timed[best].value < FASTER * timed[fastest].value:
        return []
    return [
        say(
            "The advice changes where speed counts: {fastest} cannot be told from it and takes {fast:.2g} ms a day "
            "instead of {slow:.2g} ms.",
            fastest=fastest,
            fast=timed[fastest],
            slow=timed[best],
        )
    ]


def _prediction_measure(markets: Sequence[str]) -> Sentence:
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


PREDICTION = Use(
    "prediction",
    "Plain time-series prediction",
    ByCapture("prediction", OWN_HISTORY, _prediction_measure, _other_leaders),
)


def _relations_measure(markets: Sequence[str]) -> Sentence:
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


RELATIONS = Use(
    "relations",
    "Multi-asset relations",
    ByCapture("relations", "relation", _relations_measure, _without_groups),
)


def _long_measure(markets: Sequence[str]) -> Sentence:
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


LONG = Use("long", "Long sequences", ByCapture("long", "long", _long_measure, _costs))
