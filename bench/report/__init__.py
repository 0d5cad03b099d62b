"""Reports from stored records; `write_report` is the one entry."""

from __future__ import annotations

from pathlib import Path

from bench.facts import Facts, gather
from bench.leaderboard import write_frame
from bench.store import RunStore

FIGURES = "figures"


def write_report(
    results: Path, name: str, *, folder: Path | None = None, lang: str = "en", figures: bool = False
) -> tuple[Facts, Path]:
    """Rebuild the report of a run from its records, without torch.

    Writes `comparison.md` and `leaderboard.parquet` into a folder and `final_report.json` into the run's own.

    Args:
        folder: of the report; None takes the results folder.
        lang: language of `comparison.md`; `final_report.json` is English.
        figures: draw them too, where matplotlib is installed.

    Raises:
        ConfigError: no such run, none of its trials has finished, or an unknown language.
    """
    from bench.report.build import build_document
    from bench.report.final import NAME, write_final_report
    from bench.report.markdown import write_markdown

    facts = gather(results, name)
    folder = folder or results
    folder.mkdir(parents=True, exist_ok=True)
    document = build_document(facts, lang)
    target = folder / "comparison.md"
    write_markdown(document, target, figure_folder(folder))
    write_frame(facts.board, folder / "leaderboard.parquet")
    write_final_report(facts, build_document(facts), RunStore(results, name).folder / NAME)
    return facts, target


def figure_folder(folder: Path) -> Path | None:
    """The folder of figures beside a report, as the report links to it; None where there is none."""
    return Path(FIGURES) if (folder / FIGURES).is_dir() else None
