"""Factors as frames and as Parquet files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import zoo
from zoo.data import export
from zoo.data.export import compute_features, write_features
from zoo.data.features import FEATURE_SETS, mapped
from zoo.data.panel import Panel
from zoo.data.sources import load_panel
from zoo.errors import DataError, ZooError

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def panel() -> Panel:
    return load_panel(GOLDEN / "qlib_dir")


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "features.npz") as file:
        return dict(file)


def reference(golden: dict[str, np.ndarray], name: str, kind: str) -> pd.DataFrame:
    """A golden array `[days, stocks, columns]` as the frame that an export should be."""
    days = pd.DatetimeIndex(golden["days"][golden[f"{name}_days"]])
    index = pd.MultiIndex.from_product([days, golden["symbols"]], names=["datetime", "instrument"])
    values = golden[f"{name}_{kind}"].reshape(len(index), -1)
    frame = pd.DataFrame(values, index=index, columns=golden[f"{name}_names"])
    return frame[~frame.index.duplicated()]


@pytest.mark.parametrize(("name", "raw", "normal"), [("alpha158", 1e-5, 1e-4), ("alpha360", 1e-5, 1e-4)])
def test_golden_factors_are_reproduced_raw_and_normalised(panel, golden, name, raw, normal):
    for kind, tolerance, options in (
        ("raw", raw, {}),
        ("norm", normal, {"normalize": True, "fit_end": str(golden["fit_end"])}),
    ):
        ours = compute_features(panel, name, **options)
        assert list(ours.columns) == golden[f"{name}_names"].tolist()
        theirs = reference(golden, name, kind)
        both = ours.index.intersection(theirs.index)
        assert len(both) == panel.member[np.unique(golden[f"{name}_days"])].sum()
        np.testing.assert_allclose(ours.loc[both], theirs.loc[both], rtol=0, atol=tolerance, equal_nan=True)


def test_rows_are_the_members_of_each_day_in_order(panel):
    frame = compute_features(panel, "raw")
    day, stock = np.nonzero(panel.member)
    assert frame.index.names == ["datetime", "instrument"]
    assert frame.index.get_level_values(0).tolist() == pd.DatetimeIndex(panel.days[day]).tolist()
    assert frame.index.get_level_values(1).tolist() == panel.symbols[stock].tolist()
    assert frame.index.is_monotonic_increasing
    assert (frame.dtypes == np.float32).all()


@pytest.mark.parametrize("name", sorted(FEATURE_SETS))
@pytest.mark.parametrize("normalize", [False, True])
def test_blocks_and_mapped_factors_change_no_bit(panel, name, normalize, monkeypatch, tmp_path):
    options = {"normalize": True, "fit_end": "2015-07-14"} if normalize else {}
    whole = compute_features(panel, name, **options)
    monkeypatch.setattr(export, "BLOCK", whole.shape[1] * panel.n_stocks * 4 * 50)  # runs of 50 days
    monkeypatch.setenv("ALPHA_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(mapped, "IN_MEMORY", 0)
    steps: list[tuple[int, int]] = []
    path = tmp_path / "new" / "factors.parquet"
    written = write_features(panel, name, path, **options, on_step=lambda done, total: steps.append((done, total)))
    assert written == whole.shape
    pd.testing.assert_frame_equal(compute_features(panel, name, **options), whole, check_exact=True)
    pd.testing.assert_frame_equal(pd.read_parquet(path), whole, check_exact=True)
    assert steps[:5] == [(50, 230), (100, 230), (150, 230), (200, 230), (230, 230)]
    assert [p.name for p in path.parent.iterdir()] == ["factors.parquet"]


@pytest.mark.parametrize("name", sorted(FEATURE_SETS))
def test_values_after_a_day_change_no_factor_and_no_statistic_before_it(panel, name):
    cut = panel.position("2015-07-14") + 1
    values = panel.values.copy()
    values[cut:] *= np.float32(1.7)
    changed = Panel(panel.days, panel.symbols, panel.fields, values, panel.member)
    early = slice(None, pd.Timestamp("2015-07-14"))
    for options in ({}, {"normalize": True, "fit_end": "2015-07-14"}):
        before, after = (compute_features(p, name, **options).loc[early] for p in (panel, changed))
        pd.testing.assert_frame_equal(before, after, check_exact=True)


def test_normalised_factors_are_clipped_and_complete(panel):
    frame = compute_features(panel, "raw", normalize=True, fit_end="2015-07-14")
    assert np.isfinite(frame.to_numpy()).all()
    assert frame.abs().to_numpy().max() == 3


def test_statistics_see_only_the_days_asked_for(panel):
    late = compute_features(panel, "raw", normalize=True, fit_start="2015-05-01", fit_end="2015-07-14")
    full = compute_features(panel, "raw", normalize=True, fit_end="2015-07-14")
    raw = compute_features(panel, "raw").loc[pd.Timestamp("2015-05-01") : pd.Timestamp("2015-07-14")]
    assert not late.equals(full)
    column = raw["open"].dropna().to_numpy()
    center, scale = np.median(column), np.median(np.abs(column - np.median(column))) * np.float32(1.4826)
    expected = np.clip((raw["open"] - center) / scale, -3, 3).fillna(0)
    np.testing.assert_allclose(late.loc[raw.index, "open"], expected, atol=1e-5)


def test_the_public_name_is_the_function(panel):
    assert zoo.compute_features is compute_features
    assert zoo.compute_features(zoo.load_panel(GOLDEN / "qlib_dir"), "raw").shape[1] == 5


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("alpha36", {}, "did you mean 'alpha360'"),
        ("raw", {"normalize": True}, "normalize needs fit_end"),
        ("raw", {"fit_end": "2015-07-14"}, "need normalize"),
        ("raw", {"normalize": True, "fit_end": "14.7.2015"}, r"14\.7\.2015"),
        ("raw", {"normalize": True, "fit_end": "1999-01-01"}, "no day to fit on"),
    ],
)
def test_a_wrong_option_is_named(panel, name, options, message):
    with pytest.raises(ZooError, match=message):
        compute_features(panel, name, **options)


def test_a_path_that_cannot_be_written_is_an_error_and_leaves_nothing(panel, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be written"):
        write_features(panel, "raw", tmp_path / "file" / "f.parquet")
    (tmp_path / "dir").mkdir()
    with pytest.raises(DataError, match="is a directory"):
        write_features(panel, "raw", tmp_path / "dir")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dir", "file"]


def test_a_panel_without_members_is_an_error(panel):
    empty = Panel(panel.days, panel.symbols, panel.fields, panel.values, np.zeros_like(panel.member))
    with pytest.raises(DataError, match="no stock is a member"):
        compute_features(empty, "raw")
