"""Published figures beside those of a run that repeats their experiment; which run that is, its data decide."""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field

from bench.experiment.presets import REFERENCE_CONFIG
from bench.records.strict_yaml import read_section
from bench.scores.leaderboard import Leaderboard
from bench.text.cells import DASH, cell_of, digits
from bench.text.language import Phrase, phrase
from bench.text.sentences import Sentence, say
from bench.text.tables import Column, Definition, Entry, ModelName, Table, frame_rows
from zoo.config import LabelConfig, Section
from zoo.config.values import Day

_FIGURES = {"rank_ic": "Rank IC", "ic": "IC"}
_RATIOS = {"icir": "ICIR", "rank_icir": "Rank ICIR"}
_HOLIDAYS = timedelta(days=15)  # the longest break of the exchanges, so that a segment's first day may lie that late

PUBLISHED = Definition(
    "published",
    "mean over the seeds of the published table, behind it their standard deviation as it is printed there.",
)
AGREES = Definition(
    "consistent",
    "whether the 95 % interval of this run, over days, holds the published mean; both are of the same days, so that a "
    "figure outside is a difference of training or of data.",
)


class PublishedTable(Section):
    """One published table and the experiment behind it; a figure is [mean] or [mean, sd over seeds]."""

    id: str
    source: str
    seeds: int = Field(ge=1)
    market: str
    features: str
    lookback: int
    label: LabelConfig
    train: tuple[Day, Day]
    valid: tuple[Day, Day]
    test: tuple[Day, Day]
    figures: dict[str, dict[str, list[float]]]


class ReferenceConfig(Section):
    """`configs/reference.yaml`."""

    tables: list[PublishedTable]


@lru_cache
def load_reference(path: Path = REFERENCE_CONFIG) -> ReferenceConfig:
    """The published tables.

    Raises:
        ConfigError: an unknown key or a bad value.
    """
    return read_section(path, ReferenceConfig)


def repeated_table(run: dict[str, Any]) -> PublishedTable | None:
    """The published table whose experiment a run repeats; None for any other.

    It has the market, features, lookback, label and segments of that experiment, and data from the first to the last
    day of each segment.
    """
    return next((table for table in load_reference().tables if _repeats(run, table)), None)


def _repeats(run: dict[str, Any], table: PublishedTable) -> bool:
    data, folds = run["config"]["data"], run["folds"]
    split, label = data.get("split", {}), data.get("label", {})
    # A column that is given is no published label.
    other = "column" in label or any(
        label.get(key, getattr(LabelConfig(), key)) != getattr(table.label, key) for key in ("horizon", "lag", "price")
    )
    if (
        market_of(data) != table.market
        or (data.get("features"), data.get("lookback")) != (table.features, table.lookback)
        or other
        or split.get("mode", "fixed") != "fixed"
        or len(folds) != 1
    ):
        return False
    return all(
        list(split.get(name) or []) == list(wanted) and _covers(folds[0][name], wanted)
        for name, wanted in (("train", table.train), ("valid", table.valid), ("test", table.test))
    )


def market_of(data: dict[str, Any]) -> str | None:
    """The market that a run's members are of: named behind a folder, or by the file of a universe."""
    universe = (data.get("universe") or {}).get("file")
    if universe:
        return Path(universe).stem.lower()
    named = re.search(r"(?:#|\?market=)([^#?/]+)$", data.get("source", ""))
    return named[1].lower() if named else None


def _covers(span: list[str], wanted: tuple[str, str]) -> bool:
    days, ends = [date.fromisoformat(day) for day in span], [date.fromisoformat(day) for day in wanted]
    return all(abs(day - end) <= _HOLIDAYS for day, end in zip(days, ends, strict=True))


def published_table(board: Leaderboard) -> Table | None:
    """A row per model of this run that the published table has; None for a run of another experiment."""
    table = repeated_table(board.run)
    if table is None:
        return None
    rows: list[list[Entry]] = []
    for row in frame_rows(board.frame):
        if (figures := table.figures.get(row["model"])) is None:
            continue
        entries: list[Entry] = [ModelName(row["model"], (row["model"],))]
        for name in _FIGURES:
            here = cell_of(row, name, f"main.{row['model']}")
            entries += [here, _printed(figures.get(name)), _agreement(here, figures.get(name))]
        rows.append([*entries, *(_printed(figures.get(name)) for name in _RATIOS)])
    if not rows:
        return None
    columns = [Column("model", "model")]
    for name, title in _FIGURES.items():
        columns += [
            Column(name, phrase("{title} ± 95 %", title=phrase(title)), ".4f±"),
            Column(f"{name}_published", phrase("published {title}", title=phrase(title)), definition=PUBLISHED),
            Column(f"{name}_agrees", "consistent?", definition=AGREES),
        ]
    ratios = [Column(name, phrase("published {title}", title=phrase(title))) for name, title in _RATIOS.items()]
    return Table("published", [*columns, *ratios], rows)


def published_sentence(board: Leaderboard) -> Sentence | None:
    """What the published figures are of."""
    table = repeated_table(board.run)
    if table is None:
        return None
    return say(
        "This run repeats a published experiment ({market}, {features}, test {first} .. {last}): {source}, means over "
        "{seeds} seeds; here {own}.",
        market=table.market,
        features=table.features,
        first=table.test[0],
        last=table.test[1],
        source=table.source,
        seeds=table.seeds,
        own=len(board.run["config"]["seeds"]),
    )


def _printed(figure: list[float] | None) -> str:
    if not figure:
        return DASH
    mean, *spread = figure
    return digits(mean, ".4f") + "".join(f" ± {digits(sd, '.2f')}" for sd in spread)


def _agreement(here: Any, figure: list[float] | None) -> Phrase | str:
    if not figure or not here.has_interval:
        return DASH
    inside = here.low <= figure[0] <= here.high
    return phrase("consistent") if inside else phrase("not consistent")
