"""Scores from elsewhere: files of date, symbol, score -> `[days, stocks]`, and what was left out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zoo.data.files import whole_file
from zoo.data.panel import Panel
from zoo.data.sources.cells import Table, kind, to_days, to_floats, to_names
from zoo.data.sources.columns import PANEL_ROLES, Synonyms, missing, recognise, shorten
from zoo.data.sources.paths import nearest, open_table
from zoo.data.split import Fold
from zoo.errors import ConfigError, DataError

ROLES: Mapping[str, Synonyms] = {
    "date": PANEL_ROLES["date"],
    "symbol": PANEL_ROLES["symbol"],
    "score": (
        ("score", "scores", "prediction", "predictions", "pred", "forecast", "signal", "得分", "预测", "预测值"),
        ("value", "alpha", "yhat"),
    ),
}


@dataclass(frozen=True)
class ScoreFile:
    """The scores of one file on a panel.

    Attributes:
        name, seed: the row, and which of its files.
        scores: `[D, N]` float32, as networks give them; NaN where there is none, and on days outside the test segments.
        absent: `[D, N]` bool, members of test days without a score.
        notes: what of the file is not used.
    """

    name: str
    seed: int
    path: Path
    scores: np.ndarray
    absent: np.ndarray
    notes: tuple[str, ...]

    def absence(self, panel: Panel) -> str:
        """How many rows have no score, and the first of them; empty where all have one."""
        days, stocks = np.nonzero(self.absent)
        if not len(days):
            return ""
        first = ", ".join(f"{panel.days[d]} {panel.symbols[s]}" for d, s in zip(days[:3], stocks[:3], strict=True))
        return f"{len(days):,} rows of the test days have no score, first {first}"


def read_scores_of(files: Mapping[str, list[str]], panel: Panel, folds: list[Fold]) -> list[ScoreFile]:
    """Every file, in its order.

    Raises:
        DataError: a file is missing or cannot be read, or holds a pair twice or a score that is no finite number.
    """
    tested = np.zeros(panel.n_days, dtype=bool)
    for fold in folds:
        tested[fold.test.start : fold.test.stop] = True
    return [
        _read(name, seed, Path(f), panel, tested) for name, several in files.items() for seed, f in enumerate(several)
    ]


def _read(name: str, seed: int, path: Path, panel: Panel, tested: np.ndarray) -> ScoreFile:
    if not path.is_file():
        raise DataError(f"scores.{name}: {path}: no such file{nearest(path)}")
    table = open_table(path, roles=ROLES)
    roles = recognise(table.columns, table.where, ROLES)
    for role in ROLES:
        if role not in roles:
            raise missing(role, table.columns, table.where, "; give date, symbol, score")
    date = to_days(table, roles["date"])
    who, names = to_names(table, roles["symbol"])
    score = _finite(table, roles["score"])
    stock, near = _positions(panel, names)
    at = np.searchsorted(panel.days, date)
    day = np.minimum(at, panel.n_days - 1)
    known = panel.days[day] == date
    column = stock[who]
    _check_twice(table, roles["date"], date, who, names)
    if not (known & (column >= 0)).any():
        raise DataError(f"{table.where}: none of its rows is a day and symbol of {panel.name}{near}")
    is_member = np.zeros(len(date), dtype=bool)
    inside = known & (column >= 0)
    is_member[inside] = panel.member[day[inside], column[inside]]
    used = inside & tested[day] & is_member
    scores = np.full((panel.n_days, panel.n_stocks), np.nan, dtype=np.float32)
    scores[day[used], column[used]] = score[used]
    absent = panel.member & tested[:, None] & np.isnan(scores)
    left = {
        "of symbols that the data do not have": column < 0,
        "of days outside the test segments": (column >= 0) & ~(known & tested[day]),
        "of symbols that are no members on their day": inside & tested[day] & ~is_member,
    }
    counts = ", ".join(f"{int(rows.sum()):,} {why}" for why, rows in left.items() if rows.any())
    notes = (f"{name}: of the {len(date):,} scores of {path.name} {counts} are not used",) if counts else ()
    return ScoreFile(name, seed, path, scores, absent, notes)


def _finite(table: Table, column: str) -> np.ndarray:
    series = table.series(column)
    # Numbers as they are: scores written with three decimals are no prices in thousands.
    values = to_floats(table, column) if kind(series) not in "iuf" else series.to_numpy(np.float64, na_value=np.nan)
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    if not np.isfinite(single).all():
        at = int((~np.isfinite(single)).argmax())
        raise table.bad_cell(series, column, at, "is no finite number in single precision")
    return single


def _positions(panel: Panel, names: list[str]) -> tuple[np.ndarray, str]:
    """Position in the panel of each name, -1 where it has none, case being of no account unless it tells symbols apart;
    and what is nearest.
    """
    symbols = panel.symbols.tolist()
    fold = str.casefold if len({s.casefold() for s in symbols}) == len(symbols) else str
    position = {fold(symbol): k for k, symbol in enumerate(symbols)}
    near = f"; the file has {shorten(names[0])!r}, the data {shorten(symbols[0])!r}" if names else "; it has no rows"
    return np.array([position.get(fold(name), -1) for name in names], dtype=np.int64), near


def _check_twice(table: Table, column: str, date: np.ndarray, who: np.ndarray, names: list[str]) -> None:
    keys = pd.MultiIndex.from_arrays([date, who])
    twice = keys.duplicated()
    if twice.any():
        at = int(twice.argmax())
        row = table.row(table.series(column), at)
        raise DataError(
            f"{table.where}: row {row}: {names[who[at]]} on {date[at]} has a score already; remove one of them"
        )


def kept_scores(given: Any, folder: Path) -> dict[str, list[str]]:
    """`scores` of a call as a configuration has them: series and frames become `<folder>/scores-<hash>.parquet`.

    Raises:
        ConfigError: neither a path, a series, a frame nor a list of these.
        DataError: a frame without one column of scores.
    """
    if not isinstance(given, Mapping):
        raise ConfigError("compare(): scores must be a mapping: {'mine': a path, a Series, a frame or a list of these}")
    return {
        str(name): [_kept(name, one, folder) for one in (several if isinstance(several, (list, tuple)) else [several])]
        for name, several in given.items()
    }


def _kept(name: str, scores: Any, folder: Path) -> str:
    from pandas.util import hash_pandas_object

    from zoo.data.sources.long import flat_frame

    hashed: Any = hash_pandas_object

    if isinstance(scores, (str, Path)):
        return str(scores)
    if isinstance(scores, pd.Series):
        scores = scores.to_frame("score")
    if not isinstance(scores, pd.DataFrame):
        raise ConfigError(
            f"compare(): scores['{name}'] is a {type(scores).__name__}; it must be a path, or a Series or frame "
            f"indexed (datetime, instrument)"
        )
    flat = flat_frame(scores)
    flat = flat.set_axis([*map(str, flat.columns)], axis=1)
    flat.attrs = {}
    roles = recognise(list(flat.columns), f"scores['{name}']", ROLES)
    others = [c for c in flat.columns if c not in roles.values()]
    if "score" not in roles and len(others) == 1:
        flat = flat.rename(columns={others[0]: "score"})
    digest = hashlib.blake2b("\0".join(flat.columns).encode(), digest_size=6)
    try:
        digest.update(np.asarray(hashed(flat, index=False)).tobytes())
    except TypeError as error:
        raise DataError(f"scores['{name}'] holds cells that are neither numbers, texts nor dates ({error})") from None
    path = folder / f"scores-{digest.hexdigest()}.parquet"
    keep_parquet(flat, path, f"scores['{name}']")
    return str(path)


def keep_parquet(frame: pd.DataFrame, path: Path, what: str) -> None:
    """Write a frame under a name that tells its content, unless it is there.

    Args:
        what: the frame, as an error calls it.

    Raises:
        DataError: a column that Parquet cannot hold.
    """
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with whole_file(path) as temporary:
            frame.to_parquet(temporary, index=False)
    except (ValueError, TypeError) as error:  # pyarrow's errors are of these kinds
        raise DataError(f"{what} cannot be kept as Parquet ({error}); give the path of a file instead") from None
