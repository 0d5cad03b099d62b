"""Uses that are answered by the capture on planted markets: ranking, margin, ties, speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from bench.advice.facts import Facts
from bench.advice.use import Answer, also_tied, unmeasured
from bench.scores.capture import CaptureMatrix
from bench.stats.bootstrap import interval
from bench.text.cells import Cell
from bench.text.sentences import Sentence, say

PLANTED = "bench run configs/planted.yaml"
"""Measures the capture on every planted market."""
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
        markets: the planted markets of a matrix whose mean the column is; none where it has none.
        column: of the matrix.
        measure: the sentence that says what is measured, from these markets.
        more: sentences on the first model, from the facts and its name.
    """

    use: str
    markets: Callable[[CaptureMatrix], Sequence[str]]
    column: str
    measure: Callable[[Sequence[str]], Sentence]
    more: Callable[[Facts, str], list[Sentence]]

    def __call__(self, facts: Facts) -> Answer:
        matrix = measured_on(facts, [])
        markets = [] if matrix is None else list(self.markets(matrix))
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
