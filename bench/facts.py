"""All that a report rests on: one run's leaderboard and the evidence stored beside it. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from bench.capture import CaptureMatrix, read_matrix
from bench.cells import Cell, cell, cells_of
from bench.leaderboard import Leaderboard, build_leaderboard
from bench.store import RunStore


@dataclass(frozen=True)
class Facts:
    """What is known about the models; an empty frame or None where nothing was measured.

    Attributes:
        board: the run that the report is about.
        matrix: the capture matrix under the same results folder.
        frames: evidence by table name, one row per model: `timing` (the CPU, eager), `timing-cuda`, `scaling`,
            `interpretability`, `portfolio`, `significance`, `score` and so on; what a cell's name begins with.
    """

    board: Leaderboard
    matrix: CaptureMatrix | None
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)

    @cached_property
    def cells(self) -> dict[str, Cell]:
        """Every measured cell by name."""
        found = cells_of("main", self.board.frame, "model")
        pairs = self.board.pairs.rename(columns={"low": "difference_low", "high": "difference_high"})
        found |= cells_of("pairs", pairs, ["a", "b"])
        if self.matrix is not None:
            found |= cells_of("capture", self.matrix.frame, "model")
        for name, frame in self.frames.items():
            if "model" in frame.columns:
                found |= cells_of(name, frame, "model")
        return found

    def cell(self, name: str) -> Cell:
        """The cell `table.row.column`; without a value where nothing was measured."""
        return cell(self.cells, name)

    def frame(self, name: str) -> pd.DataFrame:
        """A frame of the evidence, empty where nothing was measured."""
        return self.frames.get(name, pd.DataFrame({"model": []}))

    @property
    def models(self) -> list[str]:
        """The models of the report in the order of its main table."""
        return self.board.frame["model"].tolist()

    def title(self, model: str) -> str:
        """The printed name of a model."""
        rows = self.board.frame.loc[self.board.frame["model"] == model, "title"]
        return str(rows.iloc[0]) if len(rows) else model

    @property
    def run(self) -> dict[str, Any]:
        return self.board.run


def gather(results: Path, name: str) -> Facts:
    """Read what the records under a results folder say about a run.

    Raises:
        ConfigError: no such run, or none of its trials has finished.
    """
    store = RunStore.open(results, name)
    board = build_leaderboard(store)
    return Facts(board, read_matrix(results))
