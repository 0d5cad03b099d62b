"""Reports from stored records; `write_report` is the one entry."""

from __future__ import annotations

from pathlib import Path

from bench.advice.facts import Facts, gather
from bench.records.documents import write_json
from bench.records.store import RunStore
from bench.scores.leaderboard import write_frame
from bench.text.document import FIGURES


def write_report(
    results: Path, name: str, *, folder: Path | None = None, lang: str = "en", figures: bool = True
) -> tuple[Facts, Path]:
    """Rebuild the report of a run from its records, without torch.

    Writes `comparison.md`, `comparison.html`, `final_report.json`, `leaderboard.parquet` and `figures/` into a folder.

    Args:
        folder: of the report; None takes the run's, and makes the report the latest one of the results folder.
        lang: language of the report; `final_report.json` and words in figures are English.
        figures: draw them; otherwise the report has none.

    Returns:
        What the report rests on, and its `comparison.md`.

    Raises:
        ConfigError: no such run, none of its trials has finished, or an unknown language.
    """
    from bench.report.build import build_document
    from bench.report.figures import draw_figures
    from bench.report.final import NAME, final_report
    from bench.report.html import write_html
    from bench.report.latest import write_latest
    from bench.report.markdown import write_markdown

    facts = gather(results, name)
    store = RunStore(results, name)
    place = folder or store.folder
    document = build_document(facts, lang)
    place.mkdir(parents=True, exist_ok=True)
    draw_figures(facts, store, place / FIGURES, None if figures else ())
    target = place / "comparison.md"
    write_markdown(document, target)
    write_html(document, target.with_suffix(".html"), place / FIGURES)
    write_frame(facts.board, place / "leaderboard.parquet")
    write_json(place / NAME, final_report(facts, document if lang == "en" else build_document(facts)))
    if folder is None:
        write_latest(document, results, name)
    return facts, target
