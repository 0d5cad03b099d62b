"""What the columns mean, with formulas: printed under every report; and which metrics are not shown, and why."""

from __future__ import annotations

from collections.abc import Iterable

from bench.metrics import metric
from bench.report.tables.main import INTERVAL
from bench.scores.leaderboard import Leaderboard
from bench.text.language import listed, translate
from bench.text.sentences import Sentence
from bench.text.tables import Definition, Table


def definitions_of(tables: Iterable[Table]) -> list[Definition]:
    """What the columns of a report mean, each once, in their order; then what the intervals are."""
    columns = [column.definition for table in tables for column in table.columns]
    return [*dict.fromkeys(d for d in columns if d is not None), INTERVAL]


def outdated_sentence(board: Leaderboard) -> Sentence | None:
    """Which metrics are dashes because stored trials lack them or have them by an older formula, and what mends it."""
    if not board.outdated:
        return None
    metrics = listed(
        translate("{metric} of {n} of {all} trials", metric=translate(metric(name).title), n=n, all=len(board.records))
        for name, n in board.outdated.items()
    )
    template = "Not stored, or of an older formula, and so not shown: {metrics}. This computes it: {command}"
    return Sentence(translate(template, metrics=metrics, command=board.run["command"]))
