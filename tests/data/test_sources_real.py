"""Real files, where `ALPHA_ZOO_DATA` names the directory that holds them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from zoo.data.sources import load_panel

DATA = os.environ.get("ALPHA_ZOO_DATA", "")


def real(name: str) -> Path:
    path = Path(DATA) / name
    if not DATA or not path.exists():
        pytest.skip(f"{name} is not in ALPHA_ZOO_DATA")
    return path


def test_sp500_5yr_loads_as_it_is():
    began = time.process_time()
    panel = load_panel(real("sp500_5yr.parquet"))
    assert time.process_time() - began < 3
    assert panel.values.shape == (1259, 505, 5)
    assert "11 open, 8 high and 8 low values are missing" in panel.notes
    assert np.isfinite(panel.field("close")).sum() == 619_040
    assert int((np.isfinite(panel.field("close")).all(axis=0)).sum()) == 470
    assert panel.concepts is not None
    assert panel.concepts.snapshot
    assert len(panel.concepts.names) == 11


def test_stocknet88_is_adjusted_and_its_blank_rows_are_noted():
    import pandas as pd

    path = real("stocknet88.parquet")
    panel, frame = load_panel(path), pd.read_parquet(path).astype({"symbol": str})
    assert panel.values.shape == (1258, 88, 5)
    assert "3 rows without any value: no trade on that day" in panel.notes
    wide = frame.pivot(index="date", columns="symbol", values="adj_close").to_numpy(np.float32)
    np.testing.assert_array_equal(panel.field("close"), wide)
    spread = panel.field("high") / panel.field("low")
    unadjusted = frame.assign(s=frame["high"] / frame["low"]).pivot(index="date", columns="symbol", values="s")
    np.testing.assert_allclose(spread, unadjusted.to_numpy(), rtol=1e-6)
