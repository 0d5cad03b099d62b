from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cli_runs import SMALL, Answer, key_of_trial, run_cli, scores_of, write_prices

from bench.records.store import RunStore
from zoo.kernels import recurrent_backend


def record_times(results: Path) -> dict[str, int]:
    """When each trial was stored, by key."""
    return {p.parent.name: p.stat().st_mtime_ns for p in results.glob("runs/small/trials/*/record.json")}


def run_again(results: Path, *arguments: Any) -> Answer:
    return run_cli("run", SMALL, "--models", "gru,tcn", "--jobs", "1", "--results", results, *arguments)


def refused(answer: Answer) -> str:
    """The message of a command that ended with exit code 2 and no traceback."""
    assert answer.code == 2, answer.out + answer.err
    assert "Traceback" not in answer.out + answer.err
    return answer.err


# A run and its repetition


def test_a_run_prints_a_line_a_trial_the_table_and_where_the_report_is(finished_once):
    results, answer = finished_once
    for i in range(1, 7):
        assert f"[{i}/6] " in answer.out
    assert "linear is the baseline that differences are taken to" in answer.out
    assert "6 trained, 0 stored, 0 failed" in answer.out
    assert str(results / "comparison.md") in answer.out
    for name in ("gru", "tcn", "linear"):
        assert f"\n{name} " in answer.out
    assert "\x1b[" not in answer.out
    assert answer.err == ""


def test_a_run_leaves_its_report_frame_and_records_and_is_the_latest(finished):
    report = {"comparison.md", "comparison.html"}
    assert {p.name for p in finished.iterdir()} == {*report, "runs"}
    store = RunStore.open(finished, "small")
    written = {p.name for p in store.folder.iterdir()}
    assert written >= {*report, "leaderboard.parquet", "final_report.json", "run.json", "trials"}
    files = {"record.json", "daily.parquet", "scores.parquet", "checkpoint.json", "model.safetensors"}
    for key in store.keys():  # noqa: SIM118 - a method of the store
        assert {p.name for p in store.trial_folder(key).iterdir()} == files


def test_a_second_identical_run_trains_nothing_and_says_so(own_copy):
    before, report = record_times(own_copy), (own_copy / "comparison.md").read_text()
    answer = run_again(own_copy)
    assert answer.code == 0
    assert "6 trial(s) are stored and not trained again" in answer.out
    assert "nothing to train: every trial of this run is stored" in answer.out
    assert "0 trained, 6 stored, 0 failed" in answer.out
    assert record_times(own_copy) == before
    without_command = (own_copy / "comparison.md").read_text().partition("## Reproduce")[0]
    assert without_command == report.partition("## Reproduce")[0]


def test_fresh_trains_all_trials_again_to_the_same_scores(own_copy):
    before, scores = record_times(own_copy), scores_of(own_copy)
    answer = run_again(own_copy, "--fresh")
    assert "6 trained, 0 stored, 0 failed" in answer.out
    after = record_times(own_copy)
    assert after.keys() == before.keys()
    assert all(after[key] > before[key] for key in before)
    assert scores_of(own_copy) == scores


@pytest.mark.parametrize("file", ["record.json", "daily.parquet", "scores.parquet", "model.safetensors"])
def test_a_trial_with_a_damaged_file_is_trained_again_and_no_other(own_copy, file):
    scores = scores_of(own_copy)
    key = key_of_trial(own_copy, "linear", 1)
    path = RunStore.open(own_copy, "small").trial_folder(key) / file
    path.write_bytes(path.read_bytes()[:-20])
    before = record_times(own_copy)
    answer = run_again(own_copy)
    assert "1 trained, 5 stored, 0 failed" in answer.out, answer.out
    assert {k for k, time in record_times(own_copy).items() if before.get(k) != time} == {key}
    assert scores_of(own_copy) == scores


