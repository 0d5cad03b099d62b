"""Frames and panels of a running program, kept as files: workers, resume and a restarted program find them there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.experiment.entries.external import keep_parquet
from bench.experiment.naming import data_name
from zoo.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from zoo.config import DataConfig
    from zoo.data.panel import Panel


@dataclass(frozen=True)
class OwnData:
    """Where data are, and what reading them as they were takes.

    Attributes:
        source: as `data.source` has it.
        settings: further dotted settings.
        notes: what the data were told to be before they were kept.
    """

    source: str
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def own_data(data: Any, config: DataConfig, folder: Path, name: str | None) -> OwnData:
    """A source for what a user gave; a frame or panel is written to `<folder>/<name>-<hash>.parquet` once.

    Args:
        data: a path or another source as text, a frame as `load_panel` takes it, or a panel.
        config: the settings it will be read with.
        name: begins the file's name; by default `frame`, or the panel's name.

    Raises:
        ConfigError: anything else, or a panel with members of its own beside `universe`.
        DataError: the data cannot be read, or cannot be kept without a change.
    """
    if isinstance(data, (str, Path)):
        return OwnData(str(data))
    import pandas as pd

    from zoo.data.panel import Panel

    if isinstance(data, pd.DataFrame):
        return _keep_frame(data, config, folder, name or "frame")
    if isinstance(data, Panel):
        return _keep_panel(data, config, folder, name or data_name(data.name))
    raise ConfigError(
        f"compare(): data is a {type(data).__name__}; it must be a path, planted:MARKET or installed:NAME, a pandas "
        f"DataFrame or a Panel"
    )


def _keep_frame(frame: pd.DataFrame, config: DataConfig, folder: Path, name: str) -> OwnData:
    """Kept with the columns that nobody reads today; a panel would be without them."""
    from zoo.data.sources import whole_panel
    from zoo.data.sources.long import flat_frame

    as_given = whole_panel(config, frame).fingerprint
    flat = _storable(flat_frame(frame))
    path = folder / f"{name}-{_hash(flat)}.parquet"
    keep_parquet(flat, path, "the frame")
    if whole_panel(config, path).fingerprint != as_given:
        raise DataError(f"{path} does not read back as the frame; remove it, or give the path of a file instead")
    return OwnData(str(path))


def _storable(flat: pd.DataFrame) -> pd.DataFrame:
    """The frame with texts as names, and as the cells of columns that hold several types."""
    from pandas.api.types import infer_dtype

    flat = flat.set_axis([str(column) for column in flat.columns], axis=1)
    flat.attrs = {}
    mixed = [k for k in range(flat.shape[1]) if infer_dtype(flat.iloc[:, k], skipna=True).startswith("mixed")]
    return flat.assign(**{flat.columns[k]: flat.iloc[:, k].map(str, na_action="ignore") for k in mixed})


def _hash(flat: pd.DataFrame) -> str:
    """12 hex digits over names, types and cells."""
    from pandas.util import hash_pandas_object

    hashed: Any = hash_pandas_object

    digest = hashlib.blake2b("\0".join(f"{c}\0{kind}" for c, kind in flat.dtypes.items()).encode(), digest_size=6)
    try:
        digest.update(np.asarray(hashed(flat, index=False)).tobytes())
    except TypeError as error:
        raise DataError(f"the frame holds cells that are neither numbers, texts nor dates ({error})") from None
    return digest.hexdigest()


def _keep_panel(panel: Panel, config: DataConfig, folder: Path, name: str) -> OwnData:
    from zoo.data.sources import whole_panel
    from zoo.data.writers import write_panel
    from zoo.data.writers.beside import AS_STORED, Beside

    path = folder / f"{name}-{panel.fingerprint[:12]}.parquet"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_panel(panel, path)
    beside, settings = Beside.of(path), {}
    if beside.members is not None and beside.members.is_file():
        if config.universe is not None:
            raise ConfigError(
                f"compare(): {panel.name} states its members itself, so that universe would restrict it twice; "
                f"give the panel without, or no universe"
            )
        settings["data.universe"] = {"file": str(beside.members)}
    if config.concepts is None and beside.concepts is not None and beside.concepts.is_file():
        settings["data.concepts"] = str(beside.concepts)
        config = config.model_copy(update={"concepts": str(beside.concepts)})
    # Its volume and days without trade are settled; settled once more they may be others.
    stored = config.model_copy(update=AS_STORED)
    if whole_panel(config, path).fingerprint != whole_panel(stored, path).fingerprint:
        settings |= {f"data.{key}": value for key, value in AS_STORED.items()}
    return OwnData(str(path), settings, panel.notes)
