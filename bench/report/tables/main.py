"""The comparison table, its folds, settings and failures."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from bench.experiment.deviations import deviation_sentence, uniform_settings
from bench.metrics import Metric, list_metrics, metric
from bench.scores.leaderboard import Leaderboard
from bench.text.cells import DASH, Cell, cell_of, digits
from bench.text.language import listed, phrase, translate
from bench.text.sentences import Sentence
from bench.text.tables import Column, Definition, Entry, ModelName, Row, Table, frame_rows, table_of, word_table
from zoo.config import TrainConfig

INTERVAL = Definition(
    "± 95 %",
    "half-width of a 95 % interval of the mean over days: stationary block bootstrap (Politis & Romano 1994), "
    "2,000 draws shared by all models, block length chosen from the data (Politis & White 2004).",
)
SEED_SD = Definition(
    "seed sd",
    "standard deviation (ddof 1) over seeds of the mean over days; days and seeds are two sources of variance, "
    "shown apart and never pooled.",
)
VERSUS = Definition(
    "Rank IC − baseline",
    "mean over days of the daily difference, with the 2.5 % and 97.5 % points of its paired block bootstrap; an "
    "interval that holds 0 is no evidence of a difference.",
)
CAPTURE = Definition(
    "capture", "IC of the model / IC of the oracle on the same days, with the interval of the paired bootstrap."
)
PARAMETERS = Definition(
    "parameters", "trained numbers; for a model fitted in closed form its coefficients, for trees none."
)
FIT = Definition("fit s", "median wall time of a fit, validation included, with the other jobs of the run beside it.")
LATENCY = Definition(
    "one day ms",
    "median time from panel to scores of one day's whole cross-section, one thread, measured alone after training, "
    "all models interleaved.",
)


def named(row: Row) -> ModelName:
    """The model of a row, with its status where not all of its trials are done."""
    model = row["model"]
    if row.get("status", "ok") == "ok":
        external = row.get("scope") == "" and row.get("n_trials")
        return ModelName(phrase("{model} (external)", model=model) if external else model, (model,))
    text = phrase(
        "{model} ({status}: {done} of {planned} trials)",
        model=model,
        status=phrase(row["status"]),
        done=row["n_trials"],
        planned=row["n_planned"],
    )
    return ModelName(text, (model,))


def metric_columns(shown: Metric) -> list[Column]:
    """A metric, with its interval and its deviation over seeds where it has them."""
    title = phrase(f"{shown.title} {shown.unit}".rstrip())
    definition = Definition(shown.title, shown.definition)
    if not shown.interval:
        return [Column(shown.name, title, shown.format, definition=definition)]
    spread = "seed sd" if shown.name == "rank_ic" else phrase("seed sd ({metric})", metric=phrase(shown.title))
    with_interval = phrase("{title} ± 95 %", title=title)
    return [
        Column(shown.name, with_interval, f"{shown.format}±", definition=definition),
        Column(f"{shown.name}_seed_sd", spread, shown.format, definition=SEED_SD),
    ]


def main_table(board: Leaderboard) -> Table:
    """The comparison table, best Rank IC first; capture is added on planted markets."""
    first, *others = [column for m in list_metrics() if m.in_table for column in metric_columns(m)]
    baseline = board.baseline or phrase("baseline")
    columns = [
        Column("model", "model"),
        first,
        Column("capture", "capture % [95 %]", ".0f~", 100, CAPTURE),
        *others,
        Column("versus_baseline", phrase("Rank IC − {baseline} [95 %]", baseline=baseline), "+.4f~", definition=VERSUS),
        Column("n_parameters", "parameters", ",", definition=PARAMETERS),
        Column("fit_seconds", "fit s", ".3g", definition=FIT),
        Column("latency_ms", "one day ms", ".3g", definition=LATENCY),
    ]
    if bool(board.frame["capture"].isna().all()):
        columns.pop(2)
    rows = [r | {"model": named(r), "n_parameters": r["n_parameters"] or math.nan} for r in frame_rows(board.frame)]
    return table_of("main", columns, rows) or Table("main", columns, [])


def fold_table(board: Leaderboard) -> Table | None:
    """A row per fold: its segments and the Rank IC of each model, best model first; None for a single fold."""
    folds, done = board.run["folds"], board.folds.set_index(["model", "fold"])["rank_ic"]
    if len(folds) < 2 or board.folds.empty:
        return None
    pooled = [row for row in frame_rows(board.frame) if row["model"] in set(board.folds["model"])]
    models = [row["model"] for row in pooled]
    rows: list[list[Entry]] = []
    for i, fold in enumerate(folds):
        spans = [f"{first} .. {last}" for first, last in (fold[name] for name in ("train", "valid", "test"))]
        days = float(board.folds.loc[board.folds["fold"] == i, "days"].max())
        figures = [
            cell_of({m: done.get((m, i)), f"{m}_half": float(board.fold_halves.at[i, m])}, m, f"folds.{i}")
            for m in models
        ]
        rows.append([str(i), *spans, Cell(f"folds.{i}.days", days), *figures])
    most_days = max((float(row["n_days"]) for row in pooled), default=math.nan)
    means = [cell_of(row, "rank_ic", f"main.{row['model']}") for row in pooled]
    rows.append([phrase("pooled"), "", "", "", Cell("folds.pooled.days", most_days), *means])
    names = [Column(model, ModelName(model, (model,)), ".4f±") for model in models]
    words = [Column(word, word) for word in ("fold", "train", "valid", "test")]
    return Table("folds", [*words, Column("days", "days", ".0f"), *names], rows)


def settings_table(board: Leaderboard) -> Table:
    """Per model: every parameter, and the training settings that differ from the shared ones."""
    rows: list[list[Entry]] = []
    for model in board.run["models"]:
        record = board.record_of(model)
        if record is not None:
            name = ModelName(model, (model,))
            settings = [listed(f"{k} {v}" for k, v in record[part].items()) for part in ("params", "train_set")]
            rows.append([name, *(text or phrase("none") for text in settings), trained_text(record["fit"]) or DASH])
    headers = ["model", "parameters", "training overrides", "first trial"]
    return word_table(headers, rows, "settings")


def trained_text(fit: dict[str, Any]) -> str:
    """Best epoch of a network; what a model fitted as a whole tells of its fit."""
    if fit["history"]:
        return translate("best epoch {best} of {n}", best=fit["best_epoch"], n=len(fit["history"]))
    return listed(f"{k} {_fact(v)}" for k, v in fit["facts"].items() if not isinstance(v, (dict, list)))


def _fact(value: Any) -> str:
    return digits(value, ".4g") if isinstance(value, float) else DASH if value is None else str(value)


def failure_table(board: Leaderboard) -> Table | None:
    """Failed trials and why; None where there are none."""
    if not board.failures:
        return None
    rows = [
        [ModelName(f["model"], (f["model"],)), str(f["fold"]), str(f["seed"]), f["error"], f"failed/{key}.json"]
        for key, f in board.failures.items()
    ]
    headers = ["model", "fold", "seed", "why", "details"]
    return word_table(headers, rows, "failures")


def shared_settings(board: Leaderboard) -> str:
    """The shared training settings in one line, with the rows per step they came to on this data."""
    train = TrainConfig.model_validate(board.run["config"]["train"])
    settings = listed(f"{key} {value}" for key, value in train.model_dump().items() if value is not None)
    steps = sorted({r["fit"]["rows_per_step"] for r in board.records.values()} - {None})
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


def definitions_of(tables: Iterable[Table]) -> list[Definition]:
    """What the columns of a report mean, each once, in their order; then what the intervals are."""
    columns = [column.definition for table in tables for column in table.columns]
    return [*dict.fromkeys(d for d in columns if d is not None), INTERVAL]


def outdated_sentence(board: Leaderboard) -> Sentence | None:
    """Which metrics stored trials lack or have by an older formula, and what mends it."""
    if not board.outdated:
        return None
    metrics = listed(
        translate("{metric} of {n} of {all} trials", metric=translate(metric(name).title), n=n, all=len(board.records))
        for name, n in board.outdated.items()
    )
    template = "Not stored, or of an older formula, and so not shown: {metrics}. This computes it: {command}"
    return Sentence(translate(template, metrics=metrics, command=board.run["command"]))
