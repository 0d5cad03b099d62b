"""Reports from the leaderboard; `write_report` is the one entry."""

from __future__ import annotations

from pathlib import Path

from bench.leaderboard import Leaderboard, build_leaderboard, write_frame
from bench.store import RunStore


def write_report(results: Path, name: str) -> tuple[Leaderboard, Path]:
    """Rebuild `comparison.md` and `leaderboard.parquet` of a run from its records, without torch.

    Raises:
        ConfigError: no such run, or none of its trials has finished.
    """
    from bench.report.markdown import write_markdown

    store = RunStore.open(results, name)
    board = build_leaderboard(store)
    target = results / "comparison.md"
    write_markdown(board, target)
    write_frame(board, results / "leaderboard.parquet")
    return board, target
