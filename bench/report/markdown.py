"""`comparison.md`: what a user reads."""

from __future__ import annotations

import html
import re
from pathlib import Path

from tabulate import tabulate

from bench.leaderboard import Leaderboard
from bench.report import tables
from bench.report.definitions import DEFINITIONS
from bench.report.sentences import setup_line, verdict
from bench.report.tables import Table
from bench.store import write_atomic
from zoo.config import LabelConfig


def render_markdown(board: Leaderboard) -> str:
    """The report as GitHub markdown; names from data and plugins are escaped."""
    run = board.run
    parts = [
        f"# Comparison: {escape(run['name'])}",
        " ".join(escape(s.text) for s in verdict(board)),
        f"*{escape(setup_line(board))}*",
    ]
    if run["note"]:
        parts.append(paragraph(run["note"]))
    parts.append(as_markdown(tables.main_table(board)))
    if board.oracle is not None:
        o = board.oracle
        parts.append(
            f"The true signal itself (oracle) has IC {o['ic']:.4f} and Rank IC {o['rank_ic']:.4f} on these test days "
            f"(designed: IC {o['designed_ic']:.4f}); capture is a model's IC as a share of the oracle's."
        )
    failures = tables.failure_table(board)
    if failures is not None:
        parts += ["## Failures", as_markdown(failures)]
    folds = tables.fold_table(board)
    if folds is not None:
        parts += ["## Rank IC by fold", as_markdown(folds)]
    pairs = tables.pair_table(board)
    if pairs is not None:
        parts += ["## Which differences are real", as_markdown(pairs)]
    notes = [*run["data"]["notes"]]
    reach = LabelConfig.model_validate(run["config"]["data"]["label"]).reach
    embargo = min(fold["embargo"] for fold in run["folds"])
    if embargo < reach:
        notes.append(
            f"Look-ahead: the embargo of {embargo} days is shorter than the label's reach of {reach} days, as "
            f"split.force allows: labels at the end of train and valid read prices of the segment after them."
        )
    if run["data"]["snapshot_concepts"]:
        notes.append("Look-ahead: the concepts carry no dates, so today's groups stand for all of history.")
    parts += [
        "## Data",
        "\n".join(f"- {paragraph(note)}" for note in notes) or "Nothing was assumed or missing.",
    ]
    parts += ["## Settings", f"Shared by all: {escape(tables.shared_settings(board))}."]
    parts.append(escape(tables.deviation_line(board)))
    parts.append(as_markdown(tables.settings_table(board)))
    parts += ["## Definitions", "\n".join(f"- **{name}**: {text}" for name, text in DEFINITIONS.items())]
    parts += ["## Reproduce", code_block(run["command"])]
    return "\n\n".join(parts) + "\n"


def write_markdown(board: Leaderboard, path: Path) -> None:
    """Write the report, atomically."""
    write_atomic(path, render_markdown(board))


def as_markdown(table: Table) -> str:
    """A pipe table, every cell escaped."""
    rows = [[escape(cell) for cell in row] for row in table.rows]
    align = ["right" if numeric else "left" for numeric in table.numeric]
    return tabulate(rows, [escape(h) for h in table.headers], tablefmt="pipe", colalign=align, disable_numparse=True)


def escape(text: str) -> str:
    """Text that neither HTML nor a markdown table nor markdown itself takes for markup."""
    flat = " ".join(str(text).split())
    # Cut first: a cut after escaping could leave half an entity.
    flat = html.escape(flat if len(flat) <= 1000 else flat[:997] + "...", quote=False)
    for mark in "\\|`*":
        flat = flat.replace(mark, "\\" + mark)
    # Brackets alone are text; only before a parenthesis do they make a link.
    return flat.replace("](", "]\\(")


def paragraph(text: str) -> str:
    """Escaped text that opens a block: a mark in front makes no heading, list, quote or link target of it."""
    return re.sub(r"^(\d*)([#>+=~\[.)-])", r"\1\\\2", escape(text))


def code_block(text: str) -> str:
    """Text as it is, fenced by more backticks than it holds in a row."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{text}\n{fence}"
