"""What a run is called when nobody names it: as its data, so that other data are another run."""

from __future__ import annotations

import os
import re
from pathlib import Path

from bench.experiment.config import ExperimentConfig
from bench.experiment.presets import DEFAULT_CONFIG
from bench.records.store import key_of

LONGEST = 80


def run_name(config: ExperimentConfig, file: Path, own_source: str) -> str:
    """The name of a run that no option names.

    An experiment's name stands for its own data (and, where it has `markets`, for those); on other data, and without a
    name, the run is called as the data, behind the name of any but the default experiment.

    Args:
        file: the experiment's.
        own_source: `data.source` as the file has it.
    """
    named = "name" in config.model_fields_set
    if named and (config.markets or config.data.source == own_source):
        return config.name
    data = data_name(config.data.source)
    return data if not named or file.resolve() == DEFAULT_CONFIG else f"{config.name}-{data}"[:LONGEST]


def data_name(source: str) -> str:
    """A file's or folder's name without endings, a market's of a qlib folder, that of planted or installed data.

    >>> [data_name(s) for s in ("my data/prices.csv.gz", "cn_data#csi300", "planted:local?days=200")]
    ['prices', 'csi300', 'planted-local-days-200']
    """
    scheme, _, rest = source.partition(":")
    if scheme == "planted":
        text = source
    elif scheme == "installed":
        text = rest
    else:
        base = os.path.basename(os.path.abspath(os.path.expanduser(source)))
        market = re.search(r"(?:#|\?market=)([^#?]+)$", base)
        text = market[1] if market else re.sub(r"(\.(csv|parquet|gz))+$", "", base, flags=re.IGNORECASE)
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")
    if safe and text.isascii() and len(safe) <= LONGEST:
        return safe
    # What is left may be what other names leave, too.
    return f"{safe[: LONGEST - 9] or 'data'}-{key_of(text)[:8]}"
