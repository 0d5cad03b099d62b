from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pandas as pd
import pytest
from cli_runs import key_of_trial, run_cli

from bench.records.documents import write_json
from bench.records.store import LARGE, RunStore, digest
from bench.report import write_report
from bench.report.final import NAME
from bench.report.verify import verify_report


@pytest.fixture
def reported(own_copy: Path) -> Path:
    write_report(own_copy, "small", figures=False)
    return own_copy


def test_a_fresh_report_holds(reported):
    answer = run_cli("report", "small", "--verify", "--results", reported)
    assert (answer.code, answer.out.strip()) == (0, "small: every statement holds")


def test_a_committed_run_holds_without_weights_and_scores(reported):
    for name in LARGE:
        for file in (reported / "runs" / "small" / "trials").glob(f"*/{name}"):
            file.unlink()
    assert verify_report(reported, "small") == []


def test_a_record_that_changed_refutes_the_sentences_that_rest_on_it(reported):
    store = RunStore(reported, "small")
    folder = store.trial_folder(key_of_trial(reported, "gru", 0))
    daily = pd.read_parquet(folder / "daily.parquet")
    daily["rank_ic"] += 0.5
    daily.to_parquet(folder / "daily.parquet", index=False)
    record = json.loads((folder / "record.json").read_text())
    record["files"]["daily.parquet"] = digest(folder / "daily.parquet")
    write_json((folder / "record.json"), record)
    answer = run_cli("report", "small", "--verify", "--results", reported)
    assert answer.code == 1
    assert "main.gru.rank_ic" in answer.out or "has the highest mean Rank IC" in answer.out
    assert "statements do not hold" in answer.out


def test_a_damaged_record_refutes_the_report(reported):
    store = RunStore(reported, "small")
    path = store.trial_folder(key_of_trial(reported, "linear", 0)) / "daily.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    assert verify_report(reported, "small")


@pytest.mark.parametrize("column", ["Rank IC ± 95 %", "IC ± 95 %", "fit s"])
def test_an_altered_cell_of_the_table_is_named(reported, column):
    path = reported / "runs" / "small" / "comparison.md"
    lines = path.read_text().splitlines()
    header = next(i for i, line in enumerate(lines) if line.startswith("| model"))
    place = [c.strip() for c in lines[header].split("|")].index(column)
    cells = lines[header + 2].split("|")
    digit = next(c for c in cells[place] if c.isdigit() and c != "9")
    cells[place] = cells[place].replace(digit, "9", 1)
    lines[header + 2] = "|".join(cells)
    path.write_text("\n".join(lines) + "\n")
    problems = verify_report(reported, "small")
    assert any("comparison.md: says" in p for p in problems)


def test_an_altered_sentence_is_named_with_its_cell(reported):
    path = reported / "runs" / "small" / NAME
    report = json.loads(path.read_text())
    entry = next(s for s in report["sentences"] if any(".rank_ic" in c for c in s["cells"]))
    name = next(c for c in entry["cells"] if c.endswith(".rank_ic"))
    entry["cells"][name]["value"] += 0.01
    write_json(path, report)
    problems = verify_report(reported, "small")
    assert len(problems) == 1
    assert name in problems[0]


def test_a_sentence_nobody_measured_is_refused(reported):
    path = reported / "runs" / "small" / NAME
    report = json.loads(path.read_text())
    report["sentences"].append({"section": "verdict", "text": "GRU is the best.", "cells": {}})
    write_json(path, report)
    assert verify_report(reported, "small") == ['verdict: "GRU is the best." is no longer what the records say']


def test_a_report_without_its_final_report_does_not_verify(reported):
    (reported / "runs" / "small" / NAME).unlink()
    assert run_cli("report", "small", "--verify", "--results", reported).code == 1


def test_every_sentence_is_stored_with_cells_that_were_measured(planted_results, tmp_path):
    results = Path(shutil.copytree(planted_results, tmp_path / "results"))
    write_report(results, "planted-mixed", figures=False)
    report = json.loads((results / "runs" / "planted-mixed" / NAME).read_text())
    advice = [s for s in report["sentences"] if s["section"] == "guide" and s["cells"]]
    assert len(advice) >= 4
    for sentence in advice:
        assert all(figures["value"] is not None for figures in sentence["cells"].values()), sentence


def test_a_report_is_rebuilt_in_seconds(planted_results, tmp_path):
    results = Path(shutil.copytree(planted_results, tmp_path / "results"))
    began = time.process_time()
    write_report(results, "planted-mixed", figures=False)
    assert time.process_time() - began < 20