def test_another_seed_trains_that_seed_only(own_copy):
    answer = run_again(own_copy, "--seeds", "0,1,5")
    assert "3 trained, 6 stored, 0 failed" in answer.out
    assert RunStore.open(own_copy, "small").run()["config"]["seeds"] == [0, 1, 5]


def test_a_changed_setting_trains_again_what_it_concerns(own_copy):
    answer = run_again(own_copy, "--set", "models.gru.params.hidden_size=5")
    assert "2 trained, 4 stored, 0 failed" in answer.out


# What to run


def planned(*arguments: Any) -> str:
    """What `check` says of a run."""
    answer = run_cli("check", SMALL, *arguments)
    assert answer.code == 0, answer.err
    return answer.out


def test_check_says_what_a_run_would_do_and_trains_nothing(finished, tmp_path):
    out = planned("--models", "gru,tcn", "--results", finished)
    assert "small: 6 trials (gru, tcn, linear) on cpu, 6 of them stored; config " in out
    assert "fold 0: train 2010-" in out
    assert "embargo 2 days" in out
    assert "0 of them stored" in planned("--results", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_models_are_named_by_globs_and_commas():
    assert "(alstm, tcn, linear)" in planned("--models", "a*,tcn")
    assert "(gru, linear)" in planned("--models", " GRU , linear,,")


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ("3", "3 trials"),
        ("1", "1 trials"),
        ("0,5,7", "3 trials"),
        ("4,", None),
        ("7,7", None),
        ("0", None),
        ("x", None),
        ("100000000", None),
        ("0,4294967296", None),
    ],
)
def test_seeds_are_a_count_or_a_list(seeds, message):
    answer = run_cli("check", SMALL, "--models", "linear", "--seeds", seeds)
    if message:
        assert message in answer.out
    else:
        assert "seeds" in refused(answer)


def test_set_reaches_any_key_and_options_win_over_it():
    assert "5 trials" in planned("--models", "linear", "--set", "seeds=[1, 2, 3, 4, 5]")
    assert "2 trials" in planned("--models", "linear", "--set", "seeds=[1, 2, 3, 4, 5]", "--seeds", "2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "alstmm"], "no model 'alstmm' (did you mean 'alstm'?)"),
        (["--models", "zzz*"], "no model 'zzz*'"),
        (["--models", ","], "no model named"),
        (["--set", "train.lrr=1"], "unknown key 'train.lrr' (did you mean 'lr'?)"),
        (["--set", "train.lr"], "--set train.lr: must be KEY=VALUE"),
        (["--set", "models.gru.params.hidden_sise=4"], "did you mean 'hidden_size'?"),
        (["--data", "planted:lokal"], "did you mean 'local'"),
        (["--data", "planted:local?stoks=20"], "did you mean 'stocks'"),
        (["--device", "tpu"], "'device': input should be 'auto', 'cpu' or 'cuda', got 'tpu'"),
        (["--name", "../x"], "'name': must be 1 to 80 letters"),
        (["--name", "a/b"], "'name': must be 1 to 80 letters"),
        (["--plugin", "nowhere.py"], "plugin nowhere.py does not exist"),
        (["--jobs", "0"], "--jobs"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_a_wrong_option_is_one_message_and_leaves_no_trace(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(run_cli("run", SMALL, *arguments, "--results", "results"))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_experiment_names_the_nearest(tmp_path):
    shutil.copy(SMALL, tmp_path / "weekly.yaml")
    assert "did you mean 'weekly.yaml'" in refused(run_cli("run", tmp_path / "weekyl.yaml"))


def test_an_unknown_key_names_file_line_key_and_the_nearest(tmp_path):
    path = tmp_path / "weekly.yaml"
    path.write_text("name: weekly\ntrain:\n  batch_sise: 5\n")
    message = refused(run_cli("run", path, "--results", tmp_path / "results"))
    assert f"{path}, line 3: unknown key 'train.batch_sise' (did you mean 'batch_size'?)" in message


def test_results_that_cannot_be_a_folder_are_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    assert "file" in refused(run_cli("run", SMALL, "--models", "linear", "--results", tmp_path / "file"))


# Data that cannot be used


def broken_prices(path: Path, edit: Any) -> Path:
    """A CSV whose lines were edited; line 1 is the header."""
    lines = write_prices(path).read_text().splitlines()
    path.write_text("".join(f"{line}\n" for line in edit(lines)))
    return path


def text_price(lines: list[str]) -> list[str]:
    cells = lines[41].split(",")
    return [*lines[:41], ",".join([*cells[:2], "twelve", *cells[3:]]), *lines[42:]]


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda lines: [], ["empty"]),
        (lambda lines: lines[:1], ["no rows"]),
        (text_price, ["row 42", "close", "twelve"]),
        (lambda lines: [*lines, lines[20]], ["row 962", "row 21"]),
        (lambda lines: [line.replace("close", "clos") for line in lines], ["close"]),
    ],
    ids=["empty file", "header only", "text as a price", "duplicate row", "no close"],
)
def test_a_broken_csv_names_file_and_row(tmp_path, edit, expected):
    path = broken_prices(tmp_path / "prices.csv", edit)
    message = refused(run_cli("run", SMALL, "--data", path, "--results", tmp_path / "results"))
    assert str(path.name) in message
    for part in expected:
        assert part in message
    assert not (tmp_path / "results").exists()


