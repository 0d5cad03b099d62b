"""Tables about two runs: trials, settings, and both main tables column by column."""

from __future__ import annotations

from bench.records.store import RunStore
from bench.report.tables.main import main_table
from bench.scores.compare import TrialComparison
from bench.scores.leaderboard import build_leaderboard
from bench.text.tables import Table, seconds


def trial_table(trials: list[TrialComparison]) -> Table:
    """What came of each trial."""
    rows = [[t.model, str(t.fold), str(t.seed), t.verdict, t.compared, seconds(t.difference)] for t in trials]
    headers = ["model", "fold", "seed", "verdict", "compared", "largest difference"]
    return Table(headers, rows, [False, True, True, False, False, True])


def settings_table(settings: list[tuple[str, str, str]], a: str, b: str) -> Table:
    """What was asked for differently."""
    return Table(["setting", a, b], [list(entry) for entry in settings], [False] * 3)


def side_by_side(one: RunStore, other: RunStore, a: str, b: str) -> Table:
    """The main tables of two runs: the models of both, each column twice."""
    left, right = (main_table(build_leaderboard(store)) for store in (one, other))
    headers, numeric = [left.headers[0]], [False]
    rows = {row[0]: [row[0]] for row in (*left.rows, *right.rows)}
    for header in dict.fromkeys((*left.headers[1:], *right.headers[1:])):
        for table, name in ((left, a), (right, b)):
            headers.append(f"{header}: {name}")
            numeric.append(True)
            place = table.headers.index(header) if header in table.headers else None
            cells = {} if place is None else {row[0]: row[place] for row in table.rows}
            for model, row in rows.items():
                row.append(cells.get(model, "–"))
    return Table(headers, list(rows.values()), numeric)
