"""Data inside installed packages -> Panel; a package is located by its metadata and never imported."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pandas as pd

from zoo.data.panel import Panel, presence
from zoo.data.sources.cells import Table, to_days, to_floats
from zoo.data.sources.long import frame_panel
from zoo.data.sources.values import Tally, absent_fields
from zoo.errors import DataError, did_you_mean


@dataclass(frozen=True)
class Installed:
    """A data set inside a package.

    Attributes:
        package: its name on PyPI.
        pip: arguments of the `pip install` that brings it.
        wanted: how the names of its data files end, or the folder they lie in.
        read: data files, sorted -> Panel.
    """

    package: str
    pip: str
    wanted: tuple[str, ...]
    read: Callable[[list[Path]], Panel]


def installed_panel(name: str) -> Panel:
    """The panel of `installed:NAME`.

    Raises:
        DataError: unknown name, or the package or its files are not there; the message gives the pip line.
    """
    files = [Path(file) for file in installed_files(name)]
    known = DATASETS[name]
    if not files:
        raise DataError(f"installed:{name}: package {known.package} is not installed; pip install {known.pip}")
    lost = [file for file in files if not file.is_file()]
    if lost:
        raise DataError(f"installed:{name}: {lost[0]} is missing; pip install --force-reinstall {known.pip}")
    panel = known.read(files)
    last = panel.days[-1]
    if panel.member[-1].all():
        stocks = f"all {panel.n_stocks} stocks are listed on the last day, {last}"
        panel = panel.with_notes(f"survivorship: {stocks}; any that were delisted before are not in the data")
    return replace(panel, name=f"installed:{name}")


def installed_files(name: str) -> list[str]:
    """The data files of `installed:NAME`, absolute, sorted; none where the package is not installed.

    Raises:
        DataError: unknown name, or a version of the package without these files.
    """
    if name not in DATASETS:
        there = ", ".join(f"installed:{known}" for known in DATASETS)
        raise DataError(f"installed:{name}: no such data set{did_you_mean(name, DATASETS)}; there are {there}")
    known = DATASETS[name]
    try:
        package = distribution(known.package)
    except PackageNotFoundError:
        return []
    listed = [str(file) for file in package.files or () if any(part in str(file) for part in known.wanted)]
    if not listed:
        raise DataError(
            f"installed:{name}: {known.package} {package.version} does not hold these data; "
            f"pip install --force-reinstall {known.pip}"
        )
    return sorted(_locate(package, file) for file in listed)


def _locate(package: Distribution, file: str) -> str:
    """Where a listed file lies. `pip install --target` moves shared data without listing the new place."""
    path = Path(str(package.locate_file(file))).resolve()
    inside = Path(file.lstrip("./"))
    for root in (Path(str(package.locate_file(""))), Path(sys.prefix)):
        if not path.is_file() and (root / inside).is_file():
            path = (root / inside).resolve()
    return str(path)


def _fakestockdata(files: list[Path]) -> Panel:
    """`table_SYMBOL.csv.bz2` without a header: date (YYYYMMDD), time, open, high, low, close, volume."""
    columns = ["date", "time", "open", "high", "low", "close", "volume"]
    frames = []
    for file in files:
        frame = _csv(file, header=None, names=columns, index_col=False)
        frames.append(frame.assign(symbol=file.name.removeprefix("table_").partition(".")[0].upper()))
    panel = frame_panel(pd.concat(frames, ignore_index=True).drop(columns="time"), name="fakestockdata")
    kept = (note for note in panel.notes if not note.startswith(("columns read:", "no adjusted close:")))
    return replace(panel, notes=("prices are read as adjusted, as QuantQuote publishes them", *kept))


def _closes(files: list[Path]) -> Panel:
    """Two wide files, closes and volumes: a row per day, a column per stock."""
    closes, volumes = (_wide(file) for file in sorted(files, key=lambda file: file.stem.endswith("volume")))
    closes = closes.sort_index(axis=1)
    volumes = volumes.reindex(index=closes.index, columns=closes.columns)
    tally, fields = Tally(), ("close", "volume")
    values = np.stack(
        [
            tally.clean(name, frame.to_numpy().T.ravel()).astype(np.float32).reshape(frame.shape[::-1])
            for name, frame in zip(fields, (closes, volumes), strict=True)
        ],
        axis=2,
    )
    member = presence(values[:, :, 0].T)
    # A wide file has a cell for every day, also before a stock was listed: those are not missing.
    tally.missing = Counter({name: int(np.isnan(values[:, :, f].T[member]).sum()) for f, name in enumerate(fields)})
    return Panel(
        days=closes.index.to_numpy().astype("datetime64[D]"),
        symbols=closes.columns.to_numpy().astype(np.str_),
        fields=fields,
        values=values.transpose(1, 0, 2),
        member=member,
        notes=(
            "close is the adjusted close, volume as published",
            *tally.notes(),
            *absent_fields(fields),
            "universe: each stock from its first to its last close, as the source states no membership",
        ),
    )


def _wide(file: Path) -> pd.DataFrame:
    """float64 values of a wide file by day (index) and symbol (columns)."""
    frame = _csv(file)
    table = Table(file.name, tuple(map(str, frame.columns)), lambda column: frame.loc[:, column], first_row=2)
    date, *symbols = table.columns
    return pd.DataFrame(
        {symbol: to_floats(table, symbol) for symbol in symbols},
        index=to_days(table, date).astype("datetime64[ns]"),
    ).sort_index()


def _csv(file: Path, **options: object) -> pd.DataFrame:
    try:
        return pd.read_csv(file, **options)  # type: ignore[call-overload]
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{file}: cannot be read ({error}); install the package again") from None


DATASETS = {
    "fakestockdata": Installed("fakestockdata", "fakestockdata", ("share/fakestockdata/daily/table_",), _fakestockdata),
    "sp500-closes": Installed(
        "portfolio-backtester",
        "--no-deps portfolio-backtester==0.1.0",
        ("data/SP500 20060901-20211015.csv", "data/SP500 20060901-20211015 volume.csv"),
        _closes,
    ),
}
"""The data sets that can be named, by the name behind `installed:`."""
