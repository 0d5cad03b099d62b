"""`bench config`: every key with what it is, and the settings that a run would have."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from cli_runs import run_cli
from pydantic import BaseModel

from bench.experiment.config import ExperimentConfig, load_config
from bench.experiment.presets import experiments
from bench.interface.settings import configure


def of_types(section: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[str]:
    """Every dotted key of a section's types, by a walk over pydantic's fields."""
    for name, field in section.model_fields.items():
        yield ".".join((*path, name))
        waiting: list[Any] = [field.annotation]
        while waiting:
            kind = waiting.pop()
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                inside = (*path, name, "NAME") if typing.get_origin(field.annotation) is dict else (*path, name)
                yield from of_types(kind, inside)
            waiting += typing.get_args(kind)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    answer = run_cli("config", "--all", "--format", "json")
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def test_every_key_of_the_types_is_listed_and_no_other(rows):
    assert {row["key"] for row in rows} == set(of_types(ExperimentConfig))


def test_every_key_says_what_it_does_and_what_it_may_be(rows):
    assert [row["key"] for row in rows if not row["description"]] == []
    assert [row["key"] for row in rows if not row["section"] and not row["type"]] == []
    by_key = {row["key"]: row for row in rows}
    assert by_key["train.lr"]["allowed"] == "above 0"
    assert by_key["data.split.step"]["when"] == "mode: walk_forward"
    assert by_key["device"]["allowed"] == "auto, cpu, cuda"
    assert by_key["portfolio.limit"]["type"] == "number or null"


def test_a_default_that_is_printed_is_the_one_that_is_used(rows):
    default = load_config(None)
    for row in rows:
        parts = row["key"].split(".")
        other_kind = row["when"] in ("mode: walk_forward", "column")
        if row["section"] or "NAME" in parts or other_kind or {"universe", "feature_files"} & set(parts[:-1]):
            continue
        value: Any = default
        for part in parts:
            value = getattr(value, part)
        if row["default"]:
            assert yaml.safe_load(row["default"]) == json.loads(json.dumps(value, default=dict)), row["key"]


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_the_other_forms_hold_the_same_keys(rows, form):
    answer = run_cli("config", "--all", "--format", form)
    assert answer.code == 0, answer.err
    shown = answer.out.replace("`", "")
    assert [row["key"] for row in rows if f"{row['key']} " not in shown and not row["section"]] == []


@pytest.mark.parametrize("name", sorted(experiments()))
def test_what_is_printed_of_a_configuration_is_one_that_gives_the_same(name, tmp_path):
    answer = run_cli("config", name, "--set", "train.lr=5e-4")
    assert answer.code == 0, answer.err
    file = tmp_path / "printed.yaml"
    file.write_text(answer.out, encoding="utf-8")
    assert load_config(file) == configure(name, {"train.lr": 5e-4})


def test_models_that_are_chosen_keep_their_settings():
    answer = run_cli("config", "planted", "--models", "gats,gru")
    assert yaml.safe_load(answer.out)["models"] == {
        "gats": {"params": {"graph": "concept", "aggregate": "transformed"}, "train": {}},
        "gru": {"params": {}, "train": {}},
    }


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--all", "quick"], "prints what may be set"),
        (["--format", "markdown"], "add --all"),
        (["--set", "train.lrr=1"], "unknown key 'train.lrr' (did you mean 'lr'?)"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, why):
    answer = run_cli("config", *arguments)
    assert answer.code == 2
    assert why in answer.err
