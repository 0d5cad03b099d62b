"""Markets as long frames and as files, for the tests of sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

PRICES = ["open", "high", "low", "close"]


def long_frame(n_days: int = 30, symbols: Sequence[str] = ("AAA", "BBB", "CCC"), seed: int = 0) -> pd.DataFrame:
    """Rows date, symbol, open, high, low, close, volume of a full market on weekdays."""
    rng = np.random.default_rng(seed)
    days = np.busday_offset("2020-01-01", np.arange(n_days), roll="forward")
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (n_days, len(symbols))), axis=0))
    frame = pd.DataFrame(
        {
            "date": np.repeat(days, len(symbols)).astype("datetime64[ns]"),
            "symbol": np.tile(np.array(symbols, dtype=object), n_days),
            "close": close.ravel(),
        }
    )
    frame["open"] = frame["close"] * 0.99
    frame["high"] = frame["close"] * 1.02
    frame["low"] = frame["close"] * 0.97
    frame["volume"] = rng.integers(1, 10**6, len(frame))
    return frame


def write_qlib(
    path: Path,
    days: Sequence[str],
    features: Mapping[str, Mapping[str, tuple[int, Sequence[float]]]],
    markets: Mapping[str, Sequence[str]],
) -> Path:
    """A directory in qlib's format from folder -> field -> (start, values) and market -> lines."""
    (path / "calendars").mkdir(parents=True)
    (path / "calendars" / "day.txt").write_text("\n".join(days) + "\n")
    (path / "instruments").mkdir()
    for market, lines in markets.items():
        (path / "instruments" / f"{market}.txt").write_text("".join(f"{line}\n" for line in lines))
    for folder, fields in features.items():
        (path / "features" / folder).mkdir(parents=True)
        for field, (start, values) in fields.items():
            np.array([start, *values], dtype="<f4").tofile(path / "features" / folder / f"{field}.day.bin")
    return path
