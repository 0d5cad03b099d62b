"""Reports from stored records; `write_report` is the one entry."""

from __future__ import annotations

from pathlib import Path

from bench.facts import Facts, gather
from bench.leaderboard import write_frame


def write_report(results: Path, name: str, lang: str = "en") -> tuple[Facts, Path]:
    """Rebuild `comparison.md` and `leaderboard.parquet` of a run from its records, without torch.

    Raises:
        ConfigError: no such run, none of its trials has finished, or an unknown language.
    """
    from bench.report.build import build_document
    from bench.report.markdown import write_markdown

    facts = gather(results, name)
    target = results / "comparison.md"
    write_markdown(build_document(facts, lang), target)
    write_frame(facts.board, results / "leaderboard.parquet")
    return facts, target
