"""Sources of daily stock data -> Panel; `load_panel` tells them apart."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pandas as pd

from zoo.data.panel import Panel
from zoo.data.sources.values import typical_vwap
from zoo.errors import DataError

__all__ = ["load_panel"]


def load_panel(
    source: str | Path | pd.DataFrame,
    *,
    vwap: Literal["source", "typical"] = "source",
    concepts: str | Path | None = None,
) -> Panel:
    """Read a source of daily data as a panel.

    Args:
        source: a long frame (date and symbol as columns or as index levels), or one of
            `FILE.csv`, `FILE.csv.gz`, `FILE.parquet`: a row per stock and day;
            a directory of such files, the file's name being the symbol where no column holds it;
            a directory in qlib's binary format, optionally `DIR?market=csi300` or `DIR#csi300`;
            `planted:NAME[?param=value&...]`; `installed:NAME`.
        vwap: `typical` takes (high + low + close) / 3 instead of the source's vwap.
        concepts: a file symbol, concept[, start, end], or a column of the source. By default a column
            `sector` or `industry` is used where there is one.

    Raises:
        DataError: the source is missing or cannot be read as daily data; the message names file and row.
    """
    if vwap not in ("source", "typical"):
        raise DataError(f"vwap is {vwap!r}; it must be 'source' or 'typical'")
    from zoo.data.sources import paths

    file = paths.concept_file(concepts)
    column = str(concepts) if concepts is not None and file is None else None
    scheme, _, name = source.partition(":") if isinstance(source, str) else ("", "", "")
    has_columns = scheme not in ("planted", "installed")
    if isinstance(source, pd.DataFrame):
        from zoo.data.sources.long import frame_panel

        panel = frame_panel(source, concepts=column)
    elif scheme == "planted":
        from zoo.data.sources.planted import planted_panel

        panel = planted_panel(str(source))
    elif scheme == "installed":
        panel = _installed(name)
    else:
        panel = paths.path_panel(source, concepts=column)
    if column is not None and (panel.concepts is None or not has_columns):
        near = paths.nearest(Path(column))
        raise DataError(f"concepts {column!r} is neither a file nor a column of {panel.name}{near}")
    if file is not None:
        from zoo.data.sources.concepts import read_concepts

        groups, notes = read_concepts(paths.concept_table(file), panel.symbols, panel.days)
        kept = (note for note in panel.notes if not note.startswith("concepts:"))
        panel = replace(panel, concepts=groups, notes=(*kept, *notes))
    return typical_vwap(panel) if vwap == "typical" else panel


def _installed(name: str) -> Panel:
    if importlib.util.find_spec("zoo.data.sources.installed") is None:
        raise DataError(f"installed:{name}: this version reads no installed data sets; give a path or planted:mixed")
    from importlib import import_module

    return import_module("zoo.data.sources.installed").installed_panel(name)
