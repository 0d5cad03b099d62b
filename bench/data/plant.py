"""A planted market as files, with the truth about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from zoo.config import LabelConfig
from zoo.crosssection import pearson_rows
from zoo.data.files import whole_directory
from zoo.data.labels import raw_label
from zoo.data.sources.planted import PREFIX, PlantedMarket, planted_market_from_spec
from zoo.data.writers import write_panel
from zoo.errors import DataError

TRUTH = "truth.json"


def plant(
    market: str,
    folder: str | Path,
    settings: Sequence[str] = (),
    *,
    form: Literal["parquet", "qlib"] = "parquet",
    force: bool = False,
) -> tuple[PlantedMarket, dict[str, Any]]:
    """Simulate a planted market and write it as a directory of files, all or none.

    `prices.parquet` with its concepts beside it (or a qlib directory `prices`), `signal.parquet` with the oracle's
    scores by (datetime, instrument), and `truth.json`.

    Args:
        market: a name, or a whole source string `planted:NAME?key=value`.
        settings: `key=value` each, the fields of `PlantedParams`.
        force: replace a directory that holds a planted market.

    Returns:
        The market, and what `truth.json` says.

    Raises:
        ConfigError: unknown market or parameter.
        DataError: something is there already, or it cannot be written.
    """
    folder = Path(folder)
    name, _, query = market.removeprefix(PREFIX).partition("?")
    query = "&".join(filter(None, [query, *settings]))
    planted = planted_market_from_spec(f"{PREFIX}{name}" + (f"?{query}" if query else ""))
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        if not force:
            raise DataError(f"{folder}: exists already; --force replaces it")
        if not (folder / TRUTH).is_file():
            raise DataError(f"{folder}: holds no planted market ({TRUTH}) and is not replaced")
    data = "prices.parquet" if form == "parquet" else "prices"
    with whole_directory(folder) as inside:
        written = write_panel(planted.panel, inside / data)
        concepts = f"{data}/concepts.csv" if form == "qlib" else written[-1].name
        told = _truth(planted) | {"files": {"data": data, "concepts": concepts, "signal": "signal.parquet"}}
        days, symbols = planted.panel.days.astype("datetime64[ns]"), planted.panel.symbols.astype(object)
        index = pd.MultiIndex.from_product([days, symbols], names=["datetime", "instrument"])
        pd.DataFrame({"signal": planted.signal.ravel()}, index=index).to_parquet(inside / "signal.parquet")
        (inside / TRUTH).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return planted, told


def _truth(planted: PlantedMarket) -> dict[str, Any]:
    label, panel = LabelConfig(), planted.panel
    daily = pearson_rows(planted.signal, raw_label(panel, label))
    groups: dict[str, list[str]] = {}
    if panel.concepts is not None:
        belongs = np.any(panel.concepts.start <= panel.concepts.end, axis=0)
        groups = {name: panel.symbols[own].tolist() for name, own in zip(panel.concepts.names, belongs.T, strict=True)}
    return {
        "market": planted.name,
        "source": panel.name,
        "params": asdict(planted.params),
        "label": label.definition,
        "oracle_ic": planted.oracle_ic,
        "oracle_ic_of_these_days": round(float(np.nanmean(daily)), 6),
        "lags": planted.lags,
        "fields": planted.fields,
        "own_reads": [{"quantity": quantity, "lag": lag} for quantity, lag in planted.own_reads],
        "peer_reads": [{"quantity": quantity, "lag": lag} for quantity, lag in planted.peer_reads],
        "peers": "the other stocks of the same group" if planted.peer_reads else "none",
        "groups": groups,
    }
