"""`final_report.json`: strict, complete, of the documented schema, its cells to be found in its tables."""

from __future__ import annotations

import copy
import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_runs import key_of_trial, run_cli
from jsonschema import Draft202012Validator, ValidationError

from bench.advice.facts import EVIDENCE, gather
from bench.portfolio.frames import PortfolioRow
from bench.records.store import RunStore
from bench.report import write_report
from bench.report.build import build_document
from bench.report.final import NAME, SCHEMA_VERSION, final_report
from bench.report.final import schema as schema_of_types
from bench.scores.rows import frame_columns


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return schema_of_types()


@pytest.fixture(scope="module")
def validator(schema: dict[str, Any]) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.fixture(scope="module")
def report(finished: Path) -> dict[str, Any]:
    def refuse(text: str) -> float:
        raise AssertionError(f"{text} is not strict JSON")

    text = (finished / "runs" / "small" / NAME).read_text(encoding="utf-8")
    return json.loads(text, parse_constant=refuse)


@pytest.fixture
def altered(report: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(report)


def test_the_report_of_a_run_follows_its_schema(validator, report):
    validator.validate(report)
    assert report["schema_version"] == SCHEMA_VERSION


def test_a_run_with_a_failure_and_a_missing_seed_follows_it_too(validator, own_copy):
    store = RunStore.open(own_copy, "small")
    for model, seeds in (("gru", (0,)), ("tcn", (0, 1))):
        for seed in seeds:
            key = key_of_trial(own_copy, model, seed)
            shutil.rmtree(store.trial_folder(key))
            store.write_failure(key, {"model": model, "fold": 0, "seed": seed, "error": "no luck", "details": ""})
    facts = gather(own_copy, "small")
    report = final_report(facts, build_document(facts))
    validator.validate(report)
    assert {m["model"]: m["status"] for m in report["models"]} == {
        "linear": "ok",
        "gru": "incomplete",
        "tcn": "failed",
    }
    assert [f["error"] for f in report["failures"]] == ["no luck"] * 3


def test_the_schema_says_its_version_and_describes_every_part(schema):
    assert schema["properties"]["schema_version"]["const"] == SCHEMA_VERSION
    assert schema["$id"].endswith(f":{SCHEMA_VERSION}")
    for where, part in properties(schema):
        assert part.get("description"), where


def properties(part: Any, where: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property of a schema, with its place."""
    if isinstance(part, dict):
        for name, inner in part.get("properties", {}).items():
            if part.get("type") == "object":
                yield f"{where}.{name}", inner
        for name, inner in part.items():
            yield from properties(inner, f"{where}.{name}")
    elif isinstance(part, list):
        for inner in part:
            yield from properties(inner, where)


def test_the_schema_knows_every_column_of_the_tables(schema):
    for row, columns in (("LeaderboardRow", frame_columns()), ("PortfolioRow", PortfolioRow.dtypes())):
        assert list(schema["$defs"][row]["properties"]) == list(columns)
    assert {row.__name__ for row in EVIDENCE.values()} <= set(schema["$defs"])


def test_a_command_prints_the_schema(schema):
    printed = run_cli("show", "--schema")
    assert printed.code == 0
    assert json.loads(printed.out) == json.loads(json.dumps(schema))


# What it refuses


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_version_is_refused(validator, altered, version):
    altered["schema_version"] = version
    with pytest.raises(ValidationError, match="was expected"):
        validator.validate(altered)


def test_a_report_without_any_of_its_parts_is_refused(validator, report):
    for part in report:
        with pytest.raises(ValidationError, match=f"'{part}' is a required property"):
            validator.validate({k: v for k, v in report.items() if k != part})


@pytest.mark.parametrize(
    "damage",
    [
        lambda r: r.update(extra=1),
        lambda r: r["results"][0].pop("rank_ic_half"),
        lambda r: r["results"][0].update(rank_ic="0.05"),
        lambda r: r["models"][0].pop("params"),
        lambda r: r["models"][0]["trials"][0].pop("segments"),
        lambda r: r["sentences"][0].pop("cells"),
        lambda r: next(iter(r["sentences"][0]["cells"].values())).pop("low"),
        lambda r: r["recommendations"][0].update(use="gambling"),
        lambda r: r["portfolio"].pop("settings"),
        lambda r: r["claims"][0].update(verdict="maybe"),
        lambda r: r["data"].update(days=["2020-01-01"]),
        lambda r: r.update(models=[]),
    ],
)
def test_a_report_with_a_damaged_part_is_refused(validator, altered, damage):
    damage(altered)
    with pytest.raises(ValidationError):
        validator.validate(altered)


# What it holds


def test_it_holds_data_processing_training_models_and_recommendations(report, finished):
    run = RunStore.open(finished, "small").run()
    assert report["data"]["fingerprint"] == run["data"]["fingerprint"]
    assert report["data"]["folds"] == run["folds"]
    assert (report["processing"]["features"], report["processing"]["lookback"]) == ("raw", 5)
    assert report["training"]["shared"]["batch_size"] == 1000
    assert report["training"]["seeds"] == [0, 1]
    models = {m["model"]: m for m in report["models"]}
    assert models["gru"]["params_set"] == {"hidden_size": 4, "num_layers": 1}
    assert models["tcn"]["train_set"] == {"lr": 0.001}
    assert {"key": "batch_size", "value": 1000, "uniform": 1024} in models["gru"]["deviations"]
    assert models["linear"]["deviations"] == []
    assert [len(m["trials"]) for m in report["models"]] == [2, 2, 2]
    assert report["recommendations"][0]["use"] == "prediction"


def test_trials_hold_what_their_records_hold(report, finished):
    store = RunStore.open(finished, "small")
    for model in report["models"]:
        for trial in model["trials"]:
            record = store.record(trial["key"])
            assert record is not None
            assert trial["metrics"]["rank_ic"] == record["metrics"]["rank_ic"]
            assert trial["fit_seconds"] == record["fit"]["seconds"]
            assert trial["epochs"] == len(record["fit"]["history"])


def test_every_cell_of_a_sentence_is_in_a_table_of_the_report(report):
    tables = {"main": report["results"], "portfolio": report["portfolio"]["results"], **report["evidence"]}
    found = 0
    for sentence in report["sentences"]:
        for name, cell in sentence["cells"].items():
            table, _, rest = name.partition(".")
            row, _, column = rest.rpartition(".")
            if row == "median":
                continue  # Of the other models, for claims.
            if table in tables:
                (entry,) = [r for r in tables[table] if r["model"] == row]
            elif table == "pairs":
                (entry,) = [r for r in report["differences"] if f"{r['a']}-{r['b']}" == row]
            else:
                assert table in ("oracle", "guide", "capture", "score"), name
                continue
            value = entry[column]
            assert cell["value"] == value if value is not None else cell["value"] is None
            found += 1
    assert found >= 4


def test_cells_keep_the_unit_of_their_table_whatever_a_sentence_prints(report):
    """A sentence in per cent rests on the fraction that was measured."""
    sentence = next(s for s in report["sentences"] if s["section"] == "portfolio")
    rows = {row["model"]: row for row in report["portfolio"]["results"]}
    cells = {name: c["value"] for name, c in sentence["cells"].items() if name.endswith(".annual_excess")}
    assert cells
    for name, value in cells.items():
        row = rows[name.split(".")[1]]
        assert math.isclose(value, row["annual_excess"])
        assert f"{100 * value:+.1f}" in sentence["text"] or len(cells) > 1


def test_writing_it_again_gives_the_same_file(own_copy):
    path = own_copy / "runs" / "small" / NAME
    before = path.read_bytes()
    write_report(own_copy, "small", figures=False)
    assert path.read_bytes() == before
