"""Columns of the user's own as features: what entries mean, from every kind of source, and how they are normalised."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import zoo
from tests.data.own_frames import priced
from zoo.config import DataConfig, FixedSplit
from zoo.data.features import features_of, make_feature_set
from zoo.data.sources import load_panel, open_panel
from zoo.data.split import make_folds
from zoo.data.windows import Dataset
from zoo.data.writers import write_panel
from zoo.errors import ConfigError, DataError


def dataset_of(panel, **settings) -> Dataset:
    data = DataConfig(split=FixedSplit(train=0.5, valid=0.25, test=0.25), **settings)
    folds = make_folds(panel.days, data.split, data.label.reach, features_of(data, panel.fields).warmup)
    return Dataset(panel, data, folds[0])


@pytest.mark.parametrize(
    ("entries", "columns"),
    [
        ("pe_ratio", ["PE Ratio"]),
        ("close,PE RATIO", ["close", "PE Ratio"]),
        (["alpha_*", "Volume"], ["alpha_1", "alpha_2", "volume"]),
        (["ALPHA_?", "pe*"], ["alpha_1", "alpha_2", "PE Ratio"]),
    ],
)
def test_entries_name_columns_whatever_their_case_and_blanks(entries, columns):
    data = DataConfig(features=entries)
    panel = open_panel(data, priced())
    assert list(features_of(data, panel.fields).columns) == columns
    own = [name for name in columns if name not in ("close", "volume")]
    assert sorted(panel.own_fields) == sorted(own)
    frame = priced().pivot(index="date", columns="symbol")
    for name in own:
        np.testing.assert_array_equal(panel.field(name), frame[name].to_numpy())


def test_columns_that_are_not_asked_for_stay_unread_and_are_told():
    panel = open_panel(DataConfig(), priced())
    assert panel.own_fields == ()
    assert any("ignored: PE Ratio, alpha_1, alpha_2, y, rating" in note for note in panel.notes)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            "pe_ration",
            r"'pe_ration' is no feature set and no column of frame \(did you mean 'PE Ratio'\?\); columns of",
        ),
        (["raw", "beta_*"], r"'beta_\*' matches no column of frame; columns of numbers in frame: close, volume, PE"),
        ("rating", "column 'rating' of frame holds no numbers; columns of numbers in frame: close"),
        (["alpha_*", "alpha_1"], r"'alpha_1' is asked for twice, by 'alpha_\*' and 'alpha_1'"),
        ("alpha159", r"did you mean 'alpha158'"),
        ("open", "no column of frame"),
    ],
)
def test_entries_that_mean_no_column_are_errors_with_the_columns_that_exist(entries, message):
    data = DataConfig(features=entries)
    with pytest.raises(ConfigError, match=message):
        features_of(data, open_panel(data, priced()).fields)


def test_columns_that_differ_in_punctuation_alone_must_be_spelled_out():
    frame = priced().assign(**{"alpha.1": 1.0})
    with pytest.raises(ConfigError, match=r"may be 'alpha_1' or 'alpha\.1' of frame"):
        open_panel(DataConfig(features="alpha 1"), frame)
    assert open_panel(DataConfig(features="alpha.1"), frame).field("alpha.1").max() == 1


@pytest.mark.parametrize("kind", ["prices.csv", "prices.parquet", "folder", "qlib"])
def test_every_kind_of_source_gives_the_same_columns(tmp_path, kind):
    frame, wanted = priced(), ["PE Ratio", "alpha_1", "alpha_2"]
    expected = load_panel(frame, columns=["pe ratio", "alpha_*"])
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
        for symbol, rows in frame.groupby("symbol"):
            rows.drop(columns="symbol").to_csv(path / f"{symbol}.csv", index=False)
    elif kind == "qlib":
        write_panel(expected, path)
    elif kind == "prices.csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    asked = ["$PE Ratio", "alpha_*"] if kind == "qlib" else ["pe_ratio", "alpha_*"]
    panel = load_panel(path, columns=asked)
    for name in wanted:
        np.testing.assert_allclose(panel.field(name), expected.field(name), rtol=1e-6)


def test_a_file_of_a_folder_without_the_column_is_told(tmp_path):
    for symbol, rows in priced().groupby("symbol"):
        dropped = ["symbol", "PE Ratio"] if symbol == "B" else ["symbol"]
        rows.drop(columns=dropped).to_csv(tmp_path / f"{symbol}.csv", index=False)
    panel = open_panel(DataConfig(features="pe ratio"), tmp_path)
    assert any("column PE Ratio is not in 1 of 4 files: B.csv" in note for note in panel.notes)
    assert any("PE Ratio 75 %" in note for note in panel.notes)


def test_a_column_per_stock_can_give_no_columns():
    wide = priced().pivot(index="date", columns="symbol", values="close")
    with pytest.raises(DataError, match="no row per stock and day with a column per field"):
        open_panel(DataConfig(features="pe"), wide)
    assert open_panel(DataConfig(features="close"), wide).fields == ("close",)


def test_a_cell_that_is_no_number_is_named(tmp_path):
    frame = priced().astype({"PE Ratio": object})
    frame.loc[300, "PE Ratio"] = "much"
    frame.to_csv(tmp_path / "prices.csv", index=False)
    with pytest.raises(DataError, match=r"row 302, column 'PE Ratio': 'much' is no number"):
        load_panel(tmp_path / "prices.csv", columns=["pe ratio"])


def test_flags_are_numbers_and_infinite_values_are_missing():
    frame = priced().assign(flag=lambda f: f["close"] > 100)
    frame.loc[3, "alpha_1"] = np.inf
    panel = load_panel(frame, columns=["flag", "alpha_1"])
    assert set(np.unique(panel.field("flag"))) == {0.0, 1.0}
    assert np.isnan(panel.field("alpha_1")).sum() == 1
    assert any("1 alpha_1 values are infinite" in note for note in panel.notes)


def test_own_columns_are_normalised_on_member_rows_of_train_days_alone():
    frame = priced()
    frame.loc[frame["date"] > "2020-04-15", "alpha_1"] += 1000
    frame.loc[::7, "alpha_1"] = np.nan
    panel = load_panel(frame, columns=["alpha_1"])
    dataset = dataset_of(panel, features="alpha_1", lookback=3)
    train = panel.field("alpha_1")[dataset.fold.train.start : dataset.fold.train.stop]
    median = np.nanmedian(train)
    scale = 1.4826 * np.nanmedian(np.abs(train - median))
    np.testing.assert_allclose([dataset.stats.center[0], dataset.stats.scale[0]], [median, scale], rtol=1e-5)
    day, stock = torch.tensor([5, 100]), torch.tensor([1, 2])
    x = dataset.windows.gather(day, stock).numpy()[:, :, 0]
    raw = np.stack([panel.field("alpha_1")[d - 2 : d + 1, s] for d, s in ((5, 1), (100, 2))])
    np.testing.assert_allclose(x, np.nan_to_num(np.clip((raw - median) / scale, -3, 3)), rtol=1e-4)


@pytest.mark.parametrize("named", ["raw", "alpha158", "alpha158_20", "alpha360"])
def test_in_a_list_a_set_has_the_values_that_it_has_alone(named):
    lookback = 60 if named == "alpha360" else 5
    panel = zoo.load_panel("planted:local?stocks=6&days=260")
    panel = load_panel(panel.to_frame().assign(own=1.5).reset_index(), columns=["own"])
    alone = dataset_of(panel, features=named, lookback=lookback)
    data = {"features": ["close", named, "own"], "lookback": lookback}
    both = dataset_of(panel, **data)
    assert both.n_features == alone.n_features + 2
    assert both.feature_set.warmup == alone.feature_set.warmup
    rows = torch.arange(170 * 6, 175 * 6)
    x = both.batch(rows).x
    assert torch.equal(x[:, :, 1:-1], alone.batch(rows).x)
    # Statistics that went through a checkpoint's one pair of arrays give the same windows.
    again = Dataset(panel, both.config, both.fold, stats=both.stats)
    assert torch.equal(again.batch(rows).x, x)


def test_a_column_without_a_value_on_train_days_is_an_error():
    frame = priced()
    frame.loc[frame["date"] < "2020-05-20", "alpha_2"] = np.nan
    panel = load_panel(frame, columns=["alpha_*"])
    with pytest.raises(DataError, match="'alpha_2' has no value in any member's row of the train days"):
        dataset_of(panel, features=["alpha_1", "alpha_2"], lookback=2)


def test_coverage_tells_thin_and_constant_columns_first():
    frame = priced().assign(alpha_1=2.0)
    frame.loc[frame["symbol"] != "A", "alpha_2"] = np.nan
    note = next(n for n in open_panel(DataConfig(features=["pe*", "alpha_*"]), frame).notes if "own column" in n)
    assert note == (
        "3 own columns, 2 of them doubtful; share of member rows with a value: alpha_2 25 % (below half), "
        "alpha_1 100 % (constant), PE Ratio 100 %"
    )


def test_own_columns_stay_on_days_without_trade_and_alpha158_does_not_take_them_for_trades():
    frame = priced()
    gone = (frame["symbol"] == "A") & frame["date"].between("2020-03-02", "2020-03-20")
    frame.loc[gone, ["close", "volume"]] = np.nan
    panel = load_panel(frame, columns=["alpha_1"])
    plain = load_panel(frame)
    assert np.isfinite(panel.field("alpha_1")).all()
    alpha = make_feature_set("alpha158_20", 20)
    np.testing.assert_array_equal(alpha.present(panel), alpha.present(plain))


def test_factors_and_columns_are_computed_as_one_frame():
    frame = priced()
    both = zoo.compute_features(frame, ["alpha158_20", "pe_ratio"])
    assert both.columns[-1] == "PE Ratio"
    pd.testing.assert_frame_equal(both.iloc[:, :-1], zoo.compute_features(frame, "alpha158_20"))
    with pytest.raises(ConfigError, match="no column"):
        zoo.compute_features(frame, ["alpha158_20", "nothing"])


def test_a_cached_source_gives_the_columns_of_each_call(tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.data.cache.SMALLEST", 0)
    monkeypatch.setenv("ALPHA_ZOO_CACHE", str(tmp_path / "cache"))
    priced().to_parquet(tmp_path / "prices.parquet")
    for asked, own in (([], ()), (["pe ratio"], ("PE Ratio",)), (["alpha_*"], ("alpha_1", "alpha_2")), ([], ())):
        assert load_panel(tmp_path / "prices.parquet", columns=asked).own_fields == own


def test_the_planted_market_has_its_fields_and_no_others():
    assert open_panel(DataConfig(source="planted:local?stocks=5&days=120", features="close")).own_fields == ()
    with pytest.raises(ConfigError, match="columns of numbers in planted:local"):
        open_panel(DataConfig(source="planted:local?stocks=5&days=120", features=["raw", "pe"]))
