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
    from bench.report.final import NAME, write_final_report
    from bench.report.html import write_html
    from bench.report.markdown import write_markdown

    facts = gather(results, name)
    store = RunStore(results, name)
    folder = folder or results
    folder.mkdir(parents=True, exist_ok=True)
    document = build_document(facts, lang)
    _draw(facts, store, folder, figures)
    target = folder / "comparison.md"
    write_markdown(document, target)
    write_html(document, target.with_suffix(".html"), folder / FIGURES)
    write_frame(facts.board, folder / "leaderboard.parquet")
    write_final_report(facts, build_document(facts), store.folder / NAME)
    return facts, target


def _draw(facts: Facts, store: RunStore, folder: Path, wanted: bool) -> None:
    from bench.report.figures import FIGURES as known
    from bench.report.figures import draw_figures

    if wanted:
        draw_figures(facts, store, folder / FIGURES)
        return
    # Those of an earlier report would be taken for this one's.
    for name in known:
        for ending in (".svg", ".png"):
            (folder / FIGURES / f"{name}{ending}").unlink(missing_ok=True)
