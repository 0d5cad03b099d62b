"""The tables of the report: one definition of columns, digits and units for console, markdown and page."""

from __future__ import annotations

import math
from typing import Any

from bench.experiment.deviations import deviation_sentence, uniform_settings
from bench.scores.leaderboard import Leaderboard
from bench.text.language import listed, translate
from bench.text.tables import Column, Row, Table, frame_rows, number, seconds, with_half, with_interval
from zoo.config import TrainConfig


def _status(row: Row) -> str:
    if row["status"] == "ok":
        return row["model"]
    return status_text(row["model"], row["status"], row["n_trials"], row["n_planned"])


def status_text(model: str, status: str, done: int, planned: int) -> str:
    """`gru (incomplete: 2 of 3 trials)`."""
    return translate(
        "{model} ({status}: {done} of {planned} trials)",
        model=model,
        status=translate(status),
        done=done,
        planned=planned,
    )


MAIN_COLUMNS: list[Column] = [
    Column("model", _status, lambda r: r["model"]),
    Column("Rank IC ± 95 %", lambda r: with_half(r["rank_ic"], r["rank_ic_half"]), lambda r: r["rank_ic"]),
    Column("seed sd", lambda r: number(r["rank_ic_seed_sd"], 4), lambda r: r["rank_ic_seed_sd"]),
    Column("IC ± 95 %", lambda r: with_half(r["ic"], r["ic_half"]), lambda r: r["ic"]),
    Column("seed sd (IC)", lambda r: number(r["ic_seed_sd"], 4), lambda r: r["ic_seed_sd"]),
    Column("Rank ICIR", lambda r: number(r["rank_icir"], 3), lambda r: r["rank_icir"]),
    Column("ICIR", lambda r: number(r["icir"], 3), lambda r: r["icir"]),
    Column("MSE", lambda r: number(r["mse"], 4), lambda r: r["mse"]),
    Column(
        "Rank IC − {baseline} [95 %]",
        lambda r: with_interval(r["versus_baseline"], r["versus_baseline_low"], r["versus_baseline_high"]),
        lambda r: r["versus_baseline"],
    ),
    Column("parameters", lambda r: f"{int(r['n_parameters']):,}" if r["n_parameters"] > 0 else "–"),
    Column("fit s", lambda r: seconds(r["fit_seconds"]), lambda r: r["fit_seconds"]),
    Column("one day ms", lambda r: seconds(r["latency_ms"]), lambda r: r["latency_ms"]),
]

CAPTURE_COLUMN = Column(
    "capture % [95 %]",
    lambda r: (
        "–"
        if not math.isfinite(r["capture"])
        else f"{100 * r['capture']:.0f} [{100 * r['capture_low']:.0f}, {100 * r['capture_high']:.0f}]"
    ),
    lambda r: r["capture"],
)


def main_table(board: Leaderboard) -> Table:
    """The comparison table, best Rank IC first; capture is added on planted markets."""
    columns = list(MAIN_COLUMNS)
    rows = frame_rows(board.frame)
    if any(math.isfinite(row["capture"]) for row in rows):
        columns.insert(2, CAPTURE_COLUMN)
    baseline = board.baseline or "baseline"
    return Table(
        [translate(c.header, baseline=baseline) for c in columns],
        [[c.text(row) for c in columns] for row in rows],
        [False] + [True] * (len(columns) - 1),
    )


def fold_table(board: Leaderboard) -> Table | None:
    """A row per fold: its segments and the Rank IC of each model, best model first; None for a single fold."""
    folds, done = board.run["folds"], board.folds.set_index(["fold", "model"])
    if len(folds) < 2 or board.folds.empty:
        return None
    pooled = [row for row in frame_rows(board.frame) if row["model"] in set(board.folds["model"])]
    models = [row["model"] for row in pooled]

    def cell(fold: int, model: str) -> str:
        if (fold, model) not in done.index:
            return "–"
        return with_half(float(done.at[(fold, model), "rank_ic"]), float(board.fold_halves.at[fold, model]))

    rows = []
    for i, fold in enumerate(folds):
        spans = [f"{first} .. {last}" for first, last in (fold[name] for name in ("train", "valid", "test"))]
        days = board.folds.loc[board.folds["fold"] == i, "days"].max()
        rows.append([str(i), *spans, number(days, 0), *(cell(i, model) for model in models)])
    means = [with_half(row["rank_ic"], row["rank_ic_half"]) for row in pooled]
    rows.append(["pooled", "", "", "", number(max((row["n_days"] for row in pooled), default=math.nan), 0), *means])
    headers = ["fold", "train", "valid", "test", "days"]
    return Table([*headers, *models], rows, [False] * 4 + [True] * (1 + len(models)))


def settings_table(board: Leaderboard) -> Table:
    """Per model: every parameter, and the training settings that differ from the shared ones."""
    rows = []
    for model in board.run["models"]:
        record = board.record_of(model)
        if record is None:
            continue
        params = listed(f"{k} {v}" for k, v in record["params"].items()) or "none"
        overrides = listed(f"{k} {v}" for k, v in record["train_set"].items()) or "none"
        rows.append([model, params, overrides, trained_text(record["fit"]) or "–"])
    return Table(["model", "parameters", "training overrides", "first trial"], rows, [False] * 4)


def trained_text(fit: dict[str, Any]) -> str:
    """Best epoch of a network; what a model fitted as a whole tells of its fit."""
    if fit["history"]:
        return translate("best epoch {best} of {n}", best=fit["best_epoch"], n=len(fit["history"]))
    return listed(f"{k} {_fact(v)}" for k, v in fit["facts"].items() if not isinstance(v, (dict, list)))


def _fact(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else "–"
    return "–" if value is None else str(value)


def failure_table(board: Leaderboard) -> Table | None:
    """Failed trials and why; None where there are none."""
    if not board.failures:
        return None
    rows = [
        [f["model"], str(f["fold"]), str(f["seed"]), f["error"], f"failed/{key}.json"]
        for key, f in board.failures.items()
    ]
    return Table(["model", "fold", "seed", "why", "details"], rows, [False] * 5)


def shared_settings(board: Leaderboard) -> str:
    """The shared training settings in one line, with the rows per step they came to on this data."""
    train = TrainConfig.model_validate(board.run["config"]["train"])
    settings = listed(f"{key} {value}" for key, value in train.model_dump().items() if value is not None)
    steps = sorted({r["fit"]["rows_per_step"] for r in board.records.values()})
    rows = listed((str(step) for step in steps), " or ")
    if not rows:
        return settings
    template = "{settings}; {rows} rows per optimiser step (whole days), for sample and day scope alike"
    return translate(template, settings=settings, rows=rows)


def deviation_line(board: Leaderboard) -> str:
    """How the networks' training settings differ from the uniform treatment."""
    records = {model: board.record_of(model) for model in board.run["models"]}
    # Models without epochs are fitted as a whole: of the shared settings they read the loss only.
    trained = {model: r["train"] for model, r in records.items() if r is not None and r["fit"]["history"]}
    return deviation_sentence(trained, uniform_settings())
