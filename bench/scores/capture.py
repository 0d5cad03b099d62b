"""The capture matrix: what share of each planted signal each model finds. Reads records, imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.records.documents import read_json
from bench.records.store import RunStore
from bench.scores.leaderboard import Leaderboard, build_leaderboard, has_trials
from bench.stats.bootstrap import interval
from zoo.data.sources.planted import LAST, get_market, list_markets

NULL = "null"


@dataclass(frozen=True)
class CaptureMatrix:
    """Runs of one experiment over planted markets.

    Attributes:
        name: of the experiment.
        boards: by market, in the order of the experiment.
        frame: one row per model that is ranked in every market: `model`, and per market its capture with
            `<market>_low`, `<market>_high`; for `null` the IC, which has nothing to be a share of; `own_history`
            is the mean over the markets `own_history`, `fit_s` the median over markets of the seconds of a fit.
        missing: model -> markets in which it is not ranked.
    """

    name: str
    boards: dict[str, Leaderboard]
    frame: pd.DataFrame
    missing: dict[str, list[str]]

    @property
    def markets(self) -> list[str]:
        return list(self.boards)

    @property
    def own_history(self) -> list[str]:
        """Markets whose signal is in a stock's own recent days; none where only one is, which speaks for itself."""
        own = [market for market, board in self.boards.items() if _recorded(market, board.run)["own_history"]]
        return own if len(own) > 1 else []

    def mean_draws(self, markets: list[str]) -> pd.DataFrame:
        """Bootstrap draws of each model's mean capture over some markets; the markets are drawn independently."""
        frames = [self.boards[m].capture_draws[self.frame["model"].tolist()] for m in markets]
        return pd.DataFrame(np.mean([f.to_numpy() for f in frames], axis=0), columns=frames[0].columns)


def read_matrix(results: Path, name: str | None = None) -> CaptureMatrix | None:
    """The capture matrix stored under a results folder; None where there is none.

    Args:
        name: the experiment; None takes `planted`, or else the first by name.
    """
    runs: dict[str, list[str]] = {}
    for path in sorted((results / "runs").glob("*/run.json")):
        run = read_json(path).content
        if run is not None and run["config"].get("matrix"):
            runs.setdefault(run["config"]["matrix"], []).append(path.parent.name)
    chosen = name or ("planted" if "planted" in runs else min(runs, default=None))
    if chosen is None or chosen not in runs:
        return None
    stores = {run.removeprefix(f"{chosen}-"): RunStore(results, run) for run in runs[chosen]}
    boards = {market: build_leaderboard(store) for market, store in stores.items() if has_trials(store)}
    order = sorted(boards, key=lambda market: (_recorded(market, boards[market].run)["order"], market))
    return _matrix(chosen, {market: boards[market] for market in order}) if boards else None


def _recorded(market: str, run: dict[str, Any]) -> dict[str, Any]:
    """What a run says of its market; where an older run says nothing, what the market says now, if it is here."""
    recorded = run.get("market")
    if recorded and recorded["name"] == market:
        return recorded
    return get_market(market).describe() if market in list_markets() else {"own_history": False, "order": LAST}


def _matrix(name: str, boards: dict[str, Leaderboard]) -> CaptureMatrix:
    models = sorted({m for board in boards.values() for m in board.run["models"]})
    frames = {market: board.frame.set_index("model") for market, board in boards.items()}
    ranked = {market: set(board.frame.loc[board.frame["ranked"], "model"]) for market, board in boards.items()}
    missing = {model: [m for m in boards if model not in ranked[m]] for model in models}
    rows = []
    for model in (m for m in models if not missing[m]):
        seconds = [float(frame.loc[model, "fit_seconds"]) for frame in frames.values()]  # type: ignore[arg-type]
        row: dict[str, object] = {"model": model, "fit_s": float(np.median(seconds))}
        for market, frame in frames.items():
            entry = frame.loc[model]
            if market == NULL:
                half = entry["ic_half"]
                row |= {NULL: entry["ic"], f"{NULL}_low": entry["ic"] - half, f"{NULL}_high": entry["ic"] + half}
            else:
                row |= {market: entry["capture"]}
                row |= {f"{market}_{end}": entry[f"capture_{end}"] for end in ("low", "high")}
        rows.append(row)
    unranked = {model: markets for model, markets in missing.items() if markets}
    matrix = CaptureMatrix(name, boards, pd.DataFrame(rows, columns=None if rows else ["model"]), unranked)
    if not rows:
        return matrix
    if own := matrix.own_history:
        low, high = interval(matrix.mean_draws(own).to_numpy())
        mean = matrix.frame[own].mean(axis=1)
        matrix = replace(
            matrix, frame=matrix.frame.assign(own_history=mean, own_history_low=low, own_history_high=high)
        )
    first = "mixed" if "mixed" in boards else next(iter(boards))
    ordered = matrix.frame.sort_values(first, ascending=False, kind="stable").reset_index(drop=True)
    return replace(matrix, frame=ordered)
