"""Published figures stand beside a run that repeats their experiment, and beside no other."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.advice.facts import gather
from bench.experiment.config import load_config
from bench.experiment.presets import CONFIGS
from bench.records.store import RunStore
from bench.report.build import build_document
from bench.report.markdown import render_markdown
from bench.report.tables.published import load_reference, market_of, published_table, repeated_table
from bench.text.tables import Table
from tests.bench.cli_runs import run_cli
from tests.bench.experiment.qlib_workflows import small_folder
from zoo.registry import list_models


@pytest.fixture(scope="module")
def repeated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of `csi300` on a random market whose days, one in three, span those of the experiment. Read only."""
    folder = tmp_path_factory.mktemp("published")
    days = np.busday_offset("2006-01-02", np.arange(0, 3830, 3), roll="forward")
    small_folder(folder / "cn", [str(day) for day in days], stocks=6)
    answer = run_cli(
        *("run", "csi300", "--models", "linear,lightgbm", "--data", f"{folder / 'cn'}#csi300", "--seeds", "1"),
        *("--set", "portfolio.topk=2", "--set", "portfolio.n_drop=1", "--jobs", "1", "--name", "mine"),
        # The published penalties forbid every split on so few rows.
        *("--set", "models.lightgbm.params.lambda_l1=0", "--set", "models.lightgbm.params.lambda_l2=1"),
        *("--accept-data", "--results", folder / "results"),
    )
    assert answer.code == 0, answer.err
    return folder / "results"


def published(results: Path) -> Table:
    table = published_table(gather(results, "mine").board)
    assert table is not None
    return table


def test_a_run_of_the_experiment_has_the_published_figures_beside_its_own(repeated: Path) -> None:
    table = published(repeated)
    row = next(row for row in table.texts if row[0] == "lightgbm")
    assert (row[2], row[5]) == ("0.0499 ± 0.00", "0.0400 ± 0.00")
    assert row[7:] == ["0.3037 ± 0.00", "0.4042 ± 0.00"]


def test_consistent_is_what_the_interval_of_the_run_holds(repeated: Path) -> None:
    facts, table = gather(repeated, "mine"), published(repeated)
    for name, at, figure in (("rank_ic", 3, 0.0499), ("ic", 6, 0.04)):
        cell = facts.cell(f"main.lightgbm.{name}")
        row = next(row for row in table.texts if row[0] == "lightgbm")
        assert row[at] == ("consistent" if cell.low <= figure <= cell.high else "not consistent")


def test_a_figure_that_is_not_published_is_no_row(repeated: Path) -> None:
    assert [row[0] for row in published(repeated).texts] == ["lightgbm"]


def test_the_report_tells_whose_figures_they_are_in_both_languages(repeated: Path) -> None:
    facts = gather(repeated, "mine")
    english, chinese = (render_markdown(build_document(facts, lang)) for lang in ("en", "zh"))
    assert "repeats a published experiment (csi300, alpha360, test 2017-01-01 .. 2020-08-01)" in english
    assert "means over 20 seeds; here 1." in english
    assert "consistent?" in english
    assert "已发表的 Rank IC" in chinese
    assert "是否一致" in chinese


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("config", "data", "source"), "folder#csi500"),
        (("config", "data", "features"), "alpha158"),
        (("config", "data", "label", "horizon"), 5),
        (("config", "data", "split", "test"), ["2017-01-01", "2019-08-01"]),
        (("folds", 0, "test"), ["2017-01-03", "2019-06-28"]),
        (("config", "data", "universe"), {"file": "csi500.txt"}),
    ],
)
def test_any_other_experiment_has_none(path: tuple[Any, ...], value: Any, repeated: Path) -> None:
    run = copy.deepcopy(RunStore.open(repeated, "mine").run())
    assert repeated_table(run) is not None
    here: Any = run
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = value
    assert repeated_table(run) is None


@pytest.mark.parametrize(
    ("data", "market"),
    [
        ({"source": "~/cn#csi300"}, "csi300"),
        ({"source": "cn?market=CSI300"}, "csi300"),
        ({"source": "prices.parquet", "universe": {"file": "members/csi300.txt"}}, "csi300"),
        ({"source": "planted:mixed?days=200"}, None),
        ({"source": "csi300.csv"}, None),
    ],
)
def test_a_market_is_told_by_the_data_and_not_by_a_name(data: dict[str, Any], market: str | None) -> None:
    assert market_of(data) == market


def test_every_published_figure_is_of_a_model_here_and_the_experiment_is_that_of_csi300() -> None:
    config = load_config(CONFIGS / "csi300.yaml").data
    for table in load_reference().tables:
        assert set(table.figures) <= set(list_models())
        spans = {name: getattr(table, name) for name in ("train", "valid", "test")}
        assert config.split.model_dump(include=set(spans)) == spans
        assert (config.features, config.lookback) == (table.features, table.lookback)
        assert market_of(config.model_dump()) == table.market


def test_a_missing_folder_is_an_error_that_says_how_to_come_by_one(tmp_path: Path) -> None:
    answer = run_cli("check", "csi300", "--data", f"{tmp_path / 'cn'}#csi300", "--results", tmp_path)
    assert answer.code == 2
    assert "bench data fetch qlib-cn" in answer.err
