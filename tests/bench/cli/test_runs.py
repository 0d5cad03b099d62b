"""Runs: called as their data, never overwritten by other data, each with its report; listed, compared, removed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_runs import SMALL, Answer, key_of_trial, run_cli, write_prices

from bench.experiment.config import load_config
from bench.experiment.naming import data_name, run_name
from bench.experiment.presets import CONFIGS, DEFAULT_CONFIG
from bench.records.documents import write_json
from bench.records.runs import locked
from bench.records.store import LARGE, RunStore, digest

LINEAR = ("--models", "linear", "--seeds", "1", "--jobs", "1", "--set", "data.lookback=5")


def run_on(data: Path, results: Path, *more: str) -> Answer:
    """The README's first own-data command, small."""
    return run_cli("run", "--data", data, *LINEAR, *more, "--results", results)


def refused(answer: Answer) -> str:
    assert answer.code == 2, answer.out + answer.err
    assert "Traceback" not in answer.out + answer.err
    return answer.err


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def twin(own_copy: Path) -> Path:
    """Results that hold the run `small` and a copy of it, `again`."""
    shutil.copytree(own_copy / "runs" / "small", own_copy / "runs" / "again")
    return own_copy


# What a run is called


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("prices.parquet", "prices"),
        ("/some/where/prices.csv.gz", "prices"),
        ("PRICES.CSV", "PRICES"),
        ("prices.2024.csv", "prices.2024"),
        ("my data/", "my-data"),
        ("data/cn_data#csi300", "csi300"),
        ("data/cn_data?market=csi300", "csi300"),
        ("planted:local", "planted-local"),
        ("planted:local?stocks=20&days=200", "planted-local-stocks-20-days-200"),
        ("installed:sp500-closes", "sp500-closes"),
    ],
)
def test_data_name_a_run(source, name):
    assert data_name(source) == name


@pytest.mark.parametrize("source", ["股票.csv", "a股.csv", "<|>.csv", f"{'x' * 200}.csv", "../..", "-"])
def test_any_name_of_data_becomes_one_that_a_folder_can_have(source):
    name = data_name(source)
    assert load_config(None, {"name": name}).name == name
    assert data_name(source.replace("股", "基")) != name or "股" not in source


@pytest.mark.parametrize(
    ("config", "source", "name"),
    [
        ("quick.yaml", "planted:mixed", "quick"),
        ("quick.yaml", "planted:local", "planted-local"),
        ("quick.yaml", "planted:mixed?days=300", "planted-mixed-days-300"),
        ("quick.yaml", "prices.csv", "prices"),
        ("full.yaml", "planted:mixed", "full"),
        ("full.yaml", "prices.csv", "full-prices"),
        ("planted.yaml", "planted:mixed?days=100", "planted"),
    ],
)
def test_quick_is_the_default_market_of_the_default_experiment_alone(config, source, name):
    file = CONFIGS / config
    assert run_name(load_config(file, {"data.source": source}), file, load_config(file).data.source) == name