def test_a_missing_file_is_named(tmp_path):
    message = refused(run_cli("run", SMALL, "--data", tmp_path / "nowhere.csv", "--results", tmp_path / "results"))
    assert "nowhere.csv" in message


def test_a_model_that_needs_concepts_says_why_it_failed_on_data_without(tmp_path):
    prices = write_prices(tmp_path / "prices.csv")
    answer = run_cli(
        *("run", SMALL, "--models", "hist", "--seeds", "1", "--data", prices, "--jobs", "1"),
        *("--results", tmp_path / "results"),
    )
    assert answer.code == 1
    assert "hist needs concepts: name a file with --concepts" in answer.out
    assert "1 trained, 0 stored, 1 failed" in answer.out
    report = (tmp_path / "results" / "comparison.md").read_text()
    assert "hist (failed: 0 of 1 trials)" in report
    assert "hist needs concepts" in report


# Reading what is there


def test_report_rebuilds_the_same_files_from_the_records(own_copy):
    folder = own_copy / "runs" / "small"
    frame = pd.read_parquet(folder / "leaderboard.parquet")
    files = [place / f"comparison.{kind}" for place in (folder, own_copy) for kind in ("md", "html")]
    before = [file.read_bytes() for file in files]
    for file in (*files, folder / "leaderboard.parquet"):
        file.unlink()
    answer = run_cli("report", "--no-figures", "--results", own_copy)
    assert answer.code == 0, answer.err
    assert [file.read_bytes() for file in files] == before
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "leaderboard.parquet"), frame)


def test_report_draws_figures_links_and_removes_them(own_copy):
    folder = own_copy / "runs" / "small"
    figure, latest = folder / "figures" / "pareto.svg", own_copy / "comparison.md"
    assert run_cli("report", "--results", own_copy).code == 0
    assert figure.is_file()
    assert "](figures/pareto.svg)" in (folder / "comparison.md").read_text()
    assert "](runs/small/figures/pareto.svg)" in latest.read_text()
    for place in (folder, own_copy):
        assert "<svg" in (place / "comparison.html").read_text()
    assert run_cli("report", "--results", own_copy, "--verify").code == 0
    assert run_cli("report", "--no-figures", "--results", own_copy).code == 0
    assert not figure.exists()
    assert "pareto.svg" not in (folder / "comparison.md").read_text() + latest.read_text()


@pytest.mark.parametrize("command", [["report"], ["show"]])
def test_without_a_run_there_is_nothing_to_report(tmp_path, command):
    message = refused(run_cli(*command, "--results", tmp_path))
    assert "no run under" in message
    assert "python -m bench run" in message


