"""Sources of daily stock data -> Panel; `load_panel` tells them apart, `open_panel` takes a data configuration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from zoo.config import DataConfig
from zoo.data.calendar import calendar_notes
from zoo.data.panel import Panel
from zoo.data.sources.conventions.scale import scale_notes
from zoo.data.sources.values import typical_vwap
from zoo.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from zoo.data.own.asked import Asked

__all__ = ["load_panel", "open_panel", "read_index", "whole_panel"]


def open_panel(config: DataConfig, source: str | Path | pd.DataFrame | None = None) -> Panel:
    """The panel a data configuration describes: read, cut, grouped, restricted to its universe.

    Stocks that are never members are left out, and days that will not be scored are told.

    Args:
        config: the label counts for `min_breadth` alone; features and split do not count.
        source: read instead of `config.source`, and not cut: new data lie after the days a model was trained on.

    Raises:
        DataError: as `whole_panel` and `apply_universe`.
    """
    panel = whole_panel(config, source)
    if config.universe is not None:
        from zoo.data.universe import apply_universe, members_only

        panel = members_only(apply_universe(panel, config.universe))
    from zoo.data.labels import breadth_notes

    if panel.own_fields:
        from zoo.data.own.coverage import coverage_notes, label_notes

        column = getattr(config.label, "column", None)
        panel = panel.with_notes(*coverage_notes(panel), *(label_notes(panel, column) if column else ()))
    return panel.with_notes(*breadth_notes(panel, config.label))


def whole_panel(config: DataConfig, source: str | Path | pd.DataFrame | None = None) -> Panel:
    """As `open_panel`, with every stock and before any universe.

    Raises:
        DataError: as `load_panel`; no day of the data between `config.start` and `config.end`.
    """
    from zoo.data.own.joining import asked_of, with_files

    own, tables = asked_of(config)
    panel = load_panel(
        config.source if source is None else source,
        own=own,
        vwap=config.vwap,
        concepts=config.concepts,
        volume=config.volume,
        suspended=config.suspended,
        indices=config.indices,
        timezone=config.timezone,
        skip_bad_files=config.skip_bad_files,
    )
    if source is not None or (config.start is None and config.end is None):
        return with_files(panel, config, tables)
    first = panel.position(config.start) if config.start else 0
    stop = panel.position(config.end, side="right") if config.end else panel.n_days
    if first >= stop:
        raise DataError(
            f"data.start {config.start or 'not set'}, data.end {config.end or 'not set'}: {panel.name} has no day "
            f"between them; it has {panel.days[0]} .. {panel.days[-1]}"
        )
    return with_files(panel.between(first, stop), config, tables)


def load_panel(
    source: str | Path | pd.DataFrame,
    *,
    vwap: Literal["source", "typical"] = "source",
    concepts: str | Path | None = None,
    timezone: str | None = None,
    skip_bad_files: bool = False,
    volume: Literal["auto", "raw", "adjusted"] = "auto",
    suspended: Literal["auto", "keep", "drop"] = "auto",
    indices: Literal["drop", "keep"] = "drop",
    cache: bool = True,
    columns: Iterable[str] | None = None,
    own: Asked | None = None,
) -> Panel:
    """Read a source of daily data as a panel.

    Args:
        source: a frame, long (date and symbol as columns or as index levels) or wide, or one of
            `FILE.csv`, also .txt, .tsv, .gz and .zip, `FILE.parquet`: a row per stock and day, or one of the other
            layouts of `zoo.data.sources.layout`;
            a directory of such files, in folders or not, the file's name being the symbol where no column holds it;
            a directory in qlib's binary format, optionally `DIR?market=csi300` or `DIR#csi300`;
            `planted:NAME[?param=value&...]`; `installed:NAME`.
        vwap: `typical` takes (high + low + close) / 3 instead of the source's vwap.
        concepts: a file symbol, concept[, start, end], or a column of the source. By default a column
            `sector` or `industry` is used where there is one.
        timezone: the zone of the exchange, for dates that are stored as UTC moments; by default their times tell.
        skip_bad_files: go on without the files of a directory that cannot be read.
        volume, suspended, indices: as in `DataConfig`; see `zoo.data.sources.conventions`. Simulated markets follow
            them by construction.
        columns: names and globs of further columns of numbers, which become fields of the panel: `["pe", "alpha_*"]`.
        own: as `columns`, of a configuration.
        cache: files of 5 MB and more are parsed once and memory-mapped from then on; see `zoo.data.cache`.

    Raises:
        DataError: the source is missing or cannot be read as daily data; the message names file and row.
    """
    chosen = {"vwap": vwap, "volume": volume, "suspended": suspended, "indices": indices}
    for name, value in chosen.items():
        known = get_args(DataConfig.model_fields[name].annotation)
        if value not in known:
            raise DataError(f"{name} is {value!r}; it must be {' or '.join(map(repr, known))}")
    from zoo.data.sources import paths

    if columns is not None:
        from zoo.data.own.asked import Asked

        own = Asked(tuple([columns] if isinstance(columns, str) else columns))
    file = paths.concept_file(concepts)
    column = str(concepts) if concepts is not None and file is None else None

    def read() -> Panel:
        panel = _read(source, column, timezone, skip_bad_files, own)
        if _scheme(source) != "planted":
            from zoo.data.sources.conventions import settle

            panel = settle(panel, volume=volume, suspended=suspended, indices=indices)
            panel = panel.with_notes(*calendar_notes(panel), *scale_notes(panel))
        if file is not None:
            panel = _grouped(panel, file)
        return typical_vwap(panel) if vwap == "typical" else panel

    files = _files(source) if cache else []
    if not files or isinstance(source, pd.DataFrame):
        return read()
    from zoo.data.cache import through_cache

    grouping = None if file is None else str(file.resolve())
    path, market = (source, None) if _scheme(source) else paths.split_market(source)
    where = str(path.resolve() if isinstance(path, Path) else path)
    options = {"source": where, "market": market, **chosen, "column": column, "concepts": grouping}
    options |= {"timezone": timezone, "skip": "bad files" if skip_bad_files else None}
    options |= {"own": repr(own)} if own else {}
    return through_cache([*files, *([grouping] if grouping else [])], options, read)


def _scheme(source: str | Path | pd.DataFrame) -> str:
    scheme = source.partition(":")[0] if isinstance(source, str) else ""
    return scheme if scheme in ("planted", "installed") else ""


def _files(source: str | Path | pd.DataFrame) -> list[str]:
    """The files behind a source, absolute; none where it has none or they are missing."""
    scheme = _scheme(source)
    if isinstance(source, pd.DataFrame) or scheme == "planted":
        return []
    if scheme == "installed":
        from zoo.data.sources.installed import installed_files

        return installed_files(str(source).partition(":")[2])
    from zoo.data.sources.paths import source_files

    return source_files(source)


def _read(
    source: str | Path | pd.DataFrame, column: str | None, timezone: str | None, skip: bool, own: Asked | None
) -> Panel:
    from zoo.data.sources import paths

    scheme = _scheme(source)
    if isinstance(source, pd.DataFrame):
        from zoo.data.sources.long import frame_panel

        panel = frame_panel(source, concepts=column, timezone=timezone, own=own)
    elif scheme == "planted":
        from zoo.data.sources.planted import planted_panel

        panel = planted_panel(str(source))
    elif scheme == "installed":
        from zoo.data.sources.installed import installed_panel

        panel = installed_panel(str(source).partition(":")[2])
    else:
        panel = paths.path_panel(source, concepts=column, timezone=timezone, skip_bad_files=skip, own=own)
    if scheme and own:
        own.check(panel.name, panel.fields, panel.own_fields, ())
    if column is not None and (panel.concepts is None or scheme):
        near = paths.nearest(Path(column))
        raise DataError(f"concepts {column!r} is neither a file nor a column of {panel.name}{near}")
    return panel


def _grouped(panel: Panel, file: Path) -> Panel:
    """The panel with the groups of a file instead of its own."""
    from zoo.data.sources import paths
    from zoo.data.sources.concepts import read_concepts

    groups, notes = read_concepts(paths.concept_table(file), panel.symbols, panel.days)
    kept = (note for note in panel.notes if not note.startswith("concepts:"))
    return replace(panel, concepts=groups, notes=(*kept, *notes))


def read_index(source: str | Path, symbol: str) -> pd.Series:
    """Closes of an index, or of any other symbol, of a source.

    In a folder in qlib's format every symbol in `features/` counts, whether or not a market lists it.

    Args:
        source: as `load_panel` takes it, a market behind a qlib folder being of no concern.
        symbol: such as `SH000300`; case does not count.

    Returns:
        float64 Series named as the symbol, indexed by day (datetime64[ns]), days without a close left out.

    Raises:
        DataError: no such symbol, naming the nearest; it has no close.
    """
    from zoo.data.sources import paths, qlib

    path = Path() if _scheme(source) else paths.split_market(source)[0]
    if (path / "features").is_dir() and (path / "calendars").is_dir():
        days, close = qlib.read_field(path, symbol, "close")
    else:
        panel = load_panel(source, indices="keep", suspended="keep")
        names = {name.casefold(): k for k, name in enumerate(panel.symbols.tolist())}
        if symbol.casefold() not in names:
            near = did_you_mean(symbol, panel.symbols.tolist())
            raise DataError(f"{panel.name}: no symbol {symbol!r}{near}")
        days, close = panel.days, panel.field("close")[:, names[symbol.casefold()]]
    known = np.isfinite(close) & (close > 0)
    if not known.any():
        raise DataError(f"{source}: {symbol} has no close")
    index = pd.DatetimeIndex(days[known].astype("datetime64[ns]"), name="datetime")
    return pd.Series(close[known].astype(np.float64), index=index, name=symbol)