def test_an_experiment_without_a_name_is_called_as_its_data(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text("data: {source: 'planted:local'}\n")
    assert run_name(load_config(file), file, "planted:local") == "planted-local"
    assert DEFAULT_CONFIG.resolve() == DEFAULT_CONFIG


# Other data never replace a run


@pytest.fixture(scope="module")
def two_runs(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with two own data sets, and the results they left beside a run `quick`."""
    folder = tmp_path_factory.mktemp("own")
    results = folder / "results"
    shutil.copytree(finished / "runs" / "small", results / "runs" / "quick")
    for seed, name in enumerate(("prices", "other")):
        answer = run_on(write_prices(folder / f"{name}.csv", seed=seed), results)
        assert answer.code == 0, answer.err
        assert f"results/runs/{name}/comparison.md" in answer.out
    return folder, results


def test_two_own_data_sets_are_two_runs_and_leave_the_shipped_one_alone(two_runs, finished):
    _, results = two_runs
    assert sorted(p.name for p in (results / "runs").iterdir()) == ["other", "prices", "quick"]
    assert contents(results / "runs" / "quick") == contents(finished / "runs" / "small")
    for name in ("prices", "other"):
        assert RunStore.open(results, name).run()["data"]["name"] == f"{name}.csv"
        assert run_cli("report", name, "--verify", "--results", results).code == 0


def test_the_latest_report_says_whose_it_is_and_links_every_run(two_runs):
    _, results = two_runs
    text = (results / "comparison.md").read_text()
    assert text.startswith("# Comparison: other\n\n- [Latest run: other](runs/other/comparison.md)\n- [All runs](#all-")
    assert "\n## All runs\n" in text
    assert "- [prices](runs/prices/comparison.md): prices.csv, 1 models, 1 of 1 trials stored" in text
    page = (results / "comparison.html").read_text()
    links = re.findall(r'<a href="([^"]+)"><bdi>(?:Latest run: )?\w+', page)
    assert {"runs/other/comparison.html", "runs/prices/comparison.html"} <= set(links)
    assert all(f'id="{link[1:]}"' in page if link[0] == "#" else (results / link).is_file() for link in links)
    assert all((results / link).is_file() for link in re.findall(r"\]\((runs/[^)]+)\)", text))


@pytest.mark.parametrize("command", ["run", "check"])
def test_other_data_under_the_name_of_a_run_are_refused(two_runs, tmp_path, command):
    folder, results = two_runs
    before = contents(results)
    data = write_prices(tmp_path / "prices.csv", seed=7)
    answer = run_cli(command, "--data", data, "--models", "linear", "--seeds", "1", "--results", results)
    message = refused(answer)
    stored = RunStore.open(results, "prices").run()["data"]["fingerprint"][:12]
    assert f"{folder / 'prices.csv'} (fingerprint {stored})" in message
    assert re.search(rf"not {re.escape(str(data))} \(fingerprint (?!{stored})[0-9a-f]{{12}}\)", message)
    assert "--name" in message
    assert "--fresh" in message
    assert contents(results) == before


def test_fresh_lets_other_data_replace_a_run(two_runs, tmp_path):
    results = Path(shutil.copytree(two_runs[1], tmp_path / "results"))
    data = write_prices(tmp_path / "prices.csv", seed=7)
    answer = run_on(data, results, "--fresh")
    assert "1 trained, 0 stored, 0 failed" in answer.out, answer.err
    assert RunStore.open(results, "prices").run()["data"]["source"] == str(data)


# What `run` refuses, `check` finds


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--set", "portfolio.benchmark=nowhere.csv"), "portfolio.benchmark nowhere.csv: no such file"),
        (("--set", "data.universe={top_liquidity: 1}"), "the universe is one stock, with none to compare it to"),
        (("--set", "data.label.price=open"), "data.label.price: the label is made of open prices"),
        (("--models", "grru"), "no model 'grru' (did you mean 'gru'?)"),
    ],
    ids=["benchmark", "one stock", "label without prices", "unknown model"],
)
def test_check_and_run_refuse_the_same(tmp_path, change, message):
    data = write_prices(tmp_path / "prices.csv")
    pd.read_csv(data).drop(columns="open").to_csv(data, index=False)
    for command in ("check", "run"):
        assert message in refused(run_cli(command, SMALL, "--data", data, *change, "--results", tmp_path / "results"))
    assert not (tmp_path / "results").exists()


def test_check_names_the_models_that_would_fail(tmp_path):
    data = write_prices(tmp_path / "prices.csv")
    answer = run_cli("check", SMALL, "--data", data, "--models", "hist,mlp", "--results", tmp_path / "results")
    assert answer.code == 1
    assert "would fail: hist: hist needs concepts: name a file with --concepts" in answer.out
    assert "small-prices: 6 trials" in answer.out


def test_check_tells_of_every_market_of_a_capture_matrix(tmp_path):
    source = "data.source=planted:mixed?stocks=20&days=240"
    answer = run_cli("check", CONFIGS / "planted.yaml", "--models", "linear", "--set", source, "--results", tmp_path)
    assert answer.code == 0, answer.err
    assert len(re.findall(r"^planted-\w+: 3 trials", answer.out, re.MULTILINE)) == 7


# Listed, verified


def test_runs_are_listed_with_what_they_hold(twin):
    shutil.rmtree(RunStore(twin, "again").trial_folder(key_of_trial(twin, "gru", 0)))
    (twin / "runs" / "broken").mkdir()
    rows = {line.split()[0]: line for line in run_cli("list", "runs", "--results", twin).out.splitlines()}
    assert re.search(r"planted:local\S+ +6/6 +0,1 +gru, tcn, linear +planted:local", rows["small"])
    assert " 5/6 " in rows["again"]
    assert "run.json is missing" in rows["broken"]


def test_without_runs_there_are_none_to_list(tmp_path):
    assert "no run under" in refused(run_cli("list", "runs", "--results", tmp_path))


def test_verify_without_a_name_holds_each_run_to_its_own_report(two_runs, tmp_path):
    results = Path(shutil.copytree(two_runs[1], tmp_path / "results"))
    answer = run_cli("report", "--verify", "--results", results)
    assert (answer.code, answer.out) == (
        0,
        "".join(f"{name}: every statement holds\n" for name in ("other", "prices", "quick")),
    )
    report = results / "runs" / "prices" / "comparison.md"
    report.write_text(report.read_text().replace("Linear", "linear"))
    (results / "runs" / "begun").mkdir()
    answer = run_cli("report", "--verify", "--results", results)
    assert answer.code == 1
    assert "other: every statement holds" in answer.out
    assert "begun: 1 statements do not hold" in answer.out
    assert f"{report}: says: " in answer.out


def test_a_report_elsewhere_is_verified_there_and_is_not_the_latest(own_copy, tmp_path):
    before = contents(own_copy)
    place = tmp_path / "elsewhere"
    assert run_cli("report", "small", "--no-figures", "-o", place, "--results", own_copy).code == 0
    assert contents(own_copy) == before
    assert run_cli("report", "small", "--verify", "-o", place, "--results", own_copy).code == 0
    (place / "comparison.html").unlink()
    assert run_cli("report", "small", "--verify", "-o", place, "--results", own_copy).code == 1


# Compared


def scores(results: Path, run: str, model: str) -> Path:
    return RunStore(results, run).trial_folder(key_of_trial(results, model, 0, run)) / "scores.parquet"


def change_scores(file: Path, change: Any) -> None:
    """Change stored scores, checksum and all."""
    frame = pd.read_parquet(file)
    frame["score"] = change(frame["score"].to_numpy()).astype("float32")
    frame.to_parquet(file, index=False)
    record = json.loads((file.parent / "record.json").read_text())
    record["files"][file.name] = digest(file)
    write_json((file.parent / "record.json"), record)


def test_a_run_and_its_copy_are_bit_identical(twin):
    answer = run_cli("diff", "small", "again", "--results", twin)
    assert (answer.code, answer.out.strip()) == (0, "6 trials: 6 bit-identical (scores)")


def test_trials_are_identical_within_tolerance_or_different(twin):
    change_scores(scores(twin, "again", "gru"), lambda s: s * (1 + 1e-6))
    assert run_cli("diff", "small", "again", "--results", twin).code == 0
    change_scores(scores(twin, "again", "tcn"), lambda s: np.roll(s, 1))
    answer = run_cli("diff", "small", "again", "--results", twin)
    assert answer.code == 1
    assert "4 bit-identical (scores)" in answer.out
    assert re.search(r"gru +0 +0 +within tolerance +scores +\S*e-0[678]", answer.out)
    assert re.search(r"tcn +0 +0 +different +scores +\d", answer.out)
    assert "Rank IC ± 95 %: small" in answer.out


def test_without_scores_the_daily_series_are_compared(twin):
    for name in LARGE:
        for file in (twin / "runs" / "again" / "trials").glob(f"*/{name}"):
            file.unlink()
    change_scores(scores(twin, "small", "gru"), lambda s: s * (1 + 1e-6))
    answer = run_cli("diff", "small", "again", "--results", twin)
    assert answer.out.startswith("6 trials: 1 bit-identical (daily series), 5 bit-identical (scores)")


def test_other_settings_are_named_with_both_tables_side_by_side(own_copy, tmp_path):
    more = ("--seeds", "1", "--jobs", "1", "--results", tmp_path)
    assert run_cli("run", SMALL, "--models", "gru", "--set", "train.lr=0.01", *more).code == 0
    answer = run_cli("diff", "small", tmp_path / "runs" / "small", "--results", own_copy)
    assert answer.code == 1
    assert answer.out.startswith("6 trials: 2 with other settings, 4 only in small\n")
    assert re.search(r"train\.lr +0\.002 +0\.01\n", answer.out)
    assert re.search(r"\ngru +-?\d\.\d{4} ± \S+ +-?\d\.\d{4} ± ", answer.out)


def test_other_data_are_not_compared_trial_by_trial(two_runs):
    answer = run_cli("diff", "prices", "other", "--results", two_runs[1])
    assert answer.code == 1
    assert answer.out.startswith("1 trials: 1 on other data\n")
    assert re.search(r"data\.source +\S+prices\.csv +\S+other\.csv", answer.out)


# Removed


def test_a_run_is_removed_and_nothing_else(twin):
    kept = {k: v for k, v in contents(twin).items() if not k.startswith("runs/again/")}
    assert "--yes removes it" in refused(run_cli("rm", "again", "--results", twin))
    with locked(RunStore(twin, "again")):
        assert "is being run by another process" in refused(run_cli("rm", "again", "--yes", "--results", twin))
    assert (twin / "runs" / "again" / "run.json").is_file()
    assert run_cli("rm", "again", "--yes", "--results", twin).code == 0
    assert contents(twin) == kept
    assert sorted(p.name for p in (twin / "runs").iterdir()) == ["small"]


@pytest.mark.parametrize("name", ["agin", "../results", ".", "", ".hidden"])
def test_what_is_no_run_is_not_removed(twin, name):
    (twin / "runs" / ".hidden").mkdir()
    before = contents(twin)
    assert "no run" in refused(run_cli("rm", name, "--yes", "--results", twin))
    assert contents(twin) == before
