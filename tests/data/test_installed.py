"""Data sets inside packages, on packages made for the test: metadata, the list of files, and a little data."""

from __future__ import annotations

import bz2
import sys
from pathlib import Path

import numpy as np
import pytest

from zoo.data import cache
from zoo.data.sources import load_panel
from zoo.data.sources.installed import DATASETS, installed_files
from zoo.errors import DataError

CLOSES = "portfolio_backtester/data/SP500 20060901-20211015.csv"
VOLUMES = "portfolio_backtester/data/SP500 20060901-20211015 volume.csv"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that is searched first, laid out as in a virtual environment."""
    folder = tmp_path / "lib" / "python3" / "site-packages"
    folder.mkdir(parents=True)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def install(site: Path, package: str, version: str, files: dict[str, bytes], moved: str = "") -> None:
    """A package whose RECORD lists `files`; `moved` is taken off their names where they are written."""
    info = site / f"{package.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    module = f"{package.replace('-', '_')}/__init__.py"
    for name, data in {**files, module: b"raise RuntimeError('imported')\n"}.items():
        path = (site / name.removeprefix(moved)).resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    listed = [*files, module, f"{info.name}/METADATA"]
    (info / "RECORD").write_text("".join(f'"{name}",,\n' if "," in name else f"{name},,\n" for name in listed))


def quotes(first: float, n_days: int = 3) -> bytes:
    days = ["20200102", "20200103", "20200106"][-n_days:]
    rows = (
        f"{day},0,{p},{p + 1},{p - 1},{p + 0.5},{1000 * p:.1f}" for day, p in zip(days, (first, 4, 5), strict=False)
    )
    return bz2.compress("\n".join(rows).encode())


def install_quotes(site: Path, prefix: str = "../../../", moved: str = "") -> None:
    files = {f"{prefix}share/fakestockdata/daily/table_{name}.csv.bz2": quotes(p) for name, p in (("zz", 3), ("aa", 2))}
    files[f"{prefix}share/fakestockdata/daily/table_late.csv.bz2"] = quotes(9, n_days=2)
    install(site, "fakestockdata", "0.0.2", files, moved)


def install_closes(site: Path, **changes: bytes) -> None:
    closes = (
        b"Date,B,A,NEW\n2006-08-31 00:00:00,1.5,2.5,\n2006-09-01 00:00:00,1.75,,\n2006-09-05 00:00:00,2.0,3.0,7.0\n"
    )
    volumes = b"Date,A,B,NEW\n2006-08-31 00:00:00,100,200,\n2006-09-05 00:00:00,300,0,500\n"
    other = {"portfolio_backtester/data/sp500-0317.csv": b"no,data\n"}
    install(site, "portfolio-backtester", "0.1.0", {CLOSES: closes, VOLUMES: volumes, **other, **changes})


def test_quotes_are_read_without_importing_their_package(site):
    install_quotes(site)
    panel = load_panel("installed:fakestockdata")
    assert "fakestockdata" not in sys.modules
    assert panel.name == "installed:fakestockdata"
    assert panel.symbols.tolist() == ["AA", "LATE", "ZZ"]
    assert panel.fields == ("open", "high", "low", "close", "volume")
    assert [str(day) for day in panel.days] == ["2020-01-02", "2020-01-03", "2020-01-06"]
    np.testing.assert_array_equal(panel.values[0, 2], np.float32([3, 4, 2, 3.5, 3000]))
    assert panel.member[:, 1].tolist() == [False, True, True]
    assert any("all 3 stocks are listed on the last day, 2020-01-06" in note for note in panel.notes)


def test_shared_files_are_found_where_pip_target_moves_them(site):
    install_quotes(site, prefix="../../", moved="../../")
    assert load_panel("installed:fakestockdata").n_stocks == 3


def test_closes_and_volumes_make_a_panel_whose_other_fields_are_empty(site):
    install_closes(site)
    panel = load_panel("installed:sp500-closes")
    assert "portfolio_backtester" not in sys.modules
    assert panel.symbols.tolist() == ["A", "B", "NEW"]
    assert panel.fields == ("close", "volume")
    nan = np.nan
    np.testing.assert_array_equal(panel.field("close"), np.float32([[2.5, 1.5, nan], [nan, 1.75, nan], [3, 2, 7]]))
    np.testing.assert_array_equal(panel.field("volume"), np.float32([[100, 200, nan], [nan, nan, nan], [300, 0, 500]]))
    assert np.isnan(panel.field("open")).all()
    assert panel.member.tolist() == [[True, True, False], [True, True, False], [True, True, True]]
    for name in ("open", "high", "low", "vwap"):
        assert panel.notes.count(f"no {name}: what reads it is empty") == 1
    assert "1 close and 2 volume values are missing" in panel.notes


def test_a_model_can_be_trained_on_closes_and_volumes_alone(site, tmp_path):
    """The fields that are absent become features without a value, which normalise to 0."""
    from zoo.config import DataConfig
    from zoo.data.split import DayRange, Fold
    from zoo.data.windows import Dataset

    rng = np.random.default_rng(0)
    days = np.busday_offset("2006-08-31", np.arange(60), roll="forward")
    prices = rng.lognormal(3, 0.1, (60, 4))

    def wide(values: np.ndarray) -> bytes:
        rows = [f"{day} 00:00:00,{','.join(f'{v:.6f}' for v in row)}" for day, row in zip(days, values, strict=True)]
        return "\n".join(["Date,A,B,C,D", *rows]).encode()

    install_closes(site, **{CLOSES: wide(prices), VOLUMES: wide(prices * 1e5)})
    panel = load_panel("installed:sp500-closes")
    for features in ("raw", "alpha360"):
        lookback = 60 if features == "alpha360" else 5
        fold = Fold(0, DayRange(0, 30), DayRange(30, 40), DayRange(40, 60), 0)
        dataset = Dataset(panel, DataConfig(features=features, lookback=lookback), fold)
        x = next(iter(dataset.test.batches(1000))).x
        columns = dict(zip(dataset.feature_set.columns, x.unbind(dim=-1), strict=True))
        assert x.isfinite().all()
        assert columns["close"].abs().max() > 0
        assert columns["volume"].abs().max() > 0
        assert columns["open"].abs().max() == 0


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("fakestockdata", "pip install fakestockdata"),
        ("sp500-closes", "pip install --no-deps portfolio-backtester==0.1.0"),
    ],
)
def test_an_absent_package_is_answered_with_the_line_that_installs_it(site, monkeypatch, name, line):
    monkeypatch.setattr(sys, "path", [str(site)])
    with pytest.raises(DataError, match=f"installed:{name}: .* is not installed; {line}$"):
        load_panel(f"installed:{name}")


def test_an_unknown_name_is_answered_with_the_nearest(site):
    with pytest.raises(DataError, match=r"no such data set \(did you mean 'sp500-closes'\?\); there are installed:"):
        load_panel("installed:sp500-close")


def test_another_version_without_the_data_is_said_so(site):
    install(site, "portfolio-backtester", "9.0", {"portfolio_backtester/data/other.csv": b""})
    with pytest.raises(DataError, match=r"portfolio-backtester 9\.0 does not hold these data; pip install --force"):
        load_panel("installed:sp500-closes")


def test_a_file_that_was_deleted_is_named(site):
    install_closes(site)
    (site / VOLUMES).unlink()
    with pytest.raises(DataError, match=r"volume\.csv is missing; pip install --force-reinstall --no-deps"):
        load_panel("installed:sp500-closes")


@pytest.mark.parametrize("damage", [b"", b"BZh9 is no bzip2", quotes(3)[:-20]])
def test_a_damaged_file_is_named(site, damage):
    install_quotes(site)
    file = next(path for path in installed_files("fakestockdata") if path.endswith("table_aa.csv.bz2"))
    Path(file).write_bytes(damage)
    with pytest.raises(DataError, match=r"table_aa\.csv\.bz2: cannot be read .* install the package again"):
        load_panel("installed:fakestockdata")


def test_groups_come_from_a_file_and_not_from_a_column(site, tmp_path):
    install_closes(site)
    file = tmp_path / "sectors.csv"
    file.write_text("symbol,sector\nA,X\nB,Y\n")
    groups = load_panel("installed:sp500-closes", concepts=file).concepts
    assert groups is not None
    assert groups.names == ("X", "Y")
    with pytest.raises(DataError, match="'sector' is neither a file nor a column"):
        load_panel("installed:sp500-closes", concepts="sector")


def test_installed_data_go_through_the_cache(site, tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "SMALLEST", 0)
    install_closes(site)
    first, second = load_panel("installed:sp500-closes"), load_panel("installed:sp500-closes")
    assert len(list((tmp_path / "cache").glob("*/v-*"))) == 1
    assert first.fingerprint == second.fingerprint
    (site / VOLUMES).write_bytes((site / VOLUMES).read_bytes().replace(b"300", b"301"))
    assert load_panel("installed:sp500-closes").field("volume")[2, 0] == 301


def test_the_real_data_sets_are_whole_where_they_are_installed():
    from importlib.metadata import PackageNotFoundError, distribution

    shapes = {"fakestockdata": (3926, 29, 5), "sp500-closes": (3809, 503, 2)}
    found = 0
    for name, shape in shapes.items():
        try:
            distribution(DATASETS[name].package)
        except PackageNotFoundError:
            continue
        found += 1
        assert load_panel(f"installed:{name}", cache=False).values.shape == shape
    if not found:
        pytest.skip("neither package is installed")
