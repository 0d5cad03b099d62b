"""Reports from stored records; `write_report` is the one entry."""

from __future__ import annotations

from pathlib import Path

from bench.advice.facts import Facts, gather
from bench.records.store import RunStore
from bench.scores.leaderboard import write_frame
from bench.text.document import FIGURES


def write_report(
    results: Path, name: str, *, folder: Path | None = None, lang: str = "en", figures: bool = True
) -> tuple[Facts, Path]:
    """Rebuild the report of a run from its records, without torch.

    Writes `comparison.md`, `comparison.html`, `leaderboard.parquet` and `figures/` into a folder and
    `final_report.json` into the run's own.

    Args:
        folder: of the report; None takes the results folder.
        lang: language of the report; `final_report.json` and words in figures are English.
        figures: draw them; otherwise the report has none.

    Raises:
        ConfigError: no such run, none of its trials has finished, or an unknown language.
    """
    from bench.report.build import build_document
    from bench.report.figures import draw_figures
    from bench.report.final import NAME, write_final_report
    from bench.report.html import write_html
    from bench.report.markdown import write_markdown

    facts = gather(results, name)
    store = RunStore(results, name)
    folder = folder or results
    folder.mkdir(parents=True, exist_ok=True)
    document = build_document(facts, lang)
    draw_figures(facts, store, folder / FIGURES, None if figures else ())
    target = folder / "comparison.md"
    write_markdown(document, target)
    write_html(document, target.with_suffix(".html"), folder / FIGURES)
    write_frame(facts.board, folder / "leaderboard.parquet")
    write_final_report(facts, build_document(facts), store.folder / NAME)
    return facts, target
