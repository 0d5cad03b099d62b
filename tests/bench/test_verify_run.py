"""`bench verify`: the same answer on two machines, or what differs."""

from __future__ import annotations

import pandas as pd
import pytest
from cli_runs import key_of_trial, run_cli

from bench.records.documents import read_json, write_json
from bench.records.store import RunStore, digest


def test_a_run_made_here_is_bit_identical_from_its_scores_and_from_training_anew(finished):
    answer = run_cli("verify", "small", "--retrain", "2", "--results", finished)
    assert answer.code == 0, answer.out + answer.err
    assert "6 records, 0 damaged file(s)" in answer.out
    assert "metrics computed anew from stored scores: 6 trials: 6 bit-identical (daily series)" in answer.out
    anew = [line for line in answer.out.splitlines() if line.startswith("trained anew")]
    assert len(anew) == 2
    assert all("bit-identical (scores)" in line and "the code has changed" not in line for line in anew)
    assert "environment then: device cpu, python" in answer.out
    assert "environment here: device cpu, python" in answer.out


def test_scores_that_do_not_give_the_stored_metrics_are_told(own_copy):
    store = RunStore.open(own_copy, "small")
    folder = store.trial_folder(key_of_trial(own_copy, "gru"))
    scores = pd.read_parquet(folder / "scores.parquet")
    scores["score"] = -scores["score"]
    scores.to_parquet(folder / "scores.parquet", index=False)
    # Whoever edits scores and mends the checksum of the file is found by what the scores give.
    record = read_json(folder / "record.json").content
    record["files"]["scores.parquet"] = digest(folder / "scores.parquet")
    write_json(folder / "record.json", record)
    answer = run_cli("verify", "small", "--results", own_copy)
    assert answer.code == 1
    assert "1 different (daily series), 5 bit-identical (daily series)" in answer.out


def test_a_damaged_record_is_named_and_the_others_are_checked(own_copy):
    key = key_of_trial(own_copy, "tcn", 1)
    path = RunStore.open(own_copy, "small").trial_folder(key) / "daily.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    answer = run_cli("verify", "small", "--results", own_copy)
    assert answer.code == 1
    assert f"{key}/record.json is damaged (the checksum of daily.parquet beside it does not hold)" in answer.out
    assert "5 trials: 5 bit-identical" in answer.out


def test_without_scores_metrics_are_said_not_to_be_checked(own_copy):
    for path in own_copy.glob("runs/small/trials/*/scores.parquet"):
        path.unlink()
    answer = run_cli("verify", "small", "--retrain", "1", "--results", own_copy)
    assert answer.code == 0, answer.out
    assert "no scores are stored with this run" in answer.out
    # The record still tells the checksum that the scores had.
    assert "bit-identical (scores)" in answer.out


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda config: config["data"].update(source="planted:null?stocks=20&days=200"), "was made with other data"),
        (lambda config: config["train"].update(momentum=1), "cannot be read by this version: train.momentum"),
    ],
    ids=["other data", "a key of another version"],
)
def test_a_run_that_cannot_be_made_again_here_is_refused(own_copy, change, told):
    store = RunStore.open(own_copy, "small")
    run = store.run()
    change(run["config"])
    store.write_run(run)
    answer = run_cli("verify", "small", "--results", own_copy)
    assert (answer.code, told in answer.err) == (2, True), answer.err
