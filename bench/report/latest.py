"""`results/comparison.md|html`: the report of the run that was reported last, with an index of all runs.

Its figures are those in the run's folder.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from bench.records.runs import RunSummary, summaries
from bench.report.html import write_html
from bench.report.markdown import write_markdown
from bench.text.document import FIGURES, Document, Links, Section
from bench.text.language import language, translate

NAME = "comparison"
INDEX = "all-runs"


def write_latest(document: Document, results: Path, name: str) -> None:
    """Write the report of run `name` again where the results of all runs are, saying whose it is."""
    runs = summaries(results)
    figures = Path("runs") / name / FIGURES
    write_markdown(_with_index(document, name, runs, ".md"), results / f"{NAME}.md", figures)
    write_html(_with_index(document, name, runs, ".html"), results / f"{NAME}.html", results / figures)


def _with_index(document: Document, name: str, runs: list[RunSummary], ending: str) -> Document:
    with language(document.language):
        title = translate("All runs")
        # How each writer names the place of a section.
        anchor = f"s{len(document.sections)}-{INDEX}" if ending == ".html" else title.lower().replace(" ", "-")
        head = Links(
            (
                (translate("Latest run: {name}", name=name), _report_of(name, ending), ""),
                (title, f"#{anchor}", ""),
            )
        )
        index = Links(tuple((run.name, _report_of(run.name, ending), _line(run)) for run in runs))
    opening, *others = document.sections
    opening = replace(opening, blocks=(head, *opening.blocks))
    return replace(document, sections=(opening, *others, Section(INDEX, title, (index,))))


def _report_of(name: str, ending: str) -> str:
    return f"runs/{quote(name)}/{NAME}{ending}"


def _line(run: RunSummary) -> str:
    return translate(
        "{data}, {models} models, {stored} of {planned} trials stored",
        data=run.data,
        models=len(run.models),
        stored=run.stored,
        planned=run.planned,
    )