@pytest.mark.parametrize("command", ["report", "show"])
def test_an_unknown_run_names_the_nearest(finished, command):
    assert "did you mean 'small'" in refused(run_cli(command, "smal", "--results", finished))


def test_show_prints_verdict_table_and_trials(finished):
    answer = run_cli("show", "small", "--results", finished)
    assert answer.code == 0
    assert "has the highest mean Rank IC" in answer.out
    for key in RunStore.open(finished, "small").keys():  # noqa: SIM118 - a method of the store
        assert key in answer.out


def test_show_prints_a_trial_by_the_start_of_its_key(finished):
    key = key_of_trial(finished, "gru", 1)
    record = json.loads(run_cli("show", f"small/{key[:10]}", "--json", "--results", finished).out)
    assert (record["key"], record["model"], record["seed"]) == (key, "gru", 1)


def test_show_names_a_failed_trial_and_one_that_never_ran(own_copy):
    store = RunStore.open(own_copy, "small")
    for seed in (0, 1):
        shutil.rmtree(store.trial_folder(key_of_trial(own_copy, "gru", seed)))
    store.write_failure(
        key_of_trial(own_copy, "gru", 0), {"model": "gru", "fold": 0, "seed": 0, "error": "no luck", "details": ""}
    )
    out = run_cli("show", "--results", own_copy).out
    assert "failed: no luck" in out
    assert "not run" in out


@pytest.mark.parametrize("key", ["ffffffff", "zz"])
def test_show_refuses_a_key_that_no_trial_has(finished, key):
    assert f"no trial '{key}' in run 'small'" in refused(run_cli("show", f"small/{key}", "--results", finished))


def test_list_names_every_model_and_the_parameters_of_one():
    every = run_cli("list").out
    for name in ("linear", "lightgbm", "gru", "alstm", "hist"):
        assert f"\n{name} " in every
    one = run_cli("list", "gru").out
    assert "hidden_size" in one
    assert "64" in one
    assert "concepts" in run_cli("list", "h*").out + every
    assert "did you mean 'gru'" in refused(run_cli("list", "gruu"))


def test_which_recurrent_kernel_runs_is_told_stored_and_reported(finished_once, monkeypatch):
    results, answer = finished_once
    backend = recurrent_backend()
    assert f"; recurrent nets: {backend}" in answer.out
    store = RunStore.open(results, "small")
    record = store.record(key_of_trial(results, "gru"))
    assert record is not None
    for versions in (store.run()["versions"], record["versions"]):
        assert versions["cpu recurrence"] == backend
    for told in (run_cli("show", "--results", results).out, (results / "comparison.md").read_text()):
        assert f"cpu recurrence {backend}" in told
    assert f"recurrent nets on the CPU: {backend}" in run_cli("list").out
    for chosen, told in (("torch", "torch (ZOO_RECURRENT=torch)"), ("kernal", "none: ZOO_RECURRENT=kernal: must be")):
        monkeypatch.setenv("ZOO_RECURRENT", chosen)
        assert f"recurrent nets on the CPU: {told}" in run_cli("list").out


def test_a_plugin_is_listed_run_and_predicts(plugin, tmp_path):
    file = plugin("mine", "pass")
    assert "mine" in run_cli("list", "--plugin", file).out
    command = ["--models", "mine", "--seeds", "1", "--plugin", file, "--jobs", "1", "--results", tmp_path]
    assert run_cli("run", SMALL, *command).code == 0
    scores = tmp_path / "scores.csv"
    answer = run_cli(
        *("predict", "small", "--model", "mine", "--data", "planted:local?stocks=20&days=200", "-o", scores),
        *("--plugin", file, "--results", tmp_path),
    )
    assert answer.code == 0, answer.err
    assert len(pd.read_csv(scores)) > 0


def test_without_a_command_help_is_printed():
    answer = run_cli()
    assert "run" in answer.out + answer.err
    assert "leaderboard" not in answer.err
