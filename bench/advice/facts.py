"""All that a report rests on: one run's leaderboard and the evidence stored beside it. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from bench.attribution.frames import FILE as INTERPRETABILITY
from bench.attribution.frames import InterpretabilityRow, MethodRow, interpretability_frame, interpretability_scores
from bench.attribution.importance_frames import TOP, ImportanceRow, InputRow, importance_frame, input_frame
from bench.columns import FrameRow
from bench.portfolio.frames import PortfolioRow, portfolio_frame, portfolio_settings
from bench.records.store import RunStore
from bench.scores.capture import CaptureMatrix, read_matrix
from bench.scores.frames import ScoreRow, score_frame
from bench.scores.leaderboard import Leaderboard, build_leaderboard
from bench.scores.self_test import CalibrationRow, calibration_frame
from bench.speed.frames import TimingRow, timing_frame
from bench.speed.scaling_frames import ScalingRow, scaling_frame
from bench.stats.pairs import PairRow, SignificanceRow
from bench.text.cells import Cell, cell, cells_of

EVIDENCE: dict[str, type[FrameRow]] = {
    "timing": TimingRow,
    "scaling": ScalingRow,
    "interpretability": InterpretabilityRow,
    "methods": MethodRow,
    "importance": ImportanceRow,
    "inputs": InputRow,
    "portfolio": PortfolioRow,
    "scores": ScoreRow,
    "significance": SignificanceRow,
    "calibration": CalibrationRow,
}
"""The rows of each table of evidence; what follows a `-` in a table's name tells device or mode."""


def row_type(table: str) -> type[FrameRow]:
    """What the rows of a table of evidence are."""
    return EVIDENCE[table.partition("-")[0]]


@dataclass(frozen=True)
class Facts:
    """What is known about the models; an empty frame or None where nothing was measured.

    Attributes:
        board: the run that the report is about.
        matrix: the capture matrix under the same results folder.
        frames: evidence by the name of its table, which a cell's name begins with: a key of `EVIDENCE`, with device
            or mode behind it such as `timing-cuda`; `timing` is the CPU, eager.
        portfolio_settings: what the portfolios were simulated with; empty if none were.
    """

    board: Leaderboard
    matrix: CaptureMatrix | None
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    portfolio_settings: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def cells(self) -> dict[str, Cell]:
        """Every measured cell by name."""
        found = cells_of("main", self.board.frame, "model")
        pairs = self.board.pairs.rename(columns={"low": "difference_low", "high": "difference_high"})
        found |= cells_of("pairs", pairs, list(PairRow.key))
        if self.matrix is not None:
            found |= cells_of("capture", self.matrix.frame, "model")
        for name, frame in self.frames.items():
            found |= cells_of(name, frame, list(row_type(name).key))
        return found

    def cell(self, name: str) -> Cell:
        """The cell `table.row.column`; without a value where nothing was measured."""
        return cell(self.cells, name)

    def frame(self, name: str) -> pd.DataFrame:
        """A frame of the evidence, empty where nothing was measured."""
        return self.frames.get(name, pd.DataFrame({"model": []}))

    @property
    def has_portfolio(self) -> bool:
        """Whether any model's portfolio was measured."""
        frame = self.frame("portfolio")
        return bool(len(frame)) and bool(frame["annual_excess"].notna().any())

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
        ConfigError: no such run, none of its trials has finished, or a file is not what it should be.
    """
    store = RunStore.open(results, name)
    with store.doubting_older():
        return _gathered(store)


def _gathered(store: RunStore) -> Facts:
    results = store.results
    board = build_leaderboard(store)
    matrix = read_matrix(results)
    explained = _explained(store, matrix)
    frames = {
        **_timings(timing_frame(results)),
        **_by_device("scaling", scaling_frame(results)),
        "interpretability": interpretability_scores(explained),
        "methods": interpretability_frame(explained),
        "importance": importance_frame(store),
        "inputs": input_frame(store, TOP),
        "portfolio": portfolio_frame(store, board.run),
        "scores": score_frame(store, board.run),
        "significance": board.significance,
        "calibration": calibration_frame(results),
    }
    measured = {name: frame for name, frame in frames.items() if len(frame)}
    return Facts(board, matrix, measured, portfolio_settings(store))


def _explained(store: RunStore, matrix: CaptureMatrix | None) -> RunStore:
    """The run whose attributions are told: this one, or else the matrix's run in which everything is planted."""
    if (store.folder / INTERPRETABILITY).is_file() or matrix is None or "mixed" not in matrix.boards:
        return store
    return RunStore(store.results, matrix.boards["mixed"].run["name"])


def _timings(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Eager timings by device; other modes as tables of their own."""
    found = _by_device("timing", frame.loc[frame["mode"] == "eager"])
    for mode in sorted(set(frame["mode"]) - {"eager"}):
        found |= _by_device(f"timing-{mode}", frame.loc[frame["mode"] == mode])
    return found


def _by_device(name: str, frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`name` for the CPU, `name-cuda` for a GPU; of several machines the one that timed most models."""
    found = {}
    for device, rows in frame.groupby("device"):
        counts = rows.groupby("machine")["model"].count()
        machine = min(counts.index, key=lambda m: (-counts[m], m))
        found[name if device == "cpu" else f"{name}-{device}"] = rows[rows["machine"] == machine].reset_index(drop=True)
    return found
